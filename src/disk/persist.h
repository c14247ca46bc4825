/* persist: the filesystem in the encrypted volume, and how it is made at a machine's first start.
 *
 *     @var        /var                  @roots/<name>       writable roots
 *     @home       /home                 @scratch/<service>  scratch of services
 *     @broch      /var/lib/broch        @snapshots/<generation>/{var,broch}  as it left them
 *
 * Everything that is made is made again after a power cut: the volume's label says unfinished until
 * the last step (disk/volume.h). Failures: CODE_PERSIST_*. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "disk/binding.h"
#include "disk/luks_header.h"

enum persist_content {
    PERSIST_EMPTY,      /* zeros where a header would be: a disk that was just written */
    PERSIST_WIPING,     /* ours, and wiping it has begun, if nobody else wrote its label */
    PERSIST_UNFINISHED, /* ours, and making it was cut short: nothing of it was ever used */
    PERSIST_OURS,
    PERSIST_FOREIGN, /* anything else; never overwritten */
};

/* Looks at the first PERSIST_LOOK_SIZE bytes, and at the mark behind them. *ret_header, which is
 * large, is set when one was found. Before the TPM is capped, nothing else reads the disk. */
enum { PERSIST_LOOK_SIZE = 16 << 20 };
MUST_USE int persist_look(int fd, enum persist_content *ret, struct luks_header *ret_header,
                          struct failure *f);

/* Puts a mark behind the area of headers, where encrypted data is going to begin, or wipes it, and
 * syncs. libcryptsetup fills the area with random bytes before there is a header in it: a power cut
 * in that moment would leave what looks like somebody's disk. With the mark it is
 * PERSIST_UNFINISHED. It must not outlive the making, or a disk that loses its headers later would
 * be made anew instead of being refused: so it is wiped before volume_finish(). btrfs leaves that
 * place alone. */
MUST_USE int persist_mark(const char *device, bool under_way, struct failure *f);

/* Makes a filesystem with this UUID on `device` by mkfs.btrfs of the verified root at `root`, with
 * its subvolumes and folders; mounts it at `folder` (an empty one) for that time. */
MUST_USE int persist_make_filesystem(const char *device, const char *uuid, const char *root,
                                     const char *folder, struct failure *f);

/* Mounts the whole filesystem at `folder`, and checks that it is the one with this UUID. */
MUST_USE int persist_mount(const char *device, const char *uuid, const char *folder,
                           struct failure *f);

/* Mounts @var, @home and @broch in the new root. */
MUST_USE int persist_mount_root(const char *device, const char *root, struct failure *f);

/* What is to be done when `generation` starts: nothing when it was the last one that started here.
 * Nothing either when it comes back, after a trial of another one, or is tried once more in the
 * same trial: the snapshots of before it touched anything stay. Else read-only snapshots of @var
 * and
 * @broch as the former generation left them, in place of all others; which generation that is, is
 * then in PERSIST_SNAPSHOTS_OF, and for whose start they were taken in PERSIST_SNAPSHOTS_FOR.
 * Whoever ends a trial removes the latter. Then the note that this one starts. A power cut at any
 * moment leaves the former set, or state that this generation has not touched. `folder_fd` is the
 * whole filesystem. True in *ret when snapshots were taken. */
#define PERSIST_SNAPSHOTS_OF  "snapshots-of"  /* in @broch, that is /var/lib/broch */
#define PERSIST_SNAPSHOTS_FOR "snapshots-for" /* likewise */
MUST_USE int persist_note_generation(int folder_fd, const char *generation, bool *ret,
                                     struct failure *f);
