#include "image/boot_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "image/pcr.h"

/* What every UKI of ours has. */
static const char *const wanted[] = { ".linux", ".osrel", ".cmdline", ".initrd",
                                      ".uname", ".sbat",  ".pcrpkey", ".pcrsig" };

static int bad(struct failure *f, const char *what, const char *section)
{
    return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "the boot file %s%s", what, section);
}

struct span boot_file_section(const struct boot_file *b, const char *name)
{
    for (size_t i = 0; i < b->sections.count; i++) {
        const struct pe_section *s = &b->sections.list[i];

        if (strcmp(s->name, name) == 0)
            return (struct span){ b->bytes.bytes + s->offset, s->size };
    }
    return (struct span){ NULL, 0 };
}

/* The stub takes the first of two sections of one name, others might take the last one. */
static int check_sections(const struct boot_file *b, struct failure *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (!boot_file_section(b, wanted[i]).bytes)
            return bad(f, "has no section ", wanted[i]);
    }
    for (size_t i = 0; i < b->sections.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(b->sections.list[i].name, b->sections.list[j].name) == 0)
                return bad(f, "has two sections ", b->sections.list[i].name);
        }
    }
    return 0;
}

static int predict(struct boot_file *b, struct failure *f)
{
    struct pcr_section measured[PCR_SECTIONS_MAX];
    size_t count = 0;

    for (size_t i = 0; pcr_section_order[i]; i++) {
        const struct span content = boot_file_section(b, pcr_section_order[i]);

        if (!content.bytes)
            continue;
        if (count >= ARRAY_SIZE(measured))
            return bad(f, "has too many sections", "");
        measured[count].name = pcr_section_order[i];
        measured[count++].content = digest_bytes(content.bytes, content.size);
    }
    b->after_stub = pcr_after_stub(measured, count);
    b->enter_initrd = pcr_after_word(&b->after_stub, "enter-initrd");
    b->policy = pcr_policy(&b->enter_initrd, b->words.epoch);
    return 0;
}

int boot_file_read(struct span bytes, struct boot_file *ret, struct failure *f)
{
    struct failure inner = FAILURE_NONE;
    int r;

    *ret = (struct boot_file){ .bytes = bytes };
    if (pe_sections_read(bytes.bytes, bytes.size, &ret->sections) < 0 ||
        authenticode_read(bytes.bytes, bytes.size, &ret->authenticode) < 0)
        return bad(f, "is no whole PE file", "");
    r = check_sections(ret, f);
    if (r < 0)
        return r;
    ret->cmdline = boot_file_section(ret, ".cmdline");
    ret->initrd = boot_file_section(ret, ".initrd");
    ret->policy_text = boot_file_section(ret, ".pcrsig");
    ret->policy_key = boot_file_section(ret, ".pcrpkey");
    if (cmdline_parse((const char *)ret->cmdline.bytes, ret->cmdline.size, &ret->words, &inner) < 0)
        return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "the boot file's section .cmdline: %s",
                           inner.text);
    if (pcrsig_parse(ret->policy_text.bytes, ret->policy_text.size, ret->policy_key.bytes,
                     ret->policy_key.size, &ret->approved, &inner) < 0)
        return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG,
                           "the boot file's sections .pcrsig and .pcrpkey: %s", inner.text);
    return predict(ret, f);
}

/* RSASSA-PKCS1-v1_5 over SHA-256 of the policy, as the TPM checks it. */
static bool is_signed(const struct boot_file *b)
{
    BIO *input = b->policy_key.size <= INT_MAX
                     ? BIO_new_mem_buf(b->policy_key.bytes, (int)b->policy_key.size)
                     : NULL;
    EVP_PKEY *key = input ? PEM_read_bio_PUBKEY(input, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *context = key ? EVP_MD_CTX_new() : NULL;
    bool good = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, b->approved.signature, sizeof(b->approved.signature),
                                 b->approved.approved, sizeof(b->approved.approved)) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    (void)BIO_free(input); /* memory only */
    return good;
}

int boot_file_judge_policy(const struct boot_file *b, struct failure *f)
{
    if (b->approved.epoch != b->words.epoch)
        return failure_set(
            f, CODE_SIGNATURE, -EBADMSG, "the policy is for epoch %llu, the command line has %llu",
            (unsigned long long)b->approved.epoch, (unsigned long long)b->words.epoch);
    if (memcmp(b->approved.approved, b->policy.bytes, DIGEST_SIZE) != 0)
        return failure_set(f, CODE_SIGNATURE, -EBADMSG,
                           "the policy is not for what the boot file measures into PCR 11");
    if (!is_signed(b))
        return failure_set(f, CODE_SIGNATURE, -EBADMSG,
                           "the policy is not signed by the key in the boot file");
    return 0;
}
