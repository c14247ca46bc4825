#include "disk/binding.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/hex.h"
#include "base/line.h"
#include "base/number.h"
#include "disk/json_reader.h"

enum { TEXT_SIZE = 512, SECTOR = 512, NUMBER_TEXT_SIZE = 24 };

static int refuse(struct failure *f, const char *what)
{
    return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED, "the disk's header: %s", what);
}

void binding_btrfs_uuid(const char *uuid, char ret[static BINDING_UUID_SIZE])
{
    static const char purpose[] = "broch btrfs"; /* with its zero */
    char message[sizeof(purpose) + BINDING_UUID_SIZE];
    size_t length = strlen(uuid);
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char digits[2 * 16 + 1];
    struct line l = line_make(ret, BINDING_UUID_SIZE);

    CHECK(length < BINDING_UUID_SIZE);
    memcpy(message, purpose, sizeof(purpose));
    memcpy(message + sizeof(purpose), uuid, length);
    (void)SHA256((const uint8_t *)message, sizeof(purpose) + length, hash);
    hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x80);
    hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80);
    hex_encode(hash, 16, digits);
    line_addf(&l, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16,
              digits + 20);
}

/* LUKS2 writes 64-bit numbers as strings of digits. */
static bool text_number(const struct json_reader *value, uint64_t *ret)
{
    struct json_text text;
    char digits[NUMBER_TEXT_SIZE];

    return json_reader_text(value, &text) == 0 &&
           json_text_copy(&text, digits, sizeof(digits)) == 0 &&
           number_parse(digits, strlen(digits), INT64_MAX, ret) == 0;
}

static bool text_is(const struct json_reader *value, const char *word)
{
    struct json_text text;

    return json_reader_text(value, &text) == 0 && json_text_is(&text, word);
}

/* Each key of the segment that Broch makes, once; any other one changes what the segment is. */
enum {
    KEY_TYPE = 1,
    KEY_OFFSET = 2,
    KEY_SIZE = 4,
    KEY_TWEAK = 8,
    KEY_CIPHER = 16,
    KEY_SECTOR = 32
};
enum { KEYS_ALL = 63 };

static int parse_key(const struct json_text *key, const struct json_reader *value,
                     struct binding *b, struct failure *f)
{
    uint64_t number;

    if (json_text_is(key, "type"))
        return text_is(value, "crypt") ? KEY_TYPE : refuse(f, "its segment is not encrypted");
    if (json_text_is(key, "size"))
        return text_is(value, "dynamic") ? KEY_SIZE : refuse(f, "its segment has a fixed size");
    if (json_text_is(key, "iv_tweak"))
        return text_is(value, "0") ? KEY_TWEAK : refuse(f, "its first tweak is not 0");
    if (json_text_is(key, "encryption"))
        return text_is(value, BINDING_CIPHER) ? KEY_CIPHER
                                              : refuse(f, "its cipher is not " BINDING_CIPHER);
    if (json_text_is(key, "offset")) {
        if (!text_number(value, &b->data_offset) || b->data_offset % SECTOR != 0)
            return refuse(f, "its data offset is no number");
        return KEY_OFFSET;
    }
    if (json_text_is(key, "sector_size")) {
        if (json_reader_number(value, 4096, &number) < 0)
            return refuse(f, "its sector size is no number");
        b->sector_size = (uint32_t)number;
        return KEY_SECTOR;
    }
    return refuse(f, "its segment has a property that Broch does not make");
}

static int parse_segment(const struct json_reader *value, struct binding *b, struct failure *f)
{
    struct json_reader segment, item;
    struct json_text key;
    int seen = 0, r = json_reader_object(value, &segment);

    while (r == 0 && (r = json_reader_member(&segment, &key, &item)) > 0) {
        r = parse_key(&key, &item, b, f);
        if (r < 0)
            return r;
        if (seen & r)
            return refuse(f, "its segment says something twice");
        seen |= r;
        r = 0;
    }
    if (r < 0 || seen != KEYS_ALL)
        return refuse(f, "its segment is not whole");
    return 0;
}

