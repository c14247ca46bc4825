#include "disk/token.h"

#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "base/number.h"

enum { KEYSLOT_TEXT_SIZE = 4, KEYS_MAX = 16 };

/* The longest token, in characters: the fixed ones, the numbers, and the sealed blob. */
_Static_assert(512 + BASE64_LENGTH(TOKEN_SEALED_MAX) < TOKEN_SIZE_MAX, "a token fits its limit");

static const char *const policies[] = {
    [TOKEN_POLICY_LOCAL] = "local", [TOKEN_POLICY_ORG] = "org"
};

void token_tpm2_encode(const struct token_tpm2 *token, struct line *l)
{
    char org[2 * TOKEN_ORG_SIZE + 1], sealed[BASE64_LENGTH(TOKEN_SEALED_MAX) + 1];

    CHECK(token->keyslot <= TOKEN_KEYSLOT_MAX && token->sealed_size <= TOKEN_SEALED_MAX);
    hex_encode(token->org, sizeof(token->org), org);
    base64_encode(token->sealed, token->sealed_size, sealed);
    line_addf(l, "{\"type\":\"" TOKEN_TYPE_TPM2 "\",\"keyslots\":[\"%u\"],\"version\":%d,",
              token->keyslot, TOKEN_VERSION);
    line_addf(l, "\"policy\":\"%s\",\"org\":\"%s\",\"share_epoch\":%u,\"k\":%u,\"n\":%u,",
              policies[token->policy], org, token->share_epoch, token->k, token->n);
    line_add(l, "\"sealed\":\"");
    line_add(l, sealed);
    line_add(l, "\"}");
}

void token_recovery_encode(unsigned keyslot, struct line *l)
{
    CHECK(keyslot <= TOKEN_KEYSLOT_MAX);
    line_addf(l, "{\"type\":\"" TOKEN_TYPE_RECOVERY "\",\"keyslots\":[\"%u\"],\"version\":%d}",
              keyslot, TOKEN_VERSION);
}

/* What is known of a token while it is read. */
struct parts {
    struct token_tpm2 *token;
    unsigned *keyslot;
};

/* A list of exactly one keyslot, whose number is a text; -ENOENT for an empty one. */
static int read_keyslots(const struct json_reader *value, const struct parts *parts)
{
    char digits[KEYSLOT_TEXT_SIZE];
    struct json_reader list, element;
    struct json_text text;
    uint64_t number;
    int r = json_reader_list(value, &list);

    int more = r < 0 ? r : json_reader_element(&list, &element);

    if (more == 0)
        return -ENOENT;
    if (more != 1 || json_reader_text(&element, &text) < 0 ||
        json_reader_element(&list, &element) != 0)
        return -EBADMSG;
    r = json_text_copy(&text, digits, sizeof(digits));
    if (r == 0)
        r = number_parse_text(digits, TOKEN_KEYSLOT_MAX, &number);
    if (r == 0)
        *parts->keyslot = (unsigned)number;
    return r;
}

static int read_version(const struct json_reader *value, const struct parts *parts)
{
    uint64_t version;
    int r = json_reader_number(value, UINT32_MAX, &version);

    (void)parts;
    return r == 0 && version != TOKEN_VERSION ? -EBADMSG : r;
}

static int read_policy(const struct json_reader *value, const struct parts *parts)
{
    struct json_text text;

    if (json_reader_text(value, &text) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        if (json_text_is(&text, policies[i])) {
            parts->token->policy = (enum token_policy)i;
            return 0;
        }
    }
    return -EBADMSG;
}

static int read_org(const struct json_reader *value, const struct parts *parts)
{
    struct json_text text;

    if (json_reader_text(value, &text) < 0)
        return -EBADMSG;
    return hex_decode(text.text, text.size, parts->token->org, sizeof(parts->token->org));
}

static int read_share_epoch(const struct json_reader *value, const struct parts *parts)
{
    uint64_t number;
    int r = json_reader_number(value, UINT32_MAX, &number);

    if (r == 0)
        parts->token->share_epoch = (uint32_t)number;
    return r;
}

static int read_k(const struct json_reader *value, const struct parts *parts)
{
    uint64_t number;
    int r = json_reader_number(value, TOKEN_SHARES_MAX, &number);

    if (r == 0)
        parts->token->k = (unsigned)number;
    return r;
}

