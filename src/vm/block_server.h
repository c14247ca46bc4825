/* Raw files as block devices of a machine, and one journal over all of them (block_journal.h).
 *
 * QEMU's own log of writes knows one device. A power cut stops all of them at one moment: the disk,
 * the flash that holds the firmware's variables, and the TPM. So both drives of a machine may be
 * served by one process that answers one request at a time; the order of its answers is the order
 * of what was written. The TPM's state is no block device: it is a file that is looked at before
 * each entry, and put into the journal when it has changed.
 *
 * The server speaks NBD over a Unix socket, as much of it as QEMU needs: fixed newstyle handshake,
 * NBD_OPT_GO, simple replies (github.com/NetworkBlockDevice/nbd, doc/proto.md). Each export's name
 * is its place in the list, "0" and so on. Writes go to the files at once. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"

enum { BLOCK_SERVER_EXPORTS_MAX = 4 };

/* The exports of a machine with vm_config.served, and its socket in the folder. */
enum block_server_export { BLOCK_SERVER_DISK, BLOCK_SERVER_VARIABLES };
#define BLOCK_SERVER_SOCKET "blocks.sock"

struct block_server_config {
    const char *socket;  /* made anew */
    const char *journal; /* made anew */
    const char *watched; /* a file, which need not be there; NULL: none */
    const char *exports[BLOCK_SERVER_EXPORTS_MAX + 1]; /* whole sectors long; ends at NULL */
};

/* Starts it as a process that ends with this one. It accepts connections when this returns, and
 * shares whatever this process has open by then: a machine's folder is free again when both have
 * let go of it. */
MUST_USE int block_server_start(const struct block_server_config *config, pid_t *ret_pid,
                                struct failure *f);

/* Ends it: whatever was answered is in the journal and the files. 0: nothing to end. */
void block_server_stop(pid_t pid);
