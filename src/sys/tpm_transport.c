#include "sys/tpm_transport.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cursor.h"

enum { HEADER_SIZE = 10, RESPONSE_MAX = 4096 };

static struct {
    TSS2_TCTI_CONTEXT_COMMON_V1 common; /* first: the library casts */
    int fd;
    uint64_t count;
    uint8_t *response; /* where the last one went; the library's */
    size_t response_size;
} transport = { .fd = -1 };

/* Commands and responses are complete messages; a device takes and gives them whole, a socket
 * perhaps in parts. */
static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    size_t done = 0;

    CHECK(context == (TSS2_TCTI_CONTEXT *)&transport);
    transport.count++;
    while (done < size) {
        const ssize_t n = write(transport.fd, command + done, size - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return TSS2_TCTI_RC_IO_ERROR;
    }
    return TSS2_RC_SUCCESS;
}

/* Fills from *done to at least `wanted`. */
static TSS2_RC read_until(uint8_t *response, size_t size, size_t wanted, size_t *done)
{
    while (*done < wanted) {
        const ssize_t n = read(transport.fd, response + *done, size - *done);

        if (n > 0)
            *done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return TSS2_TCTI_RC_IO_ERROR;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct cursor header;
    size_t done = 0, total;
    TSS2_RC rc;

    (void)timeout; /* the library always waits for the end */
    CHECK(context == (TSS2_TCTI_CONTEXT *)&transport);
    if (!response) {
        *size = RESPONSE_MAX;
        return TSS2_RC_SUCCESS;
    }
    transport.response = response;
    transport.response_size = *size;
    if (*size < HEADER_SIZE)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    rc = read_until(response, *size, HEADER_SIZE, &done);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    header = cursor_make(response, HEADER_SIZE);
    cursor_skip(&header, 2); /* tag */
    total = cursor_be32(&header);
    if (total < HEADER_SIZE || total > *size)
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    rc = read_until(response, total, total, &done);
    if (rc == TSS2_RC_SUCCESS && done != total)
        rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
    *size = total;
    return rc;
}

TSS2_TCTI_CONTEXT *tpm_transport_open(int fd)
{
    CHECK(transport.fd < 0 && fd >= 0);
    transport.common = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = 0x42726f6368, /* any number of our own */
        .version = 1,
        .transmit = transmit,
        .receive = receive,
    };
    transport.fd = fd;
    return (TSS2_TCTI_CONTEXT *)&transport;
}

void tpm_transport_close(void)
{
    if (transport.fd >= 0)
        (void)close(transport.fd);
    transport.fd = -1;
    transport.response = NULL;
}

void tpm_transport_renew(void)
{
    transport.response = NULL;
}

uint64_t tpm_transport_count(void)
{
    return transport.count;
}

void tpm_transport_forget(void)
{
    if (transport.response)
        explicit_bzero(transport.response, transport.response_size);
}
