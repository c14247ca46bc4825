#include "programs/broch-vm/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/lockfile.h"

enum { NAME_LENGTH_MAX = 64, NOTE_MAX = 8192 };

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void machine_done(struct machine *machine)
{
    struct failure ignored = FAILURE_NONE;

    vm_close(machine->vm);
    if (machine->throwaway && machine->folder && file_remove_tree(machine->folder, &ignored) < 0)
        machine->throwaway = false; /* the next run of this name removes it */
    cleanup_close_(&machine->lock_fd);
    free(machine->folder);
    free(machine->log);
    free(machine->overlay);
    *machine = (struct machine)MACHINE_INIT;
}

static int check_name(const char *name, struct failure *f)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_";

    if (name[0] == '\0' || name[strspn(name, letters)] != '\0' || strlen(name) > NAME_LENGTH_MAX)
        return failure_set(f, CODE_USAGE, -EINVAL,
                           "a machine's name has letters, digits, '-' and '_', not '%s'", name);
    return 0;
}

static char *machines_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && state[0] == '/')
        return text_make("%s/broch/machines", state);
    return text_make("%s/.local/state/broch/machines", home && home[0] == '/' ? home : "/tmp");
}

/* A machine that keeps nothing has a folder of its own beside, emptied first, so that it neither
 * sees nor changes the state of the one that does. */
static int choose_folder(const struct machine_request *request, struct machine *machine,
                         struct failure *f)
{
    _cleanup_free_ char *all = machines_folder(), *lock = NULL;
    int r;

    if (!all)
        return out_of_memory(f);
    machine->throwaway = request->snapshot;
    machine->folder =
        text_make("%s/%s%s", all, request->name, request->snapshot ? ".snapshot" : "");
    if (request->log)
        machine->log = request->log[0] == '/' ? strdup(request->log) : NULL;
    else if (request->snapshot)
        machine->log = text_make("%s/%s.snapshot.log", all, request->name);
    if (!machine->folder)
        return out_of_memory(f);
    r = file_make_folders(all, f);
    if (r < 0 || !request->snapshot)
        return r;
    lock = text_make("%s.lock", machine->folder);
    if (!lock)
        return out_of_memory(f);
    r = lockfile_take(lock, false, &machine->lock_fd, f);
    if (r == -EWOULDBLOCK) {
        machine->throwaway = false; /* it is somebody else's */
        return failure_set(f, CODE_VM_BUSY, r, "machine '%s' runs already", request->name);
    }
    return r < 0 ? r : file_remove_tree(machine->folder, f);
}

