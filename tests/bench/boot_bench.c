/* Direct boot of a generation in virtual time: QEMU counts instructions and calls each a
 * nanosecond, so two runs agree whatever else the host does. Prints one logfmt line;
 * tests/bench/run.py words it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "sys/file.h"
#include "vm/vm.h"

#define PATIENCE_NS (600 * NS_PER_S)

/* The value of " us=" in a marker; 0 when there is none. */
static uint64_t marker_us(const char *line)
{
    const char *found = strstr(line, " us=");
    uint64_t us = 0;

    if (!found)
        return 0;
    found += 4;
    return number_parse(found, strspn(found, "0123456789"), UINT64_MAX, &us) == 0 ? us : 0;
}

/* Waits for one marker and returns its time. */
static int time_of(struct vm *vm, const char *marker, uint64_t *ret_us, struct failure *f)
{
    struct vm_match match;
    int r = vm_wait_marker(vm, &marker, 1, PATIENCE_NS, &match, f);

    if (r == 0)
        *ret_us = marker_us(match.line);
    return r;
}

static int measure(const struct vm_config *config, struct failure *f)
{
    static const char *const markers[] = { "step=pseudo ", "step=modules ", "step=verity ",
                                           "step=switch ", "broch ready " };
    static const char *const names[] = { "pseudo", "modules", "verity", "switch", "ready" };
    struct vm *vm = NULL;
    int r = vm_open(config, &vm, f);

    if (r == 0)
        r = vm_start(vm, f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(markers); i++) {
        uint64_t us = 0;

        r = time_of(vm, markers[i], &us, f);
        if (r == 0)
            (void)printf("%s%s=%llu", i > 0 ? " " : "", names[i], (unsigned long long)us);
    }
    (void)printf("\n");
    (void)vm_close(vm);
    return r;
}

static int load_manifest(const char *folder, struct manifest *ret, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/generation.json", folder);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, MANIFEST_FILE_MAX, &bytes, &size, f) : -1;

    return r < 0 ? r : manifest_parse(path, bytes, size, ret, f);
}

int main(int argc, char **argv)
{
    static struct manifest manifest;
    struct vm_config config = vm_config_defaults();
    struct failure f = FAILURE_NONE;
    _cleanup_free_ char *kernel = NULL, *initrd = NULL, *system = NULL;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: boot_bench TREE GENERATION MACHINE\n");
        return EXIT_CODE_USAGE;
    }
    kernel = text_make("%s/vmlinuz", argv[2]);
    initrd = text_make("%s/initrd", argv[2]);
    system = text_make("%s/system.erofs", argv[2]);
    if (load_manifest(argv[2], &manifest, &f) < 0)
        return (int)failure_print(&f, "boot_bench", stderr);
    config.tree = argv[1];
    config.folder = argv[3];
    config.boot = VM_BOOT_DIRECT;
    config.kernel = kernel;
    config.initrd = initrd;
    config.cmdline = manifest.cmdline;
    config.tpm = false;
    config.accel = VM_ACCEL_TCG;
    config.icount = true;
    config.cpus = 1;
    config.disks[0] = (struct vm_disk){ .path = system, .format = VM_DISK_RAW, .read_only = true };
    if (measure(&config, &f) < 0)
        return (int)failure_print(&f, "boot_bench", stderr);
    return 0;
}
