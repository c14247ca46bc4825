#include "programs/broch-disk/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "disk/seal_format.h"
#include "sys/attribute.h"
#include "sys/tpm.h"

#define LIVE_PCR7 "/sys/class/tpm/tpm0/pcr-sha256/7"

static bool take_way(const struct token_tpm2 *token, const uint8_t *pcr7, struct sealed_way *ret)
{
    static struct seal_blob blob;
    struct seal_parts parts;

    if (token->sealed_size > sizeof(blob.bytes))
        return false;
    memcpy(blob.bytes, token->sealed, token->sealed_size);
    blob.size = token->sealed_size;
    if (seal_blob_decode(&blob, &parts) < 0)
        return false;
    memcpy(ret->pcr7, parts.pcr7, SEAL_PCR_SIZE);
    ret->now = pcr7 && memcmp(parts.pcr7, pcr7, SEAL_PCR_SIZE) == 0;
    return true;
}

int sealed_parse(const void *bytes, size_t size, const uint8_t *pcr7, struct sealed *ret)
{
    static struct luks_header header;
    int r = luks_header_scan(bytes, size, &header);

    if (r < 0)
        return r;
    *ret = (struct sealed){ .unread = header.tokens_unread };
    for (size_t i = 0; i < header.token_count; i++) {
        if (take_way(&header.tokens[i], pcr7, &ret->ways[ret->count]))
            ret->count++;
        else
            ret->unread++;
    }
    return 0;
}

/* The kernel writes it in capitals. */
static bool read_pcr7(uint8_t ret[static SEAL_PCR_SIZE])
{
    char digits[2 * SEAL_PCR_SIZE + 2];
    int size = attribute_read_line(AT_FDCWD, LIVE_PCR7, digits, sizeof(digits));

    return size > 0 && hex_decode(digits, (size_t)size, ret, SEAL_PCR_SIZE) == 0;
}

static void read_epoch(struct sealed *s)
{
    struct failure ignored = FAILURE_NONE; /* not known, then */

    if (tpm_open(TPM_DEVICE_MANAGED) < 0)
        return;
    s->has_epoch = seal_epoch_read(&s->epoch, &ignored) == 0;
    tpm_close();
}

int sealed_read(const char *partition, struct sealed *ret, struct failure *f)
{
    static uint8_t bytes[LUKS_HEADER_SCAN_SIZE];
    _cleanup_close_ int fd = open(partition, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
    uint8_t pcr7[SEAL_PCR_SIZE];
    int r;

    if (size < 0)
        return failure_set(f, CODE_PERSIST_HEADER, -errno, "cannot read %s", partition);
    r = sealed_parse(bytes, (size_t)size, read_pcr7(pcr7) ? pcr7 : NULL, ret);
    if (r < 0)
        return failure_set(f, CODE_PERSIST_HEADER, r, "%s has no whole header", partition);
    read_epoch(ret);
    return 0;
}
