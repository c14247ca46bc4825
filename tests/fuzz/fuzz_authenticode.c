/* Sections and signature of a boot file: both stay inside of it, and a signature is read only. */
#include <openssl/pkcs7.h>

#include "fuzz.h"
#include "trust/authenticode.h"
#include "trust/pe_section.h"

static void look(const struct authenticode *a)
{
    PKCS7 *message = authenticode_parse(a);

    if (message)
        (void)authenticode_covers(a, message); /* either answer is right */
    PKCS7_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct authenticode_signer signer;
    struct authenticode a;
    struct pe_sections sections;

    if (pe_sections_read(data, size, &sections) == 0) {
        CHECK(sections.count > 0 && sections.count <= PE_SECTIONS_MAX);
        for (size_t i = 0; i < sections.count; i++)
            CHECK(sections.list[i].offset <= size &&
                  sections.list[i].size <= size - sections.list[i].offset);
    }
    if (authenticode_read(data, size, &a) < 0)
        return 0;
    CHECK(!a.pkcs7.bytes || a.pkcs7.size < size);
    (void)!authenticode_name(&a, &signer);
    look(&a);
    return 0;
}
