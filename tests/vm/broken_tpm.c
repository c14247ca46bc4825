/* Takes the place of libtss2-tcti-device in an initrd: the way to a TPM that is there and answers
 * every command with BROKEN_REPLY, so nothing is ever measured. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tss2/tss2_tcti_device.h>

static const uint8_t reply[] = { BROKEN_REPLY };

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    (void)context;
    (void)size;
    (void)command;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    (void)context;
    (void)timeout;
    if (response) {
        if (*size < sizeof(reply))
            return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        memcpy(response, reply, sizeof(reply));
    }
    *size = sizeof(reply);
    return TSS2_RC_SUCCESS;
}

TSS2_RC Tss2_Tcti_Device_Init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *device)
{
    static const TSS2_TCTI_CONTEXT_COMMON_V1 functions = {
        .magic = 1, .version = 1, .transmit = transmit, .receive = receive
    };

    (void)device;
    if (context)
        memcpy(context, &functions, sizeof(functions));
    *size = sizeof(functions);
    return TSS2_RC_SUCCESS;
}
