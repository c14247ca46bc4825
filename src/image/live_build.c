/* Step "live": one image that starts as a CD and as a USB stick (docs/reference/live-medium.md).
 *
 *     ISO 9660, with a note for people     system image     FAT32 for firmware, with the boot file
 *
 * all three partitions of one GPT, and the last one the boot image of the CD. Output: live.iso. */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "boot/live.h"
#include "image/guid.h"
#include "image/live.h"
#include "image/mapped.h"
#include "image/tool.h"
#include "sys/file.h"

enum { SECTOR = 512, NUMBER_TEXT_SIZE = 24, DATE_TEXT_SIZE = 24 };

/* FAT32 has at least 65,525 clusters, here of one sector each. */
#define FILES_MIN   (36 * MIB)
#define FILES_SPARE (2 * MIB)                              /* tables, folders, the manifest */
#define TYPE_FILES  "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" /* EFI system partition */

#define FILES "files.fat"
#define NOTE  "note/README.TXT"

static uint64_t files_size(const struct build *build)
{
    uint64_t needed = round_up(step_output(&build->uki, "linux.efi")->size, MIB) + FILES_SPARE;

    return needed > FILES_MIN ? needed : FILES_MIN;
}

static int make_empty(const char *folder, uint64_t size, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/" FILES, folder);
    _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;

    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return fd < 0 || ftruncate(fd, (off_t)size) < 0 ? file_failure(f, errno, "write", path) : 0;
}

/* What firmware starts, and the signed manifest, which says what this is. */
static int make_files(const struct build *build, const char *folder, const struct tool *tool,
                      struct failure *f)
{
    char sectors[NUMBER_TEXT_SIZE], guid[GUID_TEXT_SIZE], serial[9];
    const struct arguments folders =
        ARGUMENTS("mmd", "-i", FILES, "::/EFI", "::/EFI/BOOT", "::/EFI/broch");
    const struct arguments copies[] = {
        ARGUMENTS("mcopy", "-i", FILES, "/run/uki/linux.efi", "::/EFI/BOOT/BOOTX64.EFI"),
        ARGUMENTS("mcopy", "-i", FILES, "/run/generation/generation.json",
                  "/run/generation/generation.json.minisig", "::/EFI/broch"),
    };
    struct arguments format;
    int r = make_empty(folder, files_size(build), f);

    guid_derive(&build->live.inputs, "files", guid);
    (void)snprintf(sectors, sizeof(sectors), "%llu",
                   (unsigned long long)(files_size(build) / SECTOR));
    (void)snprintf(serial, sizeof(serial), "%.8s", guid);
    format = ARGUMENTS("mformat", "-i", FILES, "-F", "-T", sectors, "-h", "64", "-s", "32", "-c",
                       "1", "-N", serial, "-v", "BROCH-LIVE", "::");
    if (r == 0)
        r = tool_run(tool, &format, f);
    if (r == 0)
        r = tool_run(tool, &folders, f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(copies); i++)
        r = tool_run(tool, &copies[i], f);
    return r;
}

/* For somebody who looks at the CD with another system. */
static int make_note(const struct build *build, const char *folder, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/" NOTE, folder);
    _cleanup_free_ char *note = text_make(
        "Broch %s\r\n\r\n"
        "This medium starts a computer with UEFI. Nothing of it is written to the computer's "
        "disks.\r\nIts system image is a partition of its own; what firmware starts is in "
        "the EFI system partition.\r\n",
        build->generation);
    int r = path && note ? file_make_parent(path, f)
                         : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    return r < 0 ? r : file_write(path, note, strlen(note), 0644, f);
}

/* xorriso gives the partitions GUIDs that differ from the disk's in one byte, which is not among
 * the first four. */
