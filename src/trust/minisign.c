#include "trust/minisign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "sys/file.h"

#define COMMENT_HEAD "untrusted comment: "
#define TRUSTED_HEAD "trusted comment: "

enum {
    PUBLIC_SIZE = 2 + MINISIGN_KEY_ID_SIZE + crypto_sign_PUBLICKEYBYTES,
    SIGNATURE_SIZE = 2 + MINISIGN_KEY_ID_SIZE + crypto_sign_BYTES,
    CHECKSUM_SIZE = 32,
    KDF_SIZE = 32 + 8 + 8, /* salt, opslimit, memlimit: all zero without a password */
    PRIVATE_SIZE =
        2 + 2 + 2 + KDF_SIZE + MINISIGN_KEY_ID_SIZE + crypto_sign_SECRETKEYBYTES + CHECKSUM_SIZE,
    HASH_SIZE = 64, /* BLAKE2b-512 */
};

/* The private key file, decoded. Lives in libsodium's guarded, locked memory and is wiped there. */
struct private_key {
    uint8_t id[MINISIGN_KEY_ID_SIZE];
    uint8_t key[crypto_sign_SECRETKEYBYTES];
    uint8_t file[PRIVATE_SIZE];
};

static void free_private(struct private_key **key)
{
    sodium_free(*key);
}

static struct private_key *make_private(void)
{
    if (sodium_init() < 0)
        return NULL;
    return sodium_malloc(sizeof(struct private_key));
}

/* BLAKE2b-256 of algorithm, id and key: how a damaged key file is noticed. `minisign -G -W` leaves
 * zeros there. */
static void private_checksum(const struct private_key *key, uint8_t ret[static CHECKSUM_SIZE])
{
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, CHECKSUM_SIZE); /* fails for bad sizes only */
    (void)crypto_generichash_update(&state, (const uint8_t *)"Ed", 2);
    (void)crypto_generichash_update(&state, key->id, sizeof(key->id));
    (void)crypto_generichash_update(&state, key->key, sizeof(key->key));
    (void)crypto_generichash_final(&state, ret, CHECKSUM_SIZE);
    sodium_memzero(&state, sizeof(state));
}

static void encode_private(struct private_key *key)
{
    uint8_t *at = key->file;

    memset(at, 0, PRIVATE_SIZE);
    memcpy(at, "Ed", 2); /* signature algorithm; the next two bytes, the kdf, stay zero */
    memcpy(at + 4, "B2", 2);
    at += 6 + KDF_SIZE;
    memcpy(at, key->id, sizeof(key->id));
    memcpy(at + sizeof(key->id), key->key, sizeof(key->key));
    private_checksum(key, at + sizeof(key->id) + sizeof(key->key));
}

static int decode_private(struct private_key *key)
{
    struct cursor cursor = cursor_make(key->file, PRIVATE_SIZE);
    uint8_t head[6], kdf[KDF_SIZE], checksum[CHECKSUM_SIZE], expected[CHECKSUM_SIZE];

    cursor_copy(&cursor, head, sizeof(head));
    cursor_copy(&cursor, kdf, sizeof(kdf));
    cursor_copy(&cursor, key->id, sizeof(key->id));
    cursor_copy(&cursor, key->key, sizeof(key->key));
    cursor_copy(&cursor, checksum, sizeof(checksum));
    private_checksum(key, expected);
    if (!cursor_finished(&cursor) || memcmp(head, "Ed\0\0B2", sizeof(head)) != 0 ||
        !sodium_is_zero(kdf, sizeof(kdf)) ||
        (!sodium_is_zero(checksum, sizeof(checksum)) &&
         sodium_memcmp(checksum, expected, sizeof(checksum)) != 0))
        return -EBADMSG;
    return 0;
}

/* "untrusted comment: COMMENT\nBASE64\n" */
static int write_encoded(const char *path, const char *comment, const uint8_t *bytes, size_t size,
                         mode_t mode, struct failure *f)
{
    char *encoded =
        sodium_malloc(sodium_base64_ENCODED_LEN(PRIVATE_SIZE, sodium_base64_VARIANT_ORIGINAL));
    char *file = sodium_malloc(MINISIGN_FILE_MAX);
    int r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (encoded && file) {
        int length;

        (void)sodium_bin2base64(
            encoded, sodium_base64_ENCODED_LEN(PRIVATE_SIZE, sodium_base64_VARIANT_ORIGINAL), bytes,
            size, sodium_base64_VARIANT_ORIGINAL);
        length = snprintf(file, MINISIGN_FILE_MAX, COMMENT_HEAD "%s\n%s\n", comment, encoded);
        CHECK(length > 0 && length < MINISIGN_FILE_MAX);
        r = file_write(path, file, (size_t)length, mode, f);
    }
    sodium_free(encoded);
    sodium_free(file);
    return r;
}

