#include "image/pcr.h"

#include <string.h>

#include "base/check.h"
#include "disk/epoch.h"

enum {
    TPM_ALG_SHA256 = 0x000b,
    TPM_CC_PolicyNV = 0x0149,
    TPM_CC_PolicyPCR = 0x017f,
    TPM_EO_UNSIGNED_LE = 0x0009,
    MESSAGE_MAX = 256,
};

const char *const pcr_section_order[] = { ".linux", ".osrel",   ".cmdline", ".initrd",
                                          ".ucode", ".splash",  ".dtb",     ".uname",
                                          ".sbat",  ".pcrpkey", NULL };

/* A message of the TPM's own big-endian encoding. */
struct message {
    uint8_t bytes[MESSAGE_MAX];
    size_t size;
};

static void add_bytes(struct message *m, const void *bytes, size_t size)
{
    CHECK(size <= sizeof(m->bytes) - m->size);
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void add_number(struct message *m, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        add_bytes(m, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
}

static struct digest hash(const struct message *m)
{
    return digest_bytes(m->bytes, m->size);
}

struct digest pcr_extend(const struct digest *pcr, const struct digest *value)
{
    return digest_two(pcr->bytes, DIGEST_SIZE, value->bytes, DIGEST_SIZE);
}

struct digest pcr_after_stub(const struct pcr_section *sections, size_t count)
{
    struct digest pcr = { .bytes = { 0 } };

    for (size_t i = 0; pcr_section_order[i]; i++) {
        for (size_t j = 0; j < count; j++) {
            struct digest name;

            if (strcmp(sections[j].name, pcr_section_order[i]) != 0)
                continue;
            name = digest_bytes(sections[j].name, strlen(sections[j].name) + 1);
            pcr = pcr_extend(&pcr, &name);
            pcr = pcr_extend(&pcr, &sections[j].content);
        }
    }
    return pcr;
}

struct digest pcr_after_word(const struct digest *pcr, const char *word)
{
    const struct digest value = digest_bytes(word, strlen(word));

    return pcr_extend(pcr, &value);
}

struct digest pcr_epoch_name(void)
{
    struct message area = { .size = 0 };

    add_number(&area, EPOCH_INDEX, 4);
    add_number(&area, TPM_ALG_SHA256, 2);
    add_number(&area, EPOCH_ATTRIBUTES, 4);
    add_number(&area, 0, 2); /* no policy: its authorization value, which is empty, reads */
    add_number(&area, EPOCH_SIZE, 2);
    return hash(&area);
}

struct digest pcr_policy(const struct digest *pcr11, uint64_t epoch)
{
    const struct digest none = { .bytes = { 0 } }, name = pcr_epoch_name();
    const struct digest values = digest_bytes(pcr11->bytes, DIGEST_SIZE);
    struct message pcr = { .size = 0 }, operand = { .size = 0 }, nv = { .size = 0 };
    struct digest policy, arguments;

    add_bytes(&pcr, none.bytes, DIGEST_SIZE);
    add_number(&pcr, TPM_CC_PolicyPCR, 4);
    add_number(&pcr, 1, 4); /* TPML_PCR_SELECTION with one bank */
    add_number(&pcr, TPM_ALG_SHA256, 2);
    add_number(&pcr, 3, 1);
    add_bytes(&pcr, (const uint8_t[3]){ 0, 1u << (PCR_KERNEL_BOOT - 8), 0 }, 3);
    add_bytes(&pcr, values.bytes, DIGEST_SIZE);
    policy = hash(&pcr);

    add_number(&operand, epoch, EPOCH_SIZE);
    add_number(&operand, 0, 2); /* offset */
    add_number(&operand, TPM_EO_UNSIGNED_LE, 2);
    arguments = hash(&operand);
    add_bytes(&nv, policy.bytes, DIGEST_SIZE);
    add_number(&nv, TPM_CC_PolicyNV, 4);
    add_bytes(&nv, arguments.bytes, DIGEST_SIZE);
    add_number(&nv, TPM_ALG_SHA256, 2);
    add_bytes(&nv, name.bytes, DIGEST_SIZE);
    return hash(&nv);
}
