/* Step "disk": a disk image that boots, with slot A filled, slot B empty and room for persist.
 *
 *     GPT   slot A (FAT32, EFI system)   slot B (FAT32, EFI system)   persist (LUKS)
 *
 * Identifiers follow from the inputs, so that the image is reproducible: all
 * disks made from one image share them. Outputs: disk.raw (sparse), disk.qcow2. */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "image/guid.h"
#include "image/tool.h"
#include "sys/file.h"

enum {
    SECTOR = 512,
    OFFSET_TEXT_SIZE = 48,
};

#define ALIGNMENT (1 * MIB)
#define TYPE_SLOT "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" /* EFI system partition */
#define TYPE_PERSIST                                                                               \
    "CA7D7CCB-63ED-4C53-861C-1742536059CC" /* LUKS (Discoverable Partitions: UAPI.2) */

/* Where the partitions lie, in bytes. */
struct layout {
    uint64_t slot[2];
    uint64_t slot_size;
    uint64_t persist;
    uint64_t persist_size;
    uint64_t end;
};

static struct layout make_layout(const struct profile *profile)
{
    struct layout layout;

    layout.slot_size = round_up(profile->disk.slot, ALIGNMENT);
    layout.persist_size = round_up(profile->disk.persist, ALIGNMENT);
    layout.slot[0] = ALIGNMENT;
    layout.slot[1] = layout.slot[0] + layout.slot_size;
    layout.persist = layout.slot[1] + layout.slot_size;
    layout.end = layout.persist + layout.persist_size + ALIGNMENT; /* the backup table */
    return layout;
}

