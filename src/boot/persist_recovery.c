#include "boot/persist_recovery.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "boot/prompt.h"
#include "disk/recovery_key.h"

/* Written by `broch recovery verify`. */
#define CONFIRMED "@broch/recovery.json"

/* Said on the consoles and nowhere else. */
static void show(const struct secret *digits)
{
    char key[RECOVERY_KEY_TEXT_SIZE];

    recovery_key_format(digits, key);
    prompt_say("\nThis machine's disk has a new recovery key. It is shown once. Write it down:\n\n"
               "    ");
    prompt_say(key);
    prompt_say(
        "\n\nIt opens the disk when the TPM does not. Prove it later: broch recovery verify\n\n");
    explicit_bzero(key, sizeof(key));
}

static int make(const struct opening *o, struct secret *ret_digits, struct failure *f)
{
    uint8_t random[RECOVERY_KEY_SIZE];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return failure_set(f, CODE_INTERNAL, -EIO, "no random bytes");
    recovery_key_encode(random, ret_digits);
    explicit_bzero(random, sizeof(random));
    return volume_set_recovery(o->volume, &o->key, ret_digits, f);
}

int persist_recovery_make(struct stage1 *s, const struct opening *o, struct failure *f)
{
    _cleanup_secret_ struct secret digits = SECRET_INIT;
    struct failure unseen = FAILURE_NONE;
    int r = make(o, &digits, f);

    if (r < 0)
        return r;
    if (prompt_open(s, &unseen) < 0) {
        stage1_note(s, "recovery-key-unseen", unseen.text);
        if (s->facts.persist.enrolled)
            return 0;
        return failure_set(f, CODE_PERSIST_MAKE, -ENODEV,
                           "no console shows the recovery key, and the TPM does not open the disk: "
                           "nobody would ever");
    }
    show(&digits);
    prompt_close();
    return 0;
}

/* First of all, so that a power cut never leaves a key that counts as typed back and was not. */
static int forget_confirmation(int fd, struct failure *f)
{
    if (unlinkat(fd, CONFIRMED, 0) < 0 && errno != ENOENT)
        return failure_set(f, CODE_IO, -errno, "cannot remove " CONFIRMED);
    return syncfs(fd) < 0 ? failure_set(f, CODE_IO, -errno, "cannot sync the disk") : 0;
}

int persist_recovery_renew(struct stage1 *s, const struct opening *o, int fd, struct failure *f)
{
    _cleanup_secret_ struct secret digits = SECRET_INIT;
    int r = prompt_open(s, f);

    if (r < 0)
        return r;
    r = forget_confirmation(fd, f);
    if (r == 0)
        r = make(o, &digits, f);
    if (r == 0)
        show(&digits);
    prompt_close();
    return r;
}
