/* pcr-enter and pcr-cap: PCR 11 says that stage 1 runs, and then that it is over.
 *
 * Whatever is sealed for stage 1 opens only between the two. The cap is a word that systemd's tools
 * know as well, and a random value that makes the result unguessable. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "boot/stage1.h"
#include "sys/attribute.h"

enum {
    PCR_SECURE_BOOT = 7,
    PCR_KERNEL = 11,
    PCR_COMMAND_LINE = 12,
    CAP_RANDOM_SIZE = 32,
};

/* No TPM, or one of version 1, is a fact and no failure; one that does not answer is a failure. */
static int open_tpm(struct stage1 *s, struct failure *f)
{
    uint64_t version = 0;
    int r;

    if (s->tpm_present)
        return 0;
    r = attribute_read_number(AT_FDCWD, "/sys/class/tpm/tpm0/tpm_version_major", 99, &version);
    s->tpm_present = r == 0 && version == 2;
    s->facts.tpm = s->tpm_present ? FACTS_ON : FACTS_OFF;
    if (!s->tpm_present)
        return 0;
    r = tpm_open(TPM_DEVICE);
    return r < 0 ? failure_set(f, f->code, r, "cannot open %s", TPM_DEVICE) : 0;
}

/* Only for the facts: a TPM without a SHA-256 bank has nothing to show. */
static void read_pcr(unsigned pcr, struct facts_pcr *ret)
{
    ret->read = tpm_read(&pcr, 1, &ret->value) == 0;
}

static int measure(const void *bytes, size_t size, const char *what, struct failure *f)
{
    int r = tpm_measure(PCR_KERNEL, bytes, size);

    return r < 0 ? failure_set(f, f->code, r, "cannot measure %s: %s", what, strerror(-r)) : 0;
}

static int measure_word(const char *word, struct failure *f)
{
    return measure(word, strlen(word), word, f);
}

int step_pcr_enter(struct stage1 *s, struct failure *f)
{
    int r = open_tpm(s, f);

    if (r < 0 || !s->tpm_present)
        return r;
    read_pcr(PCR_SECURE_BOOT, &s->facts.pcr7);
    read_pcr(PCR_COMMAND_LINE, &s->facts.pcr12);
    r = measure_word("enter-initrd", f);
    if (r == 0)
        read_pcr(PCR_KERNEL, &s->facts.pcr11);
    return r;
}

/* Also called on every way to a failure's end, whatever was done before it. */
int step_pcr_cap(struct stage1 *s, struct failure *f)
{
    uint8_t random[CAP_RANDOM_SIZE];
    int r = open_tpm(s, f);

    if (r < 0 || !s->tpm_present)
        return r;
    r = measure_word("leave-initrd", f);
    if (r < 0)
        return r;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return failure_set(f, f->code, -errno, "no random bytes for the cap");
    r = measure(random, sizeof(random), "the cap", f);
    if (r < 0)
        return r;
    s->capped = true;
    return 0;
}