int minisign_make_keys(const char *private_path, const char *public_path, struct failure *f)
{
    _cleanup_(free_private) struct private_key *key = make_private();
    uint8_t public[PUBLIC_SIZE] = { 'E', 'd' };
    int r;

    if (!key)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "no locked memory for a key");
    randombytes_buf(key->id, sizeof(key->id));
    (void)crypto_sign_keypair(public + 2 + MINISIGN_KEY_ID_SIZE, key->key); /* cannot fail */
    memcpy(public + 2, key->id, sizeof(key->id));
    encode_private(key);
    r = write_encoded(private_path, "Broch release key (private)", key->file, PRIVATE_SIZE, 0600,
                      f);
    if (r == 0)
        r = write_encoded(public_path, "Broch release key", public, PUBLIC_SIZE, 0644, f);
    return r;
}

/* Decodes one base64 line of exactly `size` bytes. */
static int decode_line(const char *line, size_t length, uint8_t *ret, size_t size)
{
    size_t decoded = 0;

    if (sodium_base642bin(ret, size, line, length, NULL, &decoded, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        decoded != size)
        return -EBADMSG;
    return 0;
}

static bool take_head(const char **line, size_t *length, const char *head)
{
    size_t size = strlen(head);

    if (*length < size || memcmp(*line, head, size) != 0)
        return false;
    *line += size;
    *length -= size;
    return true;
}

static int read_private(const char *path, struct private_key *key, struct failure *f)
{
    uint8_t *bytes = NULL;
    struct cursor cursor;
    const char *line;
    size_t size = 0, length;
    int r = file_read(path, MINISIGN_FILE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    cursor = cursor_make(bytes, size);
    r = cursor_line(&cursor, &line, &length) && take_head(&line, &length, COMMENT_HEAD) &&
                cursor_line(&cursor, &line, &length) && cursor_finished(&cursor)
            ? decode_line(line, length, key->file, PRIVATE_SIZE)
            : -EBADMSG;
    if (r == 0)
        r = decode_private(key);
    sodium_memzero(bytes, size);
    free(bytes);
    return r < 0 ? failure_set(f, CODE_KEYS_BAD, r, "'%s' is not a release key without password",
                               path)
                 : 0;
}

static void hash_message(const void *bytes, size_t size, uint8_t ret[static HASH_SIZE])
{
    (void)crypto_generichash(ret, HASH_SIZE, bytes, size, NULL, 0); /* fails for bad sizes only */
}

/* The second signature covers the first one and the trusted comment. */
static size_t join_comment(const uint8_t *signature, const char *comment,
                           uint8_t ret[static crypto_sign_BYTES + MINISIGN_COMMENT_MAX])
{
    size_t length = strlen(comment);

    CHECK(length < MINISIGN_COMMENT_MAX);
    memcpy(ret, signature, crypto_sign_BYTES);
    memcpy(ret + crypto_sign_BYTES, comment, length);
    return crypto_sign_BYTES + length;
}

static char *format_signature(const uint8_t *signature, const uint8_t *global, const char *comment)
{
    char first[sodium_base64_ENCODED_LEN(SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL)];
    char second[sodium_base64_ENCODED_LEN(crypto_sign_BYTES, sodium_base64_VARIANT_ORIGINAL)];

    (void)sodium_bin2base64(first, sizeof(first), signature, SIGNATURE_SIZE,
                            sodium_base64_VARIANT_ORIGINAL);
    (void)sodium_bin2base64(second, sizeof(second), global, crypto_sign_BYTES,
                            sodium_base64_VARIANT_ORIGINAL);
    return text_make(COMMENT_HEAD "Broch release signature\n%s\n" TRUSTED_HEAD "%s\n%s\n", first,
                     comment, second);
}

int minisign_sign(const char *private_path, const void *bytes, size_t size,
                  const char *trusted_comment, char **ret_text, struct failure *f)
{
    _cleanup_(free_private) struct private_key *key = make_private();
    uint8_t hash[HASH_SIZE], signature[SIGNATURE_SIZE] = { 'E', 'D' }, global[crypto_sign_BYTES];
    uint8_t joined[crypto_sign_BYTES + MINISIGN_COMMENT_MAX];
    int r;

    CHECK(!strchr(trusted_comment, '\n'));
    if (!key)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "no locked memory for a key");
    r = read_private(private_path, key, f);
    if (r < 0)
        return r;
    hash_message(bytes, size, hash);
    memcpy(signature + 2, key->id, sizeof(key->id));
    (void)crypto_sign_detached(signature + 2 + MINISIGN_KEY_ID_SIZE, NULL, hash, sizeof(hash),
                               key->key);
    (void)crypto_sign_detached(
        global, NULL, joined,
        join_comment(signature + 2 + MINISIGN_KEY_ID_SIZE, trusted_comment, joined), key->key);
    *ret_text = format_signature(signature, global, trusted_comment);
    return *ret_text ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* The four lines of a signature file, decoded. */
struct signature {
    uint8_t signature[SIGNATURE_SIZE];
    uint8_t global[crypto_sign_BYTES];
    char comment[MINISIGN_COMMENT_MAX];
};

static int parse_signature(const char *text, struct signature *ret)
{
    struct cursor cursor = cursor_make(text, strlen(text));
    const char *line;
    size_t length;

    if (!cursor_line(&cursor, &line, &length) || !take_head(&line, &length, COMMENT_HEAD))
        return -EBADMSG;
    if (!cursor_line(&cursor, &line, &length) ||
        decode_line(line, length, ret->signature, sizeof(ret->signature)) < 0)
        return -EBADMSG;
    if (!cursor_line(&cursor, &line, &length) || !take_head(&line, &length, TRUSTED_HEAD) ||
        length >= sizeof(ret->comment))
        return -EBADMSG;
    memcpy(ret->comment, line, length);
    ret->comment[length] = '\0';
    if (!cursor_line(&cursor, &line, &length) ||
        decode_line(line, length, ret->global, sizeof(ret->global)) < 0)
        return -EBADMSG;
    return cursor_finished(&cursor) ? 0 : -EBADMSG;
}

/* The keys that may have signed. */
struct publics {
    uint8_t keys[MINISIGN_KEYS_MAX][PUBLIC_SIZE];
    size_t count;
};

static int parse_publics(const char *text, struct publics *ret)
{
    struct cursor cursor = cursor_make(text, strlen(text));
    const char *line;
    size_t length;

    ret->count = 0;
    do {
        uint8_t *key = ret->keys[ret->count];

        if (ret->count == MINISIGN_KEYS_MAX || !cursor_line(&cursor, &line, &length) ||
            !take_head(&line, &length, COMMENT_HEAD) || !cursor_line(&cursor, &line, &length) ||
            decode_line(line, length, key, PUBLIC_SIZE) < 0 || memcmp(key, "Ed", 2) != 0)
            return -EBADMSG;
        ret->count++;
    } while (!cursor_finished(&cursor));
    return 0;
}

static int verify_by(const uint8_t public[static PUBLIC_SIZE], const struct signature *signature,
                     const uint8_t hash[static HASH_SIZE], struct failure *f)
{
    const uint8_t *key = public + 2 + MINISIGN_KEY_ID_SIZE;
    const uint8_t *first = signature->signature + 2 + MINISIGN_KEY_ID_SIZE;
    uint8_t joined[crypto_sign_BYTES + MINISIGN_COMMENT_MAX];

    if (crypto_sign_verify_detached(first, hash, HASH_SIZE, key) != 0)
        return failure_set(f, CODE_SIGNATURE, -EKEYREJECTED, "the signature is wrong");
    if (crypto_sign_verify_detached(signature->global, joined,
                                    join_comment(first, signature->comment, joined), key) != 0)
        return failure_set(f, CODE_SIGNATURE, -EKEYREJECTED, "the trusted comment was changed");
    return 0;
}

int minisign_verify(const void *bytes, size_t size, const char *signature_text,
                    const char *public_texts, char ret_comment[static MINISIGN_COMMENT_MAX],
                    struct failure *f)
{
    struct signature signature = { .comment = "" };
    uint8_t hash[HASH_SIZE];
    struct publics publics;
    int r;

    if (sodium_init() < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "libsodium does not start");
    if (parse_publics(public_texts, &publics) < 0)
        return failure_set(f, CODE_SIGNATURE, -EBADMSG, "the public key is malformed");
    if (parse_signature(signature_text, &signature) < 0 ||
        memcmp(signature.signature, "ED", 2) != 0)
        return failure_set(f, CODE_SIGNATURE, -EBADMSG, "the signature is malformed");
    hash_message(bytes, size, hash);
    r = failure_set(f, CODE_SIGNATURE, -EKEYREJECTED, "the signature is by another key");
    /* The id is no secret and covered by nothing: two keys may have the same one. */
    for (size_t i = 0; r < 0 && i < publics.count; i++) {
        if (memcmp(signature.signature + 2, publics.keys[i] + 2, MINISIGN_KEY_ID_SIZE) == 0)
            r = verify_by(publics.keys[i], &signature, hash, f);
    }
    if (r == 0)
        memcpy(ret_comment, signature.comment, MINISIGN_COMMENT_MAX);
    return r;
}

int minisign_key_id(const char *signature_text, char ret_digits[static MINISIGN_KEY_ID_TEXT_SIZE])
{
    struct signature signature;
    int r = parse_signature(signature_text, &signature);

    if (r < 0)
        return r;
    /* A little-endian number behind the two letters of the algorithm. */
    for (size_t i = 0; i < MINISIGN_KEY_ID_SIZE; i++)
        (void)snprintf(ret_digits + 2 * i, 3, "%02X",
                       signature.signature[2 + MINISIGN_KEY_ID_SIZE - 1 - i]);
    return 0;
}
