#include "update/ticket.h"

#include <errno.h>

#include "disk/pcrsig.h"
#include "sys/tpm.h"
#include "trust/pe_section.h"

struct section {
    size_t offset, size;
};

static int find(const void *uki, size_t size, const char *name, struct section *ret,
                struct failure *f)
{
    int r = pe_section_find(uki, size, name, &ret->offset, &ret->size);

    return r < 0 ? failure_set(f, CODE_UNSEAL_POLICY, r, "the boot file has no section %s", name)
                 : 0;
}

int ticket_make(const void *uki, size_t size, struct seal_ticket *ret, struct failure *f)
{
    static struct seal_policy policy;
    const uint8_t *bytes = uki;
    struct section signature, key;
    int r = find(uki, size, ".pcrsig", &signature, f);

    if (r == 0)
        r = find(uki, size, ".pcrpkey", &key, f);
    if (r == 0)
        r = pcrsig_parse(bytes + signature.offset, signature.size, bytes + key.offset, key.size,
                         &policy, f);
    if (r < 0)
        return r;
    r = tpm_open(TPM_DEVICE_MANAGED);
    if (r < 0)
        return failure_set(f, CODE_TPM_COMMAND, r, "cannot open %s", TPM_DEVICE_MANAGED);
    r = seal_ticket_make(&policy, ret, f);
    tpm_close();
    return r;
}