static int parse_segments(const struct json_reader *value, struct binding *b, struct failure *f)
{
    struct json_reader segments, item;
    struct json_text key;
    unsigned count = 0;
    int r = json_reader_object(value, &segments);

    while (r == 0 && (r = json_reader_member(&segments, &key, &item)) > 0) {
        if (count++ > 0)
            return refuse(f, "it has more than one segment");
        r = parse_segment(&item, b, f);
        if (r < 0)
            return r;
    }
    return r < 0 || count == 0 ? refuse(f, "it has no segment") : 0;
}

/* Requirements: what a reader must know how to do, an unfinished reencryption for one. */
static int parse_config(const struct json_reader *value, struct failure *f)
{
    struct json_reader config, item, inner, ignored;
    struct json_text key, inner_key;
    int r = json_reader_object(value, &config);

    while (r == 0 && (r = json_reader_member(&config, &key, &item)) > 0) {
        r = 0;
        if (json_text_is(&key, "requirements")) {
            if (json_reader_object(&item, &inner) < 0 ||
                json_reader_member(&inner, &inner_key, &ignored) != 0)
                return refuse(f, "it has requirements, an unfinished reencryption perhaps");
        } else if (json_text_is(&key, "flags")) {
            if (json_reader_list(&item, &inner) < 0 || json_reader_element(&inner, &ignored) != 0)
                return refuse(f, "it has flags for its activation");
        }
    }
    return r < 0 ? refuse(f, "its configuration is malformed") : 0;
}

/* --- Keyslots --- */

/* Limits of a derivation; ours cost 1000 and (64 MiB, 4 rounds, 1 thread). */
static const struct limit {
    const char *kind, *key;
    uint64_t most;
} limits[] = {
    { "pbkdf2", "iterations", 100000 },
    { "argon2id", "time", 16 },
    { "argon2id", "memory", 131072 }, /* KiB */
    { "argon2id", "cpus", 4 },
};

/* The object has this key, once, with a number within the limit. */
static bool is_within(const struct json_reader *value, const struct limit *limit)
{
    struct json_reader object, item;
    struct json_text key;
    uint64_t number;
    unsigned seen = 0;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &item)) > 0) {
        r = 0;
        if (json_text_is(&key, limit->key) && json_reader_number(&item, limit->most, &number) == 0)
            seen++;
        else if (json_text_is(&key, limit->key))
            return false;
    }
    return r == 0 && seen == 1;
}

/* The object has this key, once, with this text or number. */
static bool says(const struct json_reader *value, const char *name, const char *text,
                 uint64_t number)
{
    struct json_reader object, item;
    struct json_text key;
    unsigned seen = 0;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &item)) > 0) {
        uint64_t found;

        r = 0;
        if (!json_text_is(&key, name))
            continue;
        if (text ? !text_is(&item, text)
                 : json_reader_number(&item, number, &found) < 0 || found != number)
            return false;
        seen++;
    }
    return r == 0 && seen == 1;
}

static bool is_cheap(const struct json_reader *kdf)
{
    unsigned known = 0;

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (!says(kdf, "type", limits[i].kind, 0))
            continue;
        if (!is_within(kdf, &limits[i]))
            return false;
        known++;
    }
    return known > 0;
}

static bool is_own_keyslot(const struct json_reader *value)
{
    struct json_reader object, item;
    struct json_text key;
    bool area = false, kdf = false;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &item)) > 0) {
        r = 0;
        if (json_text_is(&key, "area"))
            area = says(&item, "type", "raw", 0) && says(&item, "encryption", BINDING_CIPHER, 0) &&
                   says(&item, "key_size", NULL, BINDING_KEY_SIZE);
        else if (json_text_is(&key, "kdf"))
            kdf = is_cheap(&item);
    }
    return r == 0 && area && kdf && says(value, "type", "luks2", 0) &&
           says(value, "key_size", NULL, BINDING_KEY_SIZE);
}

