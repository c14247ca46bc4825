/* What is stored for the TPM: a blob, or a ticket. What is accepted is written the same again. */
#include <string.h>

#include "disk/seal_format.h"
#include "fuzz.h"

static void blob(const uint8_t *data, size_t size)
{
    struct seal_blob given = { .size = size }, again;
    struct seal_parts parts;

    memcpy(given.bytes, data, size);
    if (seal_blob_decode(&given, &parts) < 0)
        return;
    seal_blob_encode(&parts, &again);
    CHECK(again.size == size && memcmp(again.bytes, data, size) == 0);
}

static void ticket(const uint8_t *data, size_t size)
{
    struct seal_ticket given = { .size = size }, again;
    TPMT_TK_VERIFIED value;

    memcpy(given.bytes, data, size);
    if (seal_ticket_decode(&given, &value) < 0)
        return;
    seal_ticket_encode(&value, &again);
    CHECK(again.size == size && memcmp(again.bytes, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= SEAL_BLOB_MAX)
        blob(data, size);
    if (size <= SEAL_TICKET_MAX)
        ticket(data, size);
    return 0;
}
