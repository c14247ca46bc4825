#include "vm/folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "vm/command.h"
#include "vm/variables.h"
#include "vm/vm.h"

enum { LOG_READ_MAX = 1 << 20, CERTIFICATE_MAX = 64 << 10 };

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int make_private(const char *path, struct failure *f)
{
    int r = file_make_folders(path, f);

    if (r == 0 && chmod(path, 0700) < 0)
        r = file_failure(f, errno, "protect", path);
    return r;
}

int vm_folder_lock(const char *folder, int *ret_fd, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/lock", folder);
    int r;

    if (!path)
        return out_of_memory(f);
    r = make_private(folder, f);
    if (r < 0)
        return r;
    r = lockfile_take(path, false, ret_fd, f);
    if (r == -EWOULDBLOCK)
        return failure_set(f, CODE_VM_BUSY, r, "the machine in '%s' runs already", folder);
    return r;
}

/* The certificates that a store was made with, as one text; "" without keys. */
static int gather_keys(const struct vm_config *config, struct text *ret, struct failure *f)
{
    static const char *const names[] = { "PK", "KEK", "db" };

    for (size_t i = 0; config->secure_boot && i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make("%s/%s.crt", config->keys, names[i]);
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        int r = path ? file_read(path, CERTIFICATE_MAX, &bytes, &size, f) : out_of_memory(f);

        if (r < 0) {
            f->code = CODE_KEYS_BAD;
            return r;
        }
        text_add_bytes(ret, bytes, size);
    }
    text_add(ret, "");
    return text_status(ret) < 0 ? out_of_memory(f) : 0;
}

static bool file_says(const char *path, const struct text *wanted)
{
    struct failure ignored = FAILURE_NONE;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    return file_read(path, 3 * CERTIFICATE_MAX, &bytes, &size, &ignored) == 0 &&
           size == wanted->length && memcmp(bytes, text_string(wanted), size) == 0;
}

static int make_store(const struct vm_config *config, const char *path, struct failure *f)
{
    int r = vm_variables_create(config->tree, config->secure_boot ? config->keys : NULL, path, f);

    for (size_t i = 0; r == 0 && i < VM_HASHES_MAX && config->forbidden_hashes[i]; i++)
        r = vm_variables_forbid(config->tree, path, config->forbidden_hashes[i], f);
    if (r < 0)
        (void)unlink(path); /* half a store must not be taken for a whole one */
    return r;
}

/* Makes the store unless there is one with these keys. */
static int prepare_store(const struct vm_config *config, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", config->folder, vm_variables_name(config));
    _cleanup_free_ char *note = path ? text_make("%s.keys", path) : NULL;
    _cleanup_text_ struct text keys = TEXT_INIT;
    int r;

    if (!note)
        return out_of_memory(f);
    r = gather_keys(config, &keys, f);
    if (r < 0 || (file_exists(path) && file_says(note, &keys)))
        return r;
    if (unlink(note) < 0 && errno != ENOENT)
        return file_failure(f, errno, "remove", note);
    r = make_store(config, path, f);
    return r == 0 ? file_write(note, text_string(&keys), keys.length, 0600, f) : r;
}

static int forget_store(const char *folder, const char *name, struct failure *f)
{
    static const char *const endings[] = { ".keys", "" }; /* no note may speak of a lost store */

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        _cleanup_free_ char *path = text_make("%s/%s%s", folder, name, endings[i]);

        if (!path)
            return out_of_memory(f);
        if (unlink(path) < 0 && errno != ENOENT)
            return file_failure(f, errno, "remove", path);
    }
    return 0;
}

int vm_folder_forget(const char *folder, struct failure *f)
{
    const struct vm_config setup = { .secure_boot = false }, secure = { .secure_boot = true };
    _cleanup_free_ char *tpm = text_make("%s/tpm", folder);
    int r = tpm ? 0 : out_of_memory(f);

    if (r == 0)
        r = forget_store(folder, vm_variables_name(&setup), f);
    if (r == 0)
        r = forget_store(folder, vm_variables_name(&secure), f);
    return r == 0 ? file_remove_tree(tpm, f) : r;
}

int vm_folder_prepare(const struct vm_config *config, struct failure *f)
{
    _cleanup_free_ char *tpm = text_make("%s/tpm", config->folder);
    int r = 0;

    if (!tpm)
        return out_of_memory(f);
    if (config->tpm)
        r = make_private(tpm, f);
    if (r == 0 && config->boot == VM_BOOT_FIRMWARE)
        r = prepare_store(config, f);
    return r;
}

void vm_folder_drop_snapshots(const struct vm_config *config)
{
    for (size_t i = 0; i < VM_DISKS_MAX; i++) {
        char name[VM_SNAPSHOT_NAME_MAX];
        _cleanup_free_ char *path = NULL;

        vm_snapshot_name(i, name);
        path = text_make("%s/%s", config->folder, name);
        if (path)
            (void)unlink(path); /* mostly not there; the next start replaces it anyway */
    }
}

int vm_folder_make_snapshots(const struct vm_config *config, struct failure *f)
{
    vm_folder_drop_snapshots(config);
    for (size_t i = 0; i < vm_config_disk_count(config); i++) {
        const struct vm_disk *disk = &config->disks[i];
        char name[VM_SNAPSHOT_NAME_MAX];
        int r;

        if (!disk->snapshot || disk->read_only)
            continue;
        vm_snapshot_name(i, name);
        r = vm_disk_overlay(config->tree, config->folder, name, disk, f);
        if (r < 0)
            return r;
    }
    return 0;
}

int vm_disk_overlay(const char *tree, const char *folder, const char *name,
                    const struct vm_disk *base, struct failure *f)
{
    _cleanup_vm_command_ struct vm_command command = { .string_count = 0 };
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &command.arguments,
                           .sandbox = &command.sandbox };
    int r;

    if (vm_command_overlay(tree, folder, name, base, &command) < 0)
        return out_of_memory(f);
    r = spawn_run(&spawn, f);
    if (r < 0)
        failure_prefix(f, "cannot make an overlay of '%s'", base->path);
    return r;
}

void vm_folder_last_line(const char *folder, const char *name,
                         char ret_line[static VM_LOG_LINE_MAX])
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    const char *start;
    size_t size, length;

    ret_line[0] = '\0';
    if (!path || file_read(path, LOG_READ_MAX, &bytes, &size, &ignored) < 0)
        return;
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        size--;
    start = memrchr(bytes, '\n', size);
    start = start ? start + 1 : (const char *)bytes;
    length = size - (size_t)(start - (const char *)bytes);
    if (length >= VM_LOG_LINE_MAX)
        length = VM_LOG_LINE_MAX - 1;
    memcpy(ret_line, start, length);
    ret_line[length] = '\0';
}
