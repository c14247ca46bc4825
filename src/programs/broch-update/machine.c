#include "programs/broch-update/machine.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "node/os_release.h"
#include "sys/file.h"
#include "trust/minisign.h"

void machine_done(struct machine *machine)
{
    free(machine->keys);
    machine->keys = NULL;
}

static int read_words(struct machine *m, struct failure *f)
{
    static const struct {
        const char *key;
        size_t offset;
    } table[] = {
        { "BROCH_PROFILE", offsetof(struct machine, profile) },
        { "BROCH_ARCH", offsetof(struct machine, arch) },
        { "BROCH_VERSION", offsetof(struct machine, version) },
        { "BROCH_GENERATION", offsetof(struct machine, generation) },
    };
    _cleanup_free_ uint8_t *bytes = NULL;
    char epoch[MACHINE_WORD_SIZE];
    size_t size;
    int r = file_read(OS_RELEASE_PATH, OS_RELEASE_SIZE_MAX, &bytes, &size, f);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(table); i++) {
        r = os_release_get((const char *)bytes, size, table[i].key, (char *)m + table[i].offset,
                           MACHINE_WORD_SIZE);
        if (r < 0)
            return failure_set(f, CODE_IO, r, "'" OS_RELEASE_PATH "' has no %s", table[i].key);
    }
    if (r < 0)
        return r;
    r = os_release_get((const char *)bytes, size, "BROCH_EPOCH", epoch, sizeof(epoch));
    if (r == 0)
        r = number_parse_text(epoch, INT64_MAX, &m->epoch);
    return r < 0 ? failure_set(f, CODE_IO, r, "'" OS_RELEASE_PATH "' has no BROCH_EPOCH") : 0;
}

int machine_read(struct machine *ret, struct failure *f)
{
    struct machine m = { .keys = NULL };
    uint8_t *keys = NULL;
    size_t size;
    int r = facts_read(FACTS_PATH, &m.facts, f);

    if (r == 0)
        r = read_words(&m, f);
    if (r == 0)
        r = file_read(MACHINE_KEYS, (size_t)MINISIGN_KEYS_MAX * MINISIGN_FILE_MAX, &keys, &size, f);
    if (r < 0)
        return r;
    m.keys = (char *)keys;
    *ret = m;
    return 0;
}

/* A TPM's epoch is never above that of the image which it opened the disk for, so the image's is
 * the one to hold against a release. */
struct release_machine machine_for_release(const struct machine *machine, bool force)
{
    return (struct release_machine){ .keys = machine->keys,
                                     .profile = machine->profile,
                                     .arch = machine->arch,
                                     .version = machine->version,
                                     .epoch = machine->epoch,
                                     .force = force };
}
