/* pcr-enter and pcr-cap: PCR 11 says that stage 1 runs, and then that it is over.
 *
 * Whatever is sealed for stage 1 opens only between the two. The cap is the word "leave-initrd" and
 * a random value that makes the result unguessable. */
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

/* A TPM without a SHA-256 bank has nothing to show. Their order is that of the command's answer. */
void stage1_read_pcrs(struct stage1 *s)
{
    static const unsigned pcrs[] = { PCR_SECURE_BOOT, PCR_KERNEL, PCR_COMMAND_LINE };
    struct facts_pcr *const facts[] = { &s->facts.pcr7, &s->facts.pcr11, &s->facts.pcr12 };
    uint8_t values[ARRAY_SIZE(pcrs)][TPM_PCR_SIZE];

    if (!s->tpm_present || tpm_read(pcrs, ARRAY_SIZE(pcrs), values) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(pcrs); i++) {
        memcpy(facts[i]->value, values[i], TPM_PCR_SIZE);
        facts[i]->read = true;
    }
}

static int measure(const void *bytes, size_t size, const char *what, struct failure *f)
{
    int r = tpm_measure(PCR_KERNEL, bytes, size);

    return r < 0 ? failure_set(f, f->code, r, "cannot measure %s: %s", what, strerror(-r)) : 0;
}

int step_pcr_enter(struct stage1 *s, struct failure *f)
{
    static const char word[] = "enter-initrd";
    int r = open_tpm(s, f);

    return r < 0 || !s->tpm_present ? r : measure(word, strlen(word), word, f);
}

/* Also called on every way to a failure's end, whatever was done before it. One event: between two
 * of them, the first one's value would be known to everybody. */
int step_pcr_cap(struct stage1 *s, struct failure *f)
{
    static const char word[] = "leave-initrd";
    uint8_t cap[sizeof(word) - 1 + CAP_RANDOM_SIZE];
    int r = open_tpm(s, f);

    if (r < 0 || !s->tpm_present)
        return r;
    memcpy(cap, word, sizeof(word) - 1);
    if (getrandom(cap + sizeof(word) - 1, CAP_RANDOM_SIZE, 0) != CAP_RANDOM_SIZE)
        return failure_set(f, f->code, -errno, "no random bytes for the cap");
    r = measure(cap, sizeof(cap), "the cap", f);
    if (r < 0)
        return r;
    s->capped = true;
    s->facts.persist.tpm_commands = (unsigned)tpm_command_count();
    return 0;
}
