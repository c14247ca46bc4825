#include "disk/luks_header.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"

enum {
    MAGIC_SIZE = 6,
    VERSION = 2,
    BINARY_SIZE = 4096,
    CHECKSUM_NAME_SIZE = 32,
    SALT_SIZE = 64,
    UUID_FIELD_SIZE = 40,
    CHECKSUM_OFFSET = 0x1c0,
    CHECKSUM_SIZE = 64,
    DIGEST_SIZE = 32, /* SHA-256, the one that every cryptsetup writes */
};

static const uint8_t magic_first[MAGIC_SIZE] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };
static const uint8_t magic_second[MAGIC_SIZE] = { 'S', 'K', 'U', 'L', 0xba, 0xbe };

/* One of the two headers. */
struct candidate {
    const uint8_t *bytes;
    size_t size;
    uint64_t sequence;
    const uint8_t *label, *subsystem, *uuid; /* fields in `bytes` */
};

static bool size_is_known(uint64_t size)
{
    return size >= LUKS_HEADER_SIZE_MIN && size <= LUKS_HEADER_SIZE_MAX && (size & (size - 1)) == 0;
}

/* The checksum is over the whole header with its own field as zeros. */
static bool checksum_fits(const uint8_t *bytes, size_t size)
{
    static const uint8_t zeros[CHECKSUM_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t digest[DIGEST_SIZE];
    unsigned length = 0;
    bool done;

    done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(context, bytes, CHECKSUM_OFFSET) == 1 &&
           EVP_DigestUpdate(context, zeros, sizeof(zeros)) == 1 &&
           EVP_DigestUpdate(context, bytes + CHECKSUM_OFFSET + CHECKSUM_SIZE,
                            size - CHECKSUM_OFFSET - CHECKSUM_SIZE) == 1 &&
           EVP_DigestFinal_ex(context, digest, &length) == 1 && length == sizeof(digest);
    EVP_MD_CTX_free(context);
    return done && memcmp(digest, bytes + CHECKSUM_OFFSET, sizeof(digest)) == 0;
}

/* Reads the binary part of the header at `offset`. -ENOENT when there is none. */
static int read_binary(const uint8_t *bytes, size_t size, size_t offset, struct candidate *ret)
{
    const uint8_t *magic = offset == 0 ? magic_first : magic_second;
    struct cursor c = cursor_make(bytes, size);
    const uint8_t *found, *checksum_name;
    struct candidate candidate;
    uint64_t header_size;

    cursor_seek(&c, offset);
    found = cursor_take(&c, MAGIC_SIZE);
    if (!found || memcmp(found, magic, MAGIC_SIZE) != 0 || cursor_be16(&c) != VERSION)
        return -ENOENT;
    header_size = cursor_be64(&c);
    candidate.sequence = cursor_be64(&c);
    candidate.label = cursor_take(&c, LUKS_HEADER_LABEL_SIZE);
    checksum_name = cursor_take(&c, CHECKSUM_NAME_SIZE);
    cursor_skip(&c, SALT_SIZE);
    candidate.uuid = cursor_take(&c, UUID_FIELD_SIZE);
    candidate.subsystem = cursor_take(&c, LUKS_HEADER_LABEL_SIZE);
    if (cursor_be64(&c) != offset || c.failed || !size_is_known(header_size) ||
        header_size > size - offset || (offset != 0 && header_size != offset))
        return -EBADMSG;
    if (memcmp(checksum_name, "sha256", sizeof("sha256")) != 0)
        return -EBADMSG;
    candidate.bytes = bytes + offset;
    candidate.size = (size_t)header_size;
    if (!checksum_fits(candidate.bytes, candidate.size))
        return -EBADMSG;
    *ret = candidate;
    return 0;
}

/* A field of fixed size that ends with a zero, in printable characters. */
static int copy_field(const uint8_t *field, size_t size, char *ret, size_t capacity)
{
    const uint8_t *end = memchr(field, '\0', size);

    if (!end || (size_t)(end - field) >= capacity)
        return -EBADMSG;
    for (const uint8_t *p = field; p < end; p++) {
        if (*p < ' ' || *p > '~')
            return -EBADMSG;
    }
    memcpy(ret, field, (size_t)(end - field) + 1);
    return 0;
}

/* "01234567-89ab-cdef-0123-456789abcdef", in lower case as libuuid writes it. */
static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < LUKS_HEADER_UUID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-'
                 : !((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    }
    return text[LUKS_HEADER_UUID_SIZE - 1] == '\0';
}

static int read_tokens(const struct json_reader *value, struct luks_header *header)
{
    struct json_reader tokens, token;
    struct json_text name;
    int r = json_reader_object(value, &tokens);

    while (r == 0 && (r = json_reader_member(&tokens, &name, &token)) > 0) {
        static struct token_tpm2 one;
        int decoded = token_tpm2_decode(&token, &one);

        r = 0;
        if (decoded == 0 && header->token_count < LUKS_HEADER_TOKENS_MAX)
            header->tokens[header->token_count++] = one;
        else if (decoded != -ENOENT)
            header->tokens_unread++;
    }
    return r;
}

/* Finds "tokens" at the top of the JSON text; the other members are walked over. */
static int read_json(const struct candidate *candidate, struct luks_header *header)
{
    const char *text = (const char *)candidate->bytes + BINARY_SIZE;
    size_t room = candidate->size - BINARY_SIZE;
    struct json_reader whole = json_reader_make(text, strnlen(text, room)), object, value;
    struct json_text name;
    bool found = false;
    int r = json_reader_object(&whole, &object);

    while (r == 0 && (r = json_reader_member(&object, &name, &value)) > 0) {
        r = 0;
        if (!json_text_is(&name, "tokens"))
            continue;
        r = found ? -EBADMSG : read_tokens(&value, header);
        found = true;
    }
    return r == 0 && !found ? -EBADMSG : r;
}

/* The better of both headers, as libcryptsetup chooses. */
static int choose(const uint8_t *bytes, size_t size, struct candidate *ret)
{
    struct candidate second;
    int first_result = read_binary(bytes, size, 0, ret), result = first_result;

    /* The first one tells where the second is; if it is damaged, each place is tried. */
    for (size_t at = LUKS_HEADER_SIZE_MIN; at <= LUKS_HEADER_SIZE_MAX; at *= 2) {
        int r;

        if (first_result == 0 && at != ret->size)
            continue;
        r = read_binary(bytes, size, at, &second);
        if (r == 0 && (result < 0 || second.sequence > ret->sequence)) {
            *ret = second;
            return 0;
        }
        if (result == -ENOENT && r != -ENOENT)
            result = r;
    }
    return result;
}

int luks_header_scan(const void *bytes, size_t size, struct luks_header *ret)
{
    struct candidate candidate;
    int r = choose(bytes, size, &candidate);

    if (r < 0)
        return r;
    memset(ret, 0, sizeof(*ret));
    ret->sequence = candidate.sequence;
    if (copy_field(candidate.uuid, UUID_FIELD_SIZE, ret->uuid, sizeof(ret->uuid)) < 0 ||
        !is_uuid(ret->uuid) ||
        copy_field(candidate.label, LUKS_HEADER_LABEL_SIZE, ret->label, sizeof(ret->label)) < 0 ||
        copy_field(candidate.subsystem, LUKS_HEADER_LABEL_SIZE, ret->subsystem,
                   sizeof(ret->subsystem)) < 0)
        return -EBADMSG;
    return read_json(&candidate, ret);
}
