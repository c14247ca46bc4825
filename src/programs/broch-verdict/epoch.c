#include "programs/broch-verdict/epoch.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/request_file.h"
#include "sys/tpm.h"

/* Anybody may read it; only stage 1 can write it. */
static int read_tpm(uint64_t *ret, struct failure *f)
{
    int r = tpm_open(TPM_DEVICE_MANAGED);

    if (r < 0)
        return failure_set(f, CODE_TPM_COMMAND, r, "cannot open %s", TPM_DEVICE_MANAGED);
    r = seal_epoch_read(ret, f);
    tpm_close();
    return r;
}

static int ask(const struct facts *facts, struct failure *f)
{
    _cleanup_close_ int folder_fd = request_folder_open(AT_FDCWD, REQUEST_FOLDER, true);
    struct request request = { .kind = REQUEST_EPOCH, .epoch = facts->epoch };

    if (folder_fd < 0)
        return failure_set(f, CODE_IO, folder_fd, "cannot open %s", REQUEST_FOLDER);
    _Static_assert((int)REQUEST_UUID_SIZE == (int)FACTS_UUID_SIZE,
                   "one UUID is as long as another");
    memcpy(request.disk, facts->persist_uuid, sizeof(request.disk));
    return request_write(folder_fd, &request, f);
}

int epoch_ask(const struct facts *facts, struct failure *f)
{
    uint64_t now;
    int r;

    if (!facts->persist_open || facts->persist_uuid[0] == '\0' || strcmp(facts->tpm, "on") != 0 ||
        strcmp(facts->secure_boot, "on") != 0)
        return 0;
    r = read_tpm(&now, f);
    if (r < 0 || now >= facts->epoch)
        return r;
    r = ask(facts, f);
    return r < 0 ? r : 1;
}
