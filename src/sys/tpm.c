#include "sys/tpm.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tcti_device.h>

/* The library lives in memory that its caller provides. Its contexts hold buffers of the size of
 * the largest command and are far below these bounds, which are checked. */
static union {
    max_align_t alignment;
    char bytes[8192];
} transport_memory, system_memory;

static TSS2_TCTI_CONTEXT *transport;
static TSS2_SYS_CONTEXT *sys_context;

static const TSS2L_SYS_AUTH_COMMAND no_authorization = {
    .count = 1, .auths = { { .sessionHandle = TPM2_RH_PW } } /* PCR 11 has an empty value */
};

/* The library has its own numbers for failures; the one that callers tell apart is a busy TPM. */
static int tpm_result(TSS2_RC rc)
{
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    if (rc == TPM2_RC_RETRY || rc == TPM2_RC_YIELDED || rc == TPM2_RC_TESTING)
        return -EAGAIN;
    return -EIO;
}

static int open_transport(const char *device)
{
    TSS2_TCTI_CONTEXT *context = (TSS2_TCTI_CONTEXT *)(void *)transport_memory.bytes;
    size_t size = 0;

    if (Tss2_Tcti_Device_Init(NULL, &size, device) != TSS2_RC_SUCCESS)
        return -EIO;
    CHECK(size <= sizeof(transport_memory));
    if (Tss2_Tcti_Device_Init(context, &size, device) != TSS2_RC_SUCCESS)
        return -ENXIO;
    transport = context;
    return 0;
}

static int open_system(void)
{
    TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
    TSS2_SYS_CONTEXT *context = (TSS2_SYS_CONTEXT *)(void *)system_memory.bytes;
    size_t size = Tss2_Sys_GetContextSize(0);

    CHECK(size <= sizeof(system_memory));
    if (Tss2_Sys_Initialize(context, size, transport, &version) != TSS2_RC_SUCCESS)
        return -EIO;
    sys_context = context;
    return 0;
}

int tpm_open(const char *device)
{
    int r;

    if (transport)
        return -EALREADY;
    r = open_transport(device);
    if (r < 0)
        return r;
    r = open_system();
    if (r < 0) {
        Tss2_Tcti_Finalize(transport);
        transport = NULL;
    }
    return r;
}

/* A TPM that tests itself or is busy says so and wants the same command again. The kernel's driver
 * has waited by then, so a few tries are plenty. */
enum { TRIES_MAX = 5 };

int tpm_measure(unsigned pcr, const void *bytes, size_t size)
{
    TPM2B_EVENT event = { .size = (UINT16)size };
    int r = -EAGAIN;

    CHECK(pcr < TPM_PCR_COUNT && size <= TPM_MEASURE_SIZE_MAX);
    if (!sys_context)
        return -ENXIO;
    memcpy(event.buffer, bytes, size);
    for (unsigned i = 0; i < TRIES_MAX && r == -EAGAIN; i++) {
        TSS2L_SYS_AUTH_RESPONSE answers = { 0 };
        TPML_DIGEST_VALUES digests = { 0 };

        r = tpm_result(
            Tss2_Sys_PCR_Event(sys_context, pcr, &no_authorization, &event, &digests, &answers));
    }
    return r == -EAGAIN ? -EIO : r;
}

static int read_pcr(unsigned pcr, uint8_t *ret_value)
{
    TPML_PCR_SELECTION wanted = { .count = 1 }, selected = { 0 };
    TPML_DIGEST values = { 0 };
    UINT32 counter;
    int r;

    wanted.pcrSelections[0].hash = TPM2_ALG_SHA256;
    wanted.pcrSelections[0].sizeofSelect = 3;
    wanted.pcrSelections[0].pcrSelect[pcr / 8] = (BYTE)(1 << (pcr % 8));
    r = tpm_result(
        Tss2_Sys_PCR_Read(sys_context, NULL, &wanted, &counter, &selected, &values, NULL));
    if (r < 0)
        return r;
    if (values.count != 1 || values.digests[0].size != TPM_PCR_SIZE)
        return -ENOENT;
    memcpy(ret_value, values.digests[0].buffer, TPM_PCR_SIZE);
    return 0;
}

int tpm_read(unsigned pcr, uint8_t ret_value[static TPM_PCR_SIZE])
{
    int r = -EAGAIN;

    CHECK(pcr < TPM_PCR_COUNT);
    if (!sys_context)
        return -ENXIO;
    for (unsigned i = 0; i < TRIES_MAX && r == -EAGAIN; i++)
        r = read_pcr(pcr, ret_value);
    return r == -EAGAIN ? -EIO : r;
}