/* What the overlay stands on, as one line: an overlay on a file that was replaced is rubbish. */
static char *describe_base(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return NULL;
    return text_make("%s %llu %llu %lld.%09ld\n", path, (unsigned long long)status.st_ino,
                     (unsigned long long)status.st_size, (long long)status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

static bool note_says(const char *note, const char *text)
{
    struct failure ignored = FAILURE_NONE;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    return file_read(note, NOTE_MAX, &bytes, &size, &ignored) == 0 && size == strlen(text) &&
           memcmp(bytes, text, size) == 0;
}

/* Makes the overlay unless there is one on this very file. Called with the machine locked.
 *
 * What the firmware and the TPM remember belongs to the disk that is lost: attempts counted, boot
 * entries that name its partitions, secrets of its volumes. A new disk is a new machine. The note
 * comes last, so a run that was killed between starts anew the next time. */
static int make_overlay(const struct machine_request *request, const struct machine *machine,
                        const char *base, bool *ret_new, struct failure *f)
{
    const struct vm_disk disk = { .path = base, .format = VM_DISK_QCOW2 };
    _cleanup_free_ char *note = text_make("%s/disk.base", machine->folder);
    _cleanup_free_ char *text = describe_base(base);
    int r;

    if (!text)
        return file_failure(f, ENOENT, "find", base);
    if (!note)
        return out_of_memory(f);
    *ret_new = false;
    if (file_exists(machine->overlay) && note_says(note, text))
        return 0;
    if (unlink(note) < 0 && errno != ENOENT)
        return file_failure(f, errno, "remove", note);
    r = vm_forget(machine->vm, f);
    if (r == 0)
        r = vm_disk_overlay(request->tree, machine->folder, "disk.qcow2", &disk, f);
    if (r == 0)
        r = file_write(note, text, strlen(text), 0600, f);
    *ret_new = r == 0;
    return r;
}

static int add_medium(const struct machine_request *request, const struct generation *generation,
                      struct vm_disk *ret, struct failure *f)
{
    *ret =
        (struct vm_disk){ .path = generation->live,
                          .read_only = true,
                          .interface = request->medium == MACHINE_CD ? VM_DISK_CDROM : VM_DISK_USB,
                          .boot_index = 1 };
    if (file_exists(generation->live))
        return 0;
    return failure_set(f, CODE_VM_GENERATION, -ENOENT,
                       "there is no '%s': make it with 'broch build --iso'", generation->live);
}

static int add_boot_disk(const struct machine_request *request, const struct generation *generation,
                         const struct machine *machine, struct vm_disk *boot, struct failure *f)
{
    const char *file = request->direct ? generation->system : generation->disk;

    if (request->direct)
        *boot = (struct vm_disk){ .path = generation->system, .read_only = true };
    else if (request->snapshot)
        *boot = (struct vm_disk){
            .path = generation->disk, .format = VM_DISK_QCOW2, .snapshot = true, .boot_index = 1
        };
    else
        *boot = (struct vm_disk){ .path = machine->overlay,
                                  .format = VM_DISK_QCOW2,
                                  .backing = generation->disk,
                                  .backing_format = VM_DISK_QCOW2,
                                  .boot_index = 1 };
    return file_exists(file) ? 0 : file_failure(f, ENOENT, "find", file);
}

/* The disks of the machine; the first one is what it boots from. */
static int add_disks(const struct machine_request *request, const struct generation *generation,
                     const struct machine *machine, struct vm_config *config, struct failure *f)
{
    struct vm_disk *more = &config->disks[1];
    int r = request->medium == MACHINE_DISK
                ? add_boot_disk(request, generation, machine, &config->disks[0], f)
                : add_medium(request, generation, &config->disks[0], f);

    if (r < 0 || !request->disk)
        return r;
    *more = (struct vm_disk){ .path = request->disk, .snapshot = request->snapshot };
    if (strlen(request->disk) > 6 &&
        strcmp(request->disk + strlen(request->disk) - 6, ".qcow2") == 0)
        more->format = VM_DISK_QCOW2;
    return file_exists(request->disk) ? 0 : file_failure(f, ENOENT, "find", request->disk);
}

static struct vm_config make_config(const struct machine_request *request,
                                    const struct generation *generation,
                                    const struct machine *machine)
{
    struct vm_config config = vm_config_defaults();

    config.tree = request->tree;
    config.folder = machine->folder;
    config.cache = request->cache;
    config.console_log = machine->log;
    config.boot = request->direct ? VM_BOOT_DIRECT : VM_BOOT_FIRMWARE;
    config.kernel = generation->kernel;
    config.initrd = request->direct ? generation->initrd : NULL;
    config.cmdline = request->direct ? generation->cmdline : NULL;
    config.secure_boot = request->secure_boot && !request->direct;
    config.keys = generation->keys;
    config.memory_bytes = request->memory_bytes;
    config.cpus = (unsigned)request->cpus;
    config.accel = request->emulate ? VM_ACCEL_TCG : VM_ACCEL_AUTO;
    config.network = VM_NETWORK_USER;
    config.display = request->display;
    if (request->forwards)
        memcpy(config.forwards, request->forwards, sizeof(config.forwards));
    return config;
}

int machine_open(const struct machine_request *request, const struct generation *generation,
                 struct machine *ret, bool *ret_new_disk, struct failure *f)
{
    struct machine machine = MACHINE_INIT;
    struct vm_config config;
    int r = check_name(request->name, f);

    *ret_new_disk = false;
    if (r == 0 && request->cpus > VM_CPUS_MAX)
        r = failure_set(f, CODE_USAGE, -EINVAL, "at most %d processors", VM_CPUS_MAX);
    if (r == 0)
        r = choose_folder(request, &machine, f);
    if (r == 0 && !(machine.overlay = text_make("%s/disk.qcow2", machine.folder)))
        r = out_of_memory(f);
    if (r == 0) {
        config = make_config(request, generation, &machine);
        r = add_disks(request, generation, &machine, &config, f);
    }
    if (r == 0)
        r = vm_open(&config, &machine.vm, f);
    if (r == 0 && !request->direct && !request->snapshot && request->medium == MACHINE_DISK)
        r = make_overlay(request, &machine, generation->disk, ret_new_disk, f);
    if (r < 0) {
        machine_done(&machine);
        return r;
    }
    *ret = machine;
    return 0;
}
