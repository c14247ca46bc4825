/* The firmware's variable store: what a person would do in the setup menu, done to the file while
 * the machine is off, by virt-fw-vars of the tools tree.
 *
 * A store is one file. Every call runs the tool once or twice (about 0.1 s each) and replaces the
 * file by rename, so a failure leaves the former one. Failures: CODE_VM_VARIABLES. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

/* The two vendors that matter. */
#define VM_GUID_GLOBAL   "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define VM_GUID_SECURITY "d719b2cb-3d3a-4596-a3bc-dad00e67656f"

enum {
    VM_VARIABLE_NON_VOLATILE = 1,
    VM_VARIABLE_BOOT = 2,
    VM_VARIABLE_RUNTIME = 4,
};

/* A new store from OVMF's empty one. With `keys` (folder with PK.crt, KEK.crt, db.crt in PEM or
 * DER) they are enrolled and Secure Boot is on; NULL leaves the firmware in setup mode. */
MUST_USE int vm_variables_create(const char *tree, const char *keys, const char *path,
                                 struct failure *f);

/* Adds the SHA-256 (64 hex digits) of a PE file's Authenticode image to dbx. */
MUST_USE int vm_variables_forbid(const char *tree, const char *path, const char *hash,
                                 struct failure *f);

/* The content of a variable in hex, freed by the caller; -ENOENT when it is not there. */
MUST_USE int vm_variables_get(const char *tree, const char *path, const char *name,
                              const char *guid, char **ret_hex, struct failure *f);

struct vm_variable {
    const char *name;
    const char *guid;    /* text */
    uint32_t attributes; /* VM_VARIABLE_* */
    const char *hex;     /* content */
};

/* Sets (or replaces) a variable that needs no signature. */
MUST_USE int vm_variables_set(const char *tree, const char *path,
                              const struct vm_variable *variable, struct failure *f);

/* Removes a variable; one that is not there is fine. */
MUST_USE int vm_variables_delete(const char *tree, const char *path, const char *name,
                                 struct failure *f);

/* A boot entry. */
struct vm_boot_entry {
    uint16_t number;           /* Boot#### */
    const char *description;   /* ASCII */
    const uint8_t *partition;  /* 16 bytes, unique partition GUID as on disk; NULL: any partition */
    uint32_t partition_number; /* in the table; 0: the first one */
    const char *file;          /* "\\EFI\\broch\\linux.efi" */
    const char *options;       /* LoadOptions, ASCII, written as UTF-16; NULL: none */
};

enum { VM_BOOT_ENTRIES_MAX = 16, VM_LOAD_OPTION_MAX = 4096 };

/* Writes the entry; BootOrder is not touched. */
MUST_USE int vm_variables_set_boot_entry(const char *tree, const char *path,
                                         const struct vm_boot_entry *entry, struct failure *f);
MUST_USE int vm_variables_set_boot_order(const char *tree, const char *path,
                                         const uint16_t *numbers, size_t count, struct failure *f);
MUST_USE int vm_variables_set_boot_next(const char *tree, const char *path, uint16_t number,
                                        struct failure *f);

/* --- Pure parts --- */

/* The EFI_LOAD_OPTION of an entry (sys/boot_entry.h). Returns 0, -ERANGE when it is too long,
 * -EINVAL for text that is not ASCII. */
MUST_USE int vm_load_option_encode(const struct vm_boot_entry *entry,
                                   uint8_t ret_bytes[static VM_LOAD_OPTION_MAX], size_t *ret_size);

/* An EFI_SIGNATURE_LIST with one SHA-256. */
enum { VM_HASH_LIST_SIZE = 76 };
void vm_hash_list_encode(const uint8_t hash[static 32],
                         uint8_t ret_bytes[static VM_HASH_LIST_SIZE]);

/* PEM of DER bytes with the label CERTIFICATE; freed by the caller, NULL when out of memory. */
MUST_USE char *vm_certificate_pem(const uint8_t *der, size_t size);
