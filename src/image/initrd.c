/* Step "initrd": stage 1 and what it must know (src/boot/initrd.h is the contract), behind what the
 * step "drivers" packed. Outputs: initrd (two zstd frames, each with an archive), cmdline. */
#include "image/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "boot/initrd.h"
#include "image/cpio.h"
#include "image/tool.h"
#include "sys/file.h"

enum { SMALL_FILE_MAX = 4096, INITRD_MAX = 1 << 30 };

/* Both consoles, the serial one last because /dev/console is the last; level 5 shows our markers
 * and the kernel's warnings; no rate limit for markers; no self-test of each cipher that a module
 * brings, which together take longer than everything else; a panic restarts the machine; a
 * partition table that a power cut left half written is read from its backup. */
#define CMDLINE_HEAD                                                                               \
    "console=tty0 console=ttyS0,115200 loglevel=5 printk.devkmsg=on cryptomgr.notests=1 panic=5 "  \
    "oops=panic gpt"

/* Names in an archive have no slash in front. */
static const char *in_archive(const char *path)
{
    return path + 1;
}

static int read_text(const struct step *step, const char *name, char **ret, struct failure *f)
{
    _cleanup_free_ char *path = step_path(step, name);
    uint8_t *bytes = NULL;
    size_t size;
    int r = path ? file_read(path, SMALL_FILE_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        *ret = (char *)bytes;
    return r;
}

int kernel_release(const struct build *build, char **ret, struct failure *f)
{
    return read_text(&build->kernel, "release", ret, f);
}

static int make_cmdline(const struct build *build, char **ret, struct failure *f)
{
    _cleanup_text_ struct text cmdline = TEXT_INIT;
    _cleanup_free_ char *root = NULL;
    int r = read_text(&build->system, "verity.root", &root, f);

    if (r < 0)
        return r;
    root[strcspn(root, "\n")] = '\0';
    text_add(&cmdline, CMDLINE_HEAD);
    for (size_t i = 0; i < build->profile.cmdline.count; i++)
        text_addf(&cmdline, " %s", build->profile.cmdline.items[i]);
    text_addf(&cmdline, " broch.generation=%s broch.profile=%s broch.epoch=%lld broch.verity=%s",
              build->generation, build->profile.name, (long long)build->profile.epoch, root);
    if (cmdline.length > INITRD_CMDLINE_MAX)
        return failure_set(f, CODE_SCHEMA, -ERANGE, "the kernel command line is too long");
    *ret = text_take(&cmdline);
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

int initrd_pack(const struct build *build, const char *step, const char *folder, struct cpio *cpio,
                const char *name, struct failure *f)
{
    struct tool tool = tool_make(&build->tree, step, build->supply.lock.date);
    /* One thread: with more of them zstd's output depends on how many there are. */
    const struct arguments arguments =
        ARGUMENTS("zstd", "-19", "--single-thread", "--quiet", "--rm", ".cpio", "-o", name);
    _cleanup_free_ char *path = text_make("%s/.cpio", folder);
    int r = path ? cpio_write(cpio, path, build->supply.lock.date, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    tool_bind(&tool, folder, "/run/out", false);
    tool.folder = "/run/out";
    return r < 0 ? r : tool_run(&tool, &arguments, f);
}

static int fill(const struct build *build, const char *cmdline, struct cpio *cpio,
                struct failure *f)
{
    _cleanup_free_ char *stage1 = step_path(&build->programs, "stage1");
    _cleanup_free_ char *superblock = step_path(&build->system, "verity.superblock");
    int r;

    if (!stage1 || !superblock)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = cpio_add_file(cpio, "init", stage1, true, f);
    if (r == 0)
        r = cpio_add_bytes(cpio, in_archive(INITRD_CMDLINE), cmdline, strlen(cmdline), f);
    return r < 0 ? r : cpio_add_file(cpio, in_archive(INITRD_SUPERBLOCK), superblock, false, f);
}

/* The drivers first: both are complete archives, and the kernel takes any number of them. */
static int join(const struct build *build, const char *folder, struct failure *f)
{
    _cleanup_free_ char *drivers = step_path(&build->drivers, "drivers.cpio.zst");
    _cleanup_free_ char *own = text_make("%s/.own", folder), *path = text_make("%s/initrd", folder);
    _cleanup_free_ uint8_t *first = NULL, *second = NULL;
    _cleanup_text_ struct text both = TEXT_INIT;
    size_t first_size, second_size;
    int r = drivers && own && path ? file_read(drivers, INITRD_MAX, &first, &first_size, f)
                                   : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = file_read(own, INITRD_MAX, &second, &second_size, f);
    if (r < 0)
        return r;
    text_add_bytes(&both, first, first_size);
    text_add_bytes(&both, second, second_size);
    if (text_status(&both) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_write(path, both.data, both.length, 0644, f);
    return r < 0 ? r : file_remove_tree(own, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    const struct build *build = context;
    _cleanup_free_ char *cmdline = NULL, *cmdline_path = text_make("%s/cmdline", folder);
    struct cpio *cpio = calloc(1, sizeof(*cpio));
    int r = cmdline_path && cpio ? make_cmdline(build, &cmdline, f)
                                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = file_write(cmdline_path, cmdline, strlen(cmdline), 0644, f);
    if (r == 0)
        r = fill(build, cmdline, cpio, f);
    if (r == 0)
        r = initrd_pack(build, "initrd", folder, cpio, ".own", f);
    if (r == 0)
        r = join(build, folder, f);
    if (cpio)
        cpio_done(cpio);
    free(cpio);
    return r;
}

int build_initrd(struct build *build, struct failure *f)
{
    step_init(&build->initrd, "initrd");
    step_input_digest(&build->initrd, "tools", &build->tree.digest);
    step_input_digest(&build->initrd, "stage1", &step_output(&build->programs, "stage1")->digest);
    step_input_digest(&build->initrd, "drivers", &build->drivers.result);
    step_input_digest(&build->initrd, "verity",
                      &step_output(&build->system, "verity.root")->digest);
    step_input_digest(&build->initrd, "superblock",
                      &step_output(&build->system, "verity.superblock")->digest);
    step_input_text(&build->initrd, "cmdline", CMDLINE_HEAD);
    step_input_text(&build->initrd, "generation", build->generation);
    step_input_number(&build->initrd, "epoch", (uint64_t)build->profile.epoch);
    for (size_t i = 0; i < build->profile.cmdline.count; i++)
        step_input_text(&build->initrd, "cmdline", build->profile.cmdline.items[i]);
    step_input_number(&build->initrd, "date", build->supply.lock.date);
    return step_do(&build->initrd, &build->shared, run, build, f);
}
