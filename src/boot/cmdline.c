#include "boot/cmdline.h"

#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "base/number.h"
#include "boot/initrd.h"

/* A value of the command line; not terminated. */
struct word {
    const char *text;
    size_t length;
};

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool only(struct word w, const char *allowed)
{
    for (size_t i = 0; i < w.length; i++) {
        if (w.text[i] == '\0' || !strchr(allowed, w.text[i]))
            return false;
    }
    return true;
}

static bool copy_word(struct word w, const char *allowed, char *ret, size_t length_max)
{
    if (w.length == 0 || w.length > length_max || !only(w, allowed))
        return false;
    memcpy(ret, w.text, w.length);
    ret[w.length] = '\0';
    return true;
}

static bool set_generation(struct word w, struct cmdline *c)
{
    return copy_word(w, LOWER UPPER DIGITS "._+~-", c->generation, CMDLINE_GENERATION_MAX);
}

static bool set_profile(struct word w, struct cmdline *c)
{
    return copy_word(w, LOWER DIGITS "-", c->profile, CMDLINE_PROFILE_MAX) &&
           strchr(LOWER, c->profile[0]) != NULL;
}

static bool set_epoch(struct word w, struct cmdline *c)
{
    return number_parse(w.text, w.length, CMDLINE_EPOCH_MAX, &c->epoch) == 0;
}

static bool set_verity(struct word w, struct cmdline *c)
{
    return only(w, DIGITS "abcdef") &&
           hex_decode(w.text, w.length, c->verity, sizeof(c->verity)) == 0;
}

static const struct {
    const char *key;
    bool (*set)(struct word w, struct cmdline *c);
} keys[] = {
    { CMDLINE_GENERATION, set_generation },
    { CMDLINE_PROFILE, set_profile },
    { CMDLINE_EPOCH, set_epoch },
    { CMDLINE_VERITY, set_verity },
};

static int refuse(struct failure *f, const char *what, struct word w)
{
    /* The words are the build's own, and printable by then. */
    return failure_set(f, CODE_BOOT_CMDLINE_SYNTAX, -EBADMSG, "%s: '%.*s'", what,
                       w.length > 80 ? 80 : (int)w.length, w.text);
}

static int take_word(struct word w, struct cmdline *c, bool seen[static ARRAY_SIZE(keys)],
                     struct failure *f)
{
    const char *equals = memchr(w.text, '=', w.length);
    struct word key = { w.text, equals ? (size_t)(equals - w.text) : w.length };

    if (w.length < strlen(CMDLINE_PREFIX) ||
        memcmp(w.text, CMDLINE_PREFIX, strlen(CMDLINE_PREFIX)) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strlen(keys[i].key) != key.length || memcmp(keys[i].key, key.text, key.length) != 0)
            continue;
        if (seen[i])
            return refuse(f, "repeated key", key);
        seen[i] = true;
        if (!equals || !keys[i].set((struct word){ equals + 1, w.length - key.length - 1 }, c))
            return refuse(f, "bad value", w);
        return 0;
    }
    return refuse(f, "unknown key", key);
}

static int check_bytes(const char *text, size_t length, struct failure *f)
{
    if (length == 0 || length > INITRD_CMDLINE_MAX)
        return failure_set(f, CODE_BOOT_CMDLINE_SYNTAX, -EBADMSG, "it has %zu bytes", length);
    for (size_t i = 0; i < length; i++) {
        /* A quote would hide a space from us, or a word from the kernel. */
        if (text[i] < ' ' || text[i] > '~' || text[i] == '"')
            return failure_set(f, CODE_BOOT_CMDLINE_SYNTAX, -EBADMSG, "byte 0x%02x at offset %zu",
                               (unsigned)(unsigned char)text[i], i);
    }
    return 0;
}

int cmdline_parse(const char *text, size_t length, struct cmdline *ret, struct failure *f)
{
    bool seen[ARRAY_SIZE(keys)] = { false };
    struct cmdline parsed = { 0 };
    int r = check_bytes(text, length, f);

    for (size_t start = 0, end; r == 0 && start < length; start = end + 1) {
        const char *space = memchr(text + start, ' ', length - start);

        end = space ? (size_t)(space - text) : length;
        r = take_word((struct word){ text + start, end - start }, &parsed, seen, f);
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!seen[i])
            return refuse(f, "missing key", (struct word){ keys[i].key, strlen(keys[i].key) });
    }
    *ret = parsed;
    return 0;
}

bool cmdline_same(const char *copy, size_t copy_length, const char *running, size_t running_length)
{
    if (running_length == copy_length + 1 && running[copy_length] == '\n')
        running_length--;
    return running_length == copy_length && memcmp(copy, running, copy_length) == 0;
}
