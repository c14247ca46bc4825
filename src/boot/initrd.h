/* What lies in the initrd: the contract between the factory, which packs it, and stage 1, which
 * lives in it. Both sides include this file; docs/reference/initrd.md says the same in prose.
 *
 *   /init                 stage 1, the only program besides the dynamic loader; with its libraries
 *   /broch/cmdline        the signed command line, byte for byte, without a newline
 *   /broch/superblock     the 512 bytes of the system image's verity superblock
 *   /broch/modules        which kernel modules to load when, see below
 *   /modules/<file>.ko    the modules, uncompressed, stripped, signed by the key of the boot file
 *
 * Everything here is inside the signed UKI, so it is trusted; it is still parsed strictly, because
 * a build that made nonsense should say so instead of booting half.
 *
 * Grammar of /broch/modules (every line ends with LF, words are parted by one space, no line is
 * empty, there are no comments):
 *
 *   file    = *line
 *   line    = "load" SP name LF                       always, at the start, in this order
 *           / "alias" SP pattern 1*(SP name) LF       when something matches the pattern, in order
 *   name    = 1*(ALPHA / DIGIT / "_" / "-") ".ko"     a file under /modules, INITRD_NAME_MAX bytes
 *   pattern = 1*VCHAR                                 as for fnmatch(3), INITRD_PATTERN_MAX bytes
 *
 * The names of an alias include what the last of them depends on, before it. A pattern is matched
 * with the modalias of each device (`pci:v00008086d...`, `virtio:d00000002v...`), and with the
 * requests that stage 1 itself makes by the words below: so a machine only loads what its way of
 * booting needs. */
#pragma once

#define INITRD_CMDLINE       "/broch/cmdline"
#define INITRD_SUPERBLOCK    "/broch/superblock"
#define INITRD_MODULES       "/broch/modules"
#define INITRD_MODULE_FOLDER "/modules"

/* EFI variables are wanted: efivarfs. */
#define INITRD_REQUEST_EFI "broch:efi"
/* A slot is going to be mounted: fat, vfat, the tables of its character sets, loop. */
#define INITRD_REQUEST_SLOT "broch:slot"
/* No hardware watchdog was found: softdog. */
#define INITRD_REQUEST_WATCHDOG "broch:watchdog"

/* A watchdog is armed: the governor that panics before it bites. */
#define INITRD_REQUEST_PRETIMEOUT "broch:pretimeout"

/* An encrypted disk is going to be opened: dm-crypt, its ciphers, btrfs. */
#define INITRD_REQUEST_PERSIST "broch:persist"
/* Somebody has to type. */
#define INITRD_REQUEST_KEYBOARD "broch:keyboard"

enum {
    INITRD_CMDLINE_MAX = 2047, /* COMMAND_LINE_SIZE of x86, less its zero */
    INITRD_MODULES_SIZE_MAX = 1048576,
    INITRD_LOAD_COUNT_MAX = 64,
    INITRD_ALIAS_COUNT_MAX = 8192, /* Debian has 5,000 for everything a disk can hang on */
    INITRD_NAME_MAX = 63,
    INITRD_PATTERN_MAX = 255,
    INITRD_FILE_COUNT_MAX = 256, /* different modules that one boot may load */
};

/* In a slot: the system image, relative to the slot's root. */
#define INITRD_SYSTEM_IMAGE "EFI/broch/system.erofs"
/* Beside it, perhaps: that this TPM has seen the signature of this generation (disk/seal.h). */
#define INITRD_TICKET "EFI/broch/ticket"

/* In the system image: the public half of the release key, whose hash stands for the org as long as
 * there is none. */
#define INITRD_RELEASE_KEY "/usr/lib/broch/release.pub"

/* In the system image: what stage 1 starts, as its own successor. */
#define INITRD_NEXT_PROGRAM "/usr/lib/broch/init"

/* What stage 1 found, for everybody after it (docs/reference/initrd.md has the keys). */
#define INITRD_FACTS "/run/broch/boot.json"