static int read_n(const struct json_reader *value, const struct parts *parts)
{
    uint64_t number;
    int r = json_reader_number(value, TOKEN_SHARES_MAX, &number);

    if (r == 0)
        parts->token->n = (unsigned)number;
    return r;
}

static int read_sealed(const struct json_reader *value, const struct parts *parts)
{
    char text[BASE64_LENGTH(TOKEN_SEALED_MAX) + 1];
    struct json_text escaped;
    int r = json_reader_text(value, &escaped);

    /* Copied because a writer may have escaped the slashes. */
    if (r == 0)
        r = json_text_copy(&escaped, text, sizeof(text));
    if (r == 0)
        r = base64_decode(text, strlen(text), parts->token->sealed, TOKEN_SEALED_MAX,
                          &parts->token->sealed_size);
    return r == 0 && parts->token->sealed_size == 0 ? -EBADMSG : r;
}

/* The type was looked at before. */
static int read_type(const struct json_reader *value, const struct parts *parts)
{
    (void)value;
    (void)parts;
    return 0;
}

struct key {
    const char *name;
    int (*read)(const struct json_reader *value, const struct parts *parts);
};

static const struct key tpm2_keys[] = {
    { "type", read_type },
    { "keyslots", read_keyslots },
    { "version", read_version },
    { "policy", read_policy },
    { "org", read_org },
    { "share_epoch", read_share_epoch },
    { "k", read_k },
    { "n", read_n },
    { "sealed", read_sealed },
};
static const struct key recovery_keys[] = { { "type", read_type },
                                            { "keyslots", read_keyslots },
                                            { "version", read_version } };
_Static_assert(ARRAY_SIZE(tpm2_keys) <= KEYS_MAX, "one bit for each key");

/* 0 when the object has this type, -ENOENT when it has another one or none, -EBADMSG when it is not
 * an object or has two. */
static int check_type(const struct json_reader *value, const char *type)
{
    struct json_reader object, member;
    struct json_text key, text;
    unsigned types = 0;
    bool same = false;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &member)) > 0) {
        r = 0;
        if (!json_text_is(&key, "type"))
            continue;
        types++;
        same = json_reader_text(&member, &text) == 0 && json_text_is(&text, type);
    }
    if (r < 0 || types > 1)
        return -EBADMSG;
    return same ? 0 : -ENOENT;
}

static int read_member(const struct json_text *name, const struct json_reader *value,
                       const struct key *keys, size_t count, const struct parts *parts,
                       unsigned *seen)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_text_is(name, keys[i].name))
            continue;
        if (*seen & 1u << i)
            return -EBADMSG; /* the same key twice: two readers could believe two things */
        *seen |= 1u << i;
        return keys[i].read(value, parts);
    }
    return -EBADMSG;
}

/* Reads an object that has each of these keys exactly once. */
static int read_keys(const struct json_reader *value, const struct key *keys, size_t count,
                     const struct parts *parts)
{
    struct json_reader object, member;
    struct json_text name;
    unsigned seen = 0;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &name, &member)) > 0)
        r = read_member(&name, &member, keys, count, parts, &seen);
    return r == 0 && seen != (1u << count) - 1 ? -EBADMSG : r;
}

/* A local token has no shares; one of an org needs some of them. */
static bool shares_make_sense(const struct token_tpm2 *t)
{
    if (t->policy == TOKEN_POLICY_LOCAL)
        return t->share_epoch == 0 && t->k == 0 && t->n == 0;
    return t->k >= 1 && t->k <= t->n;
}

int token_tpm2_decode(const struct json_reader *value, struct token_tpm2 *ret)
{
    struct token_tpm2 token = { 0 };
    const struct parts parts = { &token, &token.keyslot };
    int r = check_type(value, TOKEN_TYPE_TPM2);

    if (r == 0)
        r = read_keys(value, tpm2_keys, ARRAY_SIZE(tpm2_keys), &parts);
    if (r == 0 && !shares_make_sense(&token))
        r = -EBADMSG;
    if (r == 0)
        *ret = token;
    return r;
}

int token_recovery_decode(const struct json_reader *value, unsigned *ret_keyslot)
{
    unsigned keyslot = 0;
    const struct parts parts = { NULL, &keyslot };
    int r = check_type(value, TOKEN_TYPE_RECOVERY);

    if (r == 0)
        r = read_keys(value, recovery_keys, ARRAY_SIZE(recovery_keys), &parts);
    if (r == 0)
        *ret_keyslot = keyslot;
    return r;
}