static int write_table(const struct build *build, const struct layout *layout, const char *folder,
                       const struct tool *tool, struct failure *f)
{
    const struct arguments arguments =
        ARGUMENTS("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "disk.raw");
    _cleanup_free_ char *path = text_make("%s/.table", folder);
    _cleanup_text_ struct text script = TEXT_INIT;
    char guid[GUID_TEXT_SIZE];
    struct tool with_script = *tool;
    int fd, r;

    guid_derive(&build->disk.inputs, "disk", guid);
    text_addf(&script, "label: gpt\nlabel-id: %s\n", guid);
    for (unsigned i = 0; i < 2; i++) {
        guid_derive(&build->disk.inputs, i == 0 ? "slot-a" : "slot-b", guid);
        text_addf(&script,
                  "start=%llu, size=%llu, type=" TYPE_SLOT ", uuid=%s, name=broch-slot-%c\n",
                  (unsigned long long)(layout->slot[i] / SECTOR),
                  (unsigned long long)(layout->slot_size / SECTOR), guid, 'a' + (int)i);
    }
    guid_derive(&build->disk.inputs, "persist", guid);
    text_addf(&script,
              "start=%llu, size=%llu, type=" TYPE_PERSIST ", uuid=%s, name=broch-persist\n",
              (unsigned long long)(layout->persist / SECTOR),
              (unsigned long long)(layout->persist_size / SECTOR), guid);
    if (!path || text_status(&script) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_write(path, text_string(&script), script.length, 0644, f);
    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_failure(f, errno, "read", path);
    with_script.input_fd = fd;
    r = tool_run(&with_script, &arguments, f);
    (void)close(fd); /* read only */
    return r < 0 ? r : file_remove_tree(path, f);
}

static int make_fat(const struct layout *layout, unsigned slot, const char *image,
                    const struct build *build, const struct tool *tool, struct failure *f)
{
    char sectors[24], guid[GUID_TEXT_SIZE], serial[9], label[] = "BROCH-A";
    struct arguments arguments;

    (void)snprintf(sectors, sizeof(sectors), "%llu",
                   (unsigned long long)(layout->slot_size / SECTOR));
    guid_derive(&build->disk.inputs, slot == 0 ? "fat-a" : "fat-b", guid);
    (void)snprintf(serial, sizeof(serial), "%.8s", guid);
    label[6] = (char)('A' + (int)slot);
    arguments = ARGUMENTS("mformat", "-i", image, "-F", "-T", sectors, "-h", "64", "-s", "32", "-c",
                          "8", "-N", serial, "-v", label, "::");
    return tool_run(tool, &arguments, f);
}

/* Slot A: the system image first, the UKI last, as an update does it; BOOTX64.EFI because this slot
 * is the confirmed one of a new disk. */
static int fill_slot(const char *image, const struct tool *tool, struct failure *f)
{
    static const struct {
        const char *source;
        const char *target;
    } files[] = { { "/run/system/system.erofs", "::/EFI/broch/system.erofs" },
                  { "/run/uki/linux.efi", "::/EFI/broch/linux.efi" },
                  { "/run/uki/linux.efi", "::/EFI/BOOT/BOOTX64.EFI" } };
    const struct arguments folders =
        ARGUMENTS("mmd", "-i", image, "::/EFI", "::/EFI/broch", "::/EFI/BOOT");
    int r = tool_run(tool, &folders, f);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
        const struct arguments copy =
            ARGUMENTS("mcopy", "-i", image, files[i].source, files[i].target);

        r = tool_run(tool, &copy, f);
    }
    return r;
}

static int make_image(const char *path, uint64_t size, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return file_failure(f, errno, "write", path);
    return 0;
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    const struct layout layout = make_layout(&build->profile);
    const struct arguments convert =
        ARGUMENTS("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2");
    struct tool tool = tool_make(&build->tree, "disk", build->supply.lock.date);
    _cleanup_free_ char *raw = text_make("%s/disk.raw", folder);
    int r = raw ? make_image(raw, layout.end, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    tool_bind(&tool, folder, "/run/out", false);
    tool_bind(&tool, build->system.folder, "/run/system", true);
    tool_bind(&tool, build->uki.folder, "/run/uki", true);
    tool.folder = "/run/out";
    if (r == 0)
        r = write_table(build, &layout, folder, &tool, f);
    for (unsigned i = 0; r == 0 && i < 2; i++) {
        char image[OFFSET_TEXT_SIZE];

        (void)snprintf(image, sizeof(image), "disk.raw@@%llu", (unsigned long long)layout.slot[i]);
        r = make_fat(&layout, i, image, build, &tool, f);
        if (r == 0 && i == 0)
            r = fill_slot(image, &tool, f);
    }
    return r < 0 ? r : tool_run(&tool, &convert, f);
}

/* A slot takes the whole next generation beside what an interrupted update left. */
static int check_size(const struct build *build, struct failure *f)
{
    uint64_t generation = step_output(&build->uki, "linux.efi")->size +
                          step_output(&build->system, "system.erofs")->size;

    if (build->profile.disk.slot >= 2 * generation)
        return 0;
    return failure_set(
        f, CODE_BUDGET, -EINVAL,
        "disk.slot of profile '%s' is %llu MiB; a slot needs twice the generation's %llu MiB",
        build->profile.name, (unsigned long long)(build->profile.disk.slot / MIB),
        (unsigned long long)(generation / MIB + 1));
}

int build_disk(struct build *build, struct failure *f)
{
    int r = check_size(build, f);

    if (r < 0)
        return r;
    step_init(&build->disk, "disk");
    step_input_digest(&build->disk, "tools", &build->tree.digest);
    step_input_digest(&build->disk, "system", &step_output(&build->system, "system.erofs")->digest);
    step_input_digest(&build->disk, "uki", &step_output(&build->uki, "linux.efi")->digest);
    step_input_number(&build->disk, "slot", build->profile.disk.slot);
    step_input_number(&build->disk, "persist", build->profile.disk.persist);
    step_input_number(&build->disk, "date", build->supply.lock.date);
    return step_do(&build->disk, &build->shared, run, build, f);
}
