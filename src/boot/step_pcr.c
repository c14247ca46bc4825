/* pcr-enter and pcr-cap: PCR 11 says that stage 1 runs, and then that it is over.
 *
 * Whatever is sealed for stage 1 opens only between the two. The cap is the word "leave-initrd" and
 * a random value that makes the result unguessable. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "base/number.h"
#include "boot/clock.h"
#include "boot/stage1.h"
#include "sys/attribute.h"
#include "sys/efivars.h"

#define LOOK_NS NS_PER_S

enum {
    PCR_SECURE_BOOT = 7,
    PCR_KERNEL = 11,
    PCR_COMMAND_LINE = 12,
    CAP_RANDOM_SIZE = 32,
    TPM_DEADLINE_S = 20, /* as long as the slowest probe, well below the watchdog's */
};

/* The boot stub says which PCR it measured the boot file into, if it did (UAPI.5): then there is a
 * TPM, whatever the kernel has found until now. */
static bool stub_measured(const struct stage1 *s)
{
    uint8_t value[8]; /* "11" in UTF-16 */

    return s->efivars_fd >= 0 && efivars_read(s->efivars_fd, "StubPcrKernelImage",
                                              EFIVARS_GUID_LOADER, value, sizeof(value)) != -ENOENT;
}

static int look_for_tpm(uint64_t *ret_version)
{
    return attribute_read_number(AT_FDCWD, "/sys/class/tpm/tpm0/tpm_version_major", 99,
                                 ret_version);
}

/* Its driver may be slow, or wait for another one. */
static int wait_for_tpm(struct stage1 *s, uint64_t *ret_version)
{
    const uint64_t deadline_ns = clock_ns() + TPM_DEADLINE_S * NS_PER_S;
    int r = look_for_tpm(ret_version);

    while (r < 0 && clock_ns() < deadline_ns) {
        r = devices_settle(&s->devices);
        if (r >= 0)
            r = look_for_tpm(ret_version);
        if (r < 0 && devices_wait(&s->devices, LOOK_NS) < 0) /* its event may be a moment early */
            break;
    }
    return r;
}

/* No TPM, or one of version 1, is a fact and no failure; one that does not answer is a failure. So
 * is one that the firmware had and the kernel has not: uncapped, it would give to the running
 * system what is stage 1's, should it appear later. */
static int open_tpm(struct stage1 *s, bool wait, struct failure *f)
{
    uint64_t version = 0;
    int r;

    if (s->tpm_present)
        return 0;
    r = look_for_tpm(&version);
    if (r < 0 && stub_measured(s)) {
        r = wait ? wait_for_tpm(s, &version) : r;
        if (r < 0)
            return failure_set(f, f->code, -ENODEV, "the firmware has a TPM, the kernel has none");
    }
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
    int r = open_tpm(s, true, f);

    return r < 0 || !s->tpm_present ? r : measure(word, strlen(word), word, f);
}

/* Also called on every way to a failure's end, whatever was done before it. One event: between two
 * of them, the first one's value would be known to everybody. */
int step_pcr_cap(struct stage1 *s, struct failure *f)
{
    static const char word[] = "leave-initrd";
    uint8_t cap[sizeof(word) - 1 + CAP_RANDOM_SIZE];
    int r = open_tpm(s, false, f);

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
