#include "sys/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tss2/tss2_esys.h>

#include "sys/tpm_esys.h"
#include "sys/tpm_transport.h"

static ESYS_CONTEXT *esys;

static TSS2_TCTI_CONTEXT *transport;

static int start_library(void)
{
    TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;

    if (Esys_Initialize(&esys, transport, &version) == TSS2_RC_SUCCESS)
        return 0;
    esys = NULL;
    tpm_transport_close();
    return -EIO;
}

int tpm_open_fd(int fd)
{
    if (esys) {
        (void)close(fd);
        return -EALREADY;
    }
    /* Refusals are ours to word; the library would write its own lines to standard error. */
    (void)setenv("TSS2_LOG", "all+NONE", 0);
    transport = tpm_transport_open(fd);
    return start_library();
}

int tpm_esys_renew(void)
{
    CHECK(esys);
    tpm_forget_response();
    Esys_Finalize(&esys);
    tpm_transport_renew();
    return start_library();
}

int tpm_open(const char *device)
{
    int fd;

    if (esys)
        return -EALREADY;
    fd = open(device, O_RDWR | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : tpm_open_fd(fd);
}

void tpm_close(void)
{
    if (!esys)
        return;
    tpm_forget_response();
    Esys_Finalize(&esys);
    esys = NULL;
    tpm_transport_close();
}

uint64_t tpm_command_count(void)
{
    return tpm_transport_count();
}

ESYS_CONTEXT *tpm_esys(void)
{
    return esys;
}

void tpm_forget_response(void)
{
    if (esys)
        tpm_transport_forget();
}

/* The library sends a command again by itself when a TPM that is busy or tests itself wants that,
 * five times at most. */
int tpm_measure(unsigned pcr, const void *bytes, size_t size)
{
    TPM2B_EVENT event = { .size = (UINT16)size };
    TPML_DIGEST_VALUES *digests = NULL;
    TSS2_RC rc;

    CHECK(pcr < TPM_PCR_COUNT && size <= TPM_MEASURE_SIZE_MAX);
    if (!esys)
        return -ENXIO;
    memcpy(event.buffer, bytes, size);
    /* PCRs that anybody may extend have an empty authorization value. */
    rc = Esys_PCR_Event(esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                        &event, &digests);
    Esys_Free(digests);
    return rc == TSS2_RC_SUCCESS ? 0 : -EIO;
}

static int copy_values(const TPML_DIGEST *values, size_t count, uint8_t (*ret_values)[TPM_PCR_SIZE])
{
    if (values->count != count)
        return -ENOENT;
    for (size_t i = 0; i < count; i++) {
        if (values->digests[i].size != TPM_PCR_SIZE)
            return -EIO;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(ret_values[i], values->digests[i].buffer, TPM_PCR_SIZE);
    return 0;
}

int tpm_read(const unsigned *pcrs, size_t count, uint8_t (*ret_values)[TPM_PCR_SIZE])
{
    TPML_PCR_SELECTION wanted = { .count = 1 }, *selected = NULL;
    TPML_DIGEST *values = NULL;
    UINT32 counter;
    TSS2_RC rc;
    int r;

    CHECK(count > 0 && count <= TPM_READ_MAX);
    if (!esys)
        return -ENXIO;
    wanted.pcrSelections[0].hash = TPM2_ALG_SHA256;
    wanted.pcrSelections[0].sizeofSelect = 3;
    for (size_t i = 0; i < count; i++) {
        CHECK(pcrs[i] < TPM_PCR_COUNT && (i == 0 || pcrs[i] > pcrs[i - 1]));
        wanted.pcrSelections[0].pcrSelect[pcrs[i] / 8] |= (BYTE)(1 << (pcrs[i] % 8));
    }
    rc = Esys_PCR_Read(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &counter, &selected,
                       &values);
    r = rc == TSS2_RC_SUCCESS ? copy_values(values, count, ret_values) : -EIO;
    Esys_Free(selected);
    Esys_Free(values);
    return r;
}