static int parse_keyslots(const struct json_reader *value, uint32_t *ret, struct failure *f)
{
    struct json_reader keyslots, item;
    struct json_text key;
    int r = json_reader_object(value, &keyslots);

    while (r == 0 && (r = json_reader_member(&keyslots, &key, &item)) > 0) {
        char digits[NUMBER_TEXT_SIZE];
        uint64_t number;

        r = json_text_copy(&key, digits, sizeof(digits));
        if (r == 0)
            r = number_parse(digits, strlen(digits), BINDING_KEYSLOTS_MAX - 1, &number);
        if (r == 0 && is_own_keyslot(&item))
            *ret |= 1u << number;
    }
    return r < 0 ? refuse(f, "its keyslots are malformed") : 0;
}

int binding_keyslots(const char *json, size_t size, uint32_t *ret, struct failure *f)
{
    struct json_reader whole = json_reader_make(json, size), object, value;
    struct json_text key;
    int r = json_reader_object(&whole, &object);

    *ret = 0;
    while (r == 0 && (r = json_reader_member(&object, &key, &value)) > 0)
        r = json_text_is(&key, "keyslots") ? parse_keyslots(&value, ret, f) : 0;
    return r < 0 ? refuse(f, "its keyslots are malformed") : 0;
}

void binding_key_hash(const uint8_t key[static BINDING_KEY_SIZE],
                      uint8_t ret[static BINDING_HASH_SIZE])
{
    (void)SHA256(key, BINDING_KEY_SIZE, ret);
}

/* --- The whole --- */

int binding_parse(const char *json, size_t size, const char *uuid, struct binding *ret,
                  struct failure *f)
{
    struct json_reader whole = json_reader_make(json, size), object, value;
    struct json_text key;
    struct binding b = { .sector_size = 0 };
    struct line l = line_make(b.uuid, sizeof(b.uuid));
    bool segments = false;
    int r = json_reader_object(&whole, &object);

    line_add(&l, uuid);
    if (l.cut)
        return refuse(f, "its UUID is too long");
    while (r == 0 && (r = json_reader_member(&object, &key, &value)) > 0) {
        r = 0;
        if (json_text_is(&key, "segments")) {
            if (segments)
                return refuse(f, "it tells of its segments twice");
            segments = true;
            r = parse_segments(&value, &b, f);
        } else if (json_text_is(&key, "config")) {
            r = parse_config(&value, f);
        }
        if (r < 0)
            return r;
    }
    if (r < 0 || !segments)
        return refuse(f, "it is malformed");
    binding_btrfs_uuid(b.uuid, b.btrfs);
    *ret = b;
    return 0;
}

void binding_hash(const struct binding *b, uint8_t ret[static BINDING_HASH_SIZE])
{
    char text[TEXT_SIZE];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "broch binding 1\nuuid=%s\n", b->uuid);
    line_addf(&l, "segments=1 type=crypt cipher=%s key=%d iv=0 integrity=none size=dynamic\n",
              BINDING_CIPHER, 8 * BINDING_KEY_SIZE);
    line_addf(&l, "sector=%" PRIu32 " offset=%" PRIu64 " requirements=none\nbtrfs=%s\n",
              b->sector_size, b->data_offset, b->btrfs);
    CHECK(!l.cut);
    (void)SHA256((const uint8_t *)text, l.length, ret);
}

int binding_check_table(const struct binding *b, const char *device, const char *type,
                        const char *text, struct failure *f)
{
    char wanted[TEXT_SIZE];
    struct line l = line_make(wanted, sizeof(wanted));

    line_addf(&l, "%s :%d:logon:cryptsetup:%s-d0 0 %s %" PRIu64, BINDING_CIPHER, BINDING_KEY_SIZE,
              b->uuid, device, b->data_offset / SECTOR);
    if (b->sector_size != SECTOR)
        line_addf(&l, " 1 sector_size:%" PRIu32, b->sector_size);
    CHECK(!l.cut);
    if (strcmp(type, "crypt") != 0 || strcmp(text, wanted) != 0)
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                           "the kernel's table of the disk is '%s %s'", type, text);
    return 0;
}