static int make_image(const struct build *build, const struct tool *tool, struct failure *f)
{
    const time_t date = (time_t)build->supply.lock.date;
    char guid[GUID_TEXT_SIZE], modified[DATE_TEXT_SIZE];
    _cleanup_free_ char *modification = NULL, *all = NULL;
    struct tm utc;
    struct arguments arguments;

    guid_derive(&build->live.inputs, "disk", guid);
    memcpy(guid, LIVE_GUID_START, strlen(LIVE_GUID_START));
    if (!gmtime_r(&date, &utc) || strftime(modified, sizeof(modified), "%Y%m%d%H%M%S00", &utc) == 0)
        return failure_set(f, CODE_INTERNAL, -EOVERFLOW, "no such date");
    modification = text_make("--modification-date=%s", modified);
    all = text_make("%s", modified);
    if (!modification || !all)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    arguments = ARGUMENTS(
        "xorriso", "-as", "mkisofs", "-quiet", "-o", "live.iso", "-V", "BROCH_LIVE", modification,
        "--set_all_file_dates", all, "-r", "-no-pad", "-partition_offset", "16",
        "-partition_cyl_align", "off", "--gpt_disk_guid", guid, "-append_partition", "2", LIVE_TYPE,
        "/run/system/system.erofs", "-append_partition", "3", TYPE_FILES, FILES,
        "-appended_part_as_gpt", "-eltorito-alt-boot", "-e",
        "--interval:appended_partition_3:all::", "-no-emul-boot", "-boot-load-size", "1", "note");
    return tool_run(tool, &arguments, f);
}

static int check(const struct build *build, const char *folder, struct failure *f)
{
    _cleanup_free_ char *image_path = text_make("%s/live.iso", folder);
    _cleanup_free_ char *uki_path = step_path(&build->uki, "linux.efi");
    _cleanup_free_ char *system_path = step_path(&build->system, "system.erofs");
    _cleanup_mapped_ struct span image = { NULL, 0 }, uki = { NULL, 0 }, system = { NULL, 0 };
    int r;

    if (!image_path || !uki_path || !system_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = mapped_open(image_path, &image, f);
    if (r == 0)
        r = mapped_open(uki_path, &uki, f);
    if (r == 0)
        r = mapped_open(system_path, &system, f);
    return r < 0 ? r : live_check(image, &(struct live_content){ uki, system }, f);
}

static int tidy(const char *folder, struct failure *f)
{
    static const char *const names[] = { FILES, "note" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", folder, names[i]);

        r = path ? file_remove_tree(path, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    return r;
}

struct live_run {
    const struct build *build;
    const char *generation; /* folder */
};

static int run(const char *folder, void *context, struct failure *f)
{
    const struct live_run *live = context;
    struct tool tool = tool_make(&live->build->tree, "live", live->build->supply.lock.date);
    int r;

    tool_bind(&tool, folder, "/run/out", false);
    tool_bind(&tool, live->build->system.folder, "/run/system", true);
    tool_bind(&tool, live->build->uki.folder, "/run/uki", true);
    tool_bind(&tool, live->generation, "/run/generation", true);
    tool.folder = "/run/out";
    r = make_files(live->build, folder, &tool, f);
    if (r == 0)
        r = make_note(live->build, folder, f);
    if (r == 0)
        r = make_image(live->build, &tool, f);
    if (r == 0)
        r = check(live->build, folder, f);
    return r < 0 ? r : tidy(folder, f);
}

static int add_manifest(struct step *step, const char *generation, const char *name,
                        struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", generation, name);
    struct digest digest;
    int r = path ? digest_file(path, &digest, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        step_input_digest(step, name, &digest);
    return r;
}

int build_live(struct build *build, const char *generation, struct failure *f)
{
    struct live_run context = { build, generation };
    int r;

    step_init(&build->live, "live");
    step_input_digest(&build->live, "tools", &build->tree.digest);
    step_input_digest(&build->live, "system", &step_output(&build->system, "system.erofs")->digest);
    step_input_digest(&build->live, "uki", &step_output(&build->uki, "linux.efi")->digest);
    step_input_number(&build->live, "date", build->supply.lock.date);
    r = add_manifest(&build->live, generation, "generation.json", f);
    if (r == 0)
        r = add_manifest(&build->live, generation, "generation.json.minisig", f);
    return r < 0 ? r : step_do(&build->live, &build->shared, run, &context, f);
}
