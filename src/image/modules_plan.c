#include "image/modules_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "boot/initrd.h"

enum { NAME_MAX_ = INITRD_NAME_MAX + 1, DEPENDENCIES_MAX = 32 };

const struct plan_wish plan_slot = {
    .requests = {
        /* EROFS needs libcrc32c, which looks its algorithm up by name when it starts. */
        { NULL, { "crc32c_generic", "dm_verity", "erofs" } },
        { INITRD_REQUEST_EFI, { "efivarfs" } },
        /* Debian's FAT asks for both tables by default (codepage and iocharset). */
        { INITRD_REQUEST_SLOT, { "nls_cp437", "nls_ascii", "vfat", "loop" } },
        { INITRD_REQUEST_WATCHDOG, { "softdog" } },
        { INITRD_REQUEST_PRETIMEOUT, { "pretimeout_panic" } },
        /* The processor's AES instructions, where it has them; btrfs asks for its checksum by name.
         */
        { INITRD_REQUEST_PERSIST,
          { "crc32c_generic", "aesni_intel", "xts", "dm_crypt", "btrfs" } },
        /* Keyboards that the kernel does not bring itself (PS/2 is built in). Their controllers are
         * drivers below. */
        { INITRD_REQUEST_KEYBOARD, { "hid_generic", "usbhid" } },
    },
    .drivers = {
        /* What a slot's disk can hang on */
        "virtio_pci", "virtio_blk", "virtio_scsi", "nvme", "ahci", "sd_mod", "sr_mod",
        "usb_storage", "uas", "xhci_pci", "ehci_pci", "uhci_hcd", "ohci_pci", "mmc_block",
        "sdhci_pci", "sdhci_acpi", "vmd",
        /* The processor's SHA instructions, which dm-verity lives on */
        "sha256_ssse3",
        /* Watchdogs, and the bus drivers that make the chipset's appear */
        "i6300esb", "iTCO_wdt", "lpc_ich", "i2c_i801", "sp5100_tco", "wdat_wdt",
        /* The last words of a kernel that panics, from here on */
        "efi_pstore",
    },
};

void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->file_count; i++)
        free(plan->files[i]);
    text_done(&plan->text);
    *plan = (struct plan)PLAN_INIT;
}

/* A line of modules.dep: the module's file, and a view of the list of those it needs. */
struct dependency {
    const char *file;
    size_t file_length;
    const char *needs; /* "a b c", the one to load first is last */
    size_t needs_length;
};

static const char *base_name(const char *file, size_t *length)
{
    const char *slash = memrchr(file, '/', *length);

    if (!slash)
        return file;
    *length -= (size_t)(slash + 1 - file);
    return slash + 1;
}

/* Files spell names with '-' or '_'; the kernel takes both for the same. */
static bool is_module(const char *file, size_t length, const char *name)
{
    const char *base = base_name(file, &length);
    size_t i = 0;

    for (; name[i]; i++) {
        if (i >= length || (base[i] == '-' ? '_' : base[i]) != name[i])
            return false;
    }
    return length >= i + 3 && memcmp(base + i, ".ko", 3) == 0;
}

static bool find_dependency(const char *dep, const char *name, struct dependency *ret)
{
    struct cursor cursor = cursor_make(dep, strlen(dep));
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        const char *colon = memchr(line, ':', length);

        if (!colon || !is_module(line, (size_t)(colon - line), name))
            continue;
        ret->file = line;
        ret->file_length = (size_t)(colon - line);
        ret->needs = colon + 1;
        ret->needs_length = (size_t)(line + length - colon - 1);
        return true;
    }
    return false;
}

static bool is_builtin(const char *builtin, const char *name)
{
    struct cursor cursor = cursor_make(builtin, strlen(builtin));
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        if (is_module(line, length, name))
            return true;
    }
    return false;
}

/* The name under /modules: the file's base name as it is when unpacked. -EINVAL for a packing that
 * nobody unpacks: stage 1 would find a module that the kernel refuses. */
static int target_name(const char *file, size_t length, char ret[static NAME_MAX_])
{
    const char *base = base_name(file, &length);

    if (base == file)
        return -EINVAL;
    if (length > 3 && memcmp(base + length - 3, ".xz", 3) == 0)
        length -= 3;
    if (length <= 3 || memcmp(base + length - 3, ".ko", 3) != 0)
        return -EINVAL;
    if (length >= NAME_MAX_)
        return -ERANGE;
    memcpy(ret, base, length);
    ret[length] = '\0';
    return 0;
}

static int add_file(struct plan *plan, const char *file, size_t length)
{
    for (size_t i = 0; i < plan->file_count; i++) {
        if (strlen(plan->files[i]) == length && memcmp(plan->files[i], file, length) == 0)
            return 0;
    }
    if (plan->file_count >= PLAN_FILES_MAX)
        return -ERANGE;
    plan->files[plan->file_count] = strndup(file, length);
    return plan->files[plan->file_count] ? (plan->file_count++, 0) : -ENOMEM;
}

/* Adds one file to the plan and its name, each after `lead`, to `names`. */
static int take_file(struct plan *plan, const char *file, size_t length, const char *lead,
                     const char *end, struct text *names)
{
    char target[NAME_MAX_];
    int r = target_name(file, length, target);

    if (r == 0)
        r = add_file(plan, file, length);
    if (r == 0)
        text_addf(names, "%s%s%s", lead, target, end);
    return r;
}

/* Names of a module and, before it, of all it needs, first to load first. */
static int take_module(struct plan *plan, const struct dependency *d, const char *lead,
                       const char *end, struct text *names)
{
    const char *list[DEPENDENCIES_MAX];
    size_t lengths[DEPENDENCIES_MAX], count = 0;
    const char *at = d->needs, *stop = d->needs + d->needs_length;
    int r = 0;

    while (at < stop) {
        const char *space = memchr(at, ' ', (size_t)(stop - at));
        size_t length = (size_t)((space ? space : stop) - at);

        if (length > 0 && count >= DEPENDENCIES_MAX)
            return -ERANGE;
        if (length > 0) {
            list[count] = at;
            lengths[count++] = length;
        }
        at += length + 1;
    }
    while (r == 0 && count-- > 0)
        r = take_file(plan, list[count], lengths[count], lead, end, names);
    return r < 0 ? r : take_file(plan, d->file, d->file_length, lead, end, names);
}

static int refuse(struct failure *f, const char *name)
{
    return failure_set(f, CODE_STEP_FAILED, -ENOENT,
                       "the kernel has no module '%s', which a slot needs", name);
}

static int add_request(struct plan *plan, const struct plan_request *request, const char *dep,
                       const char *builtin, struct failure *f)
{
    struct text names = TEXT_INIT;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(request->modules) && request->modules[i]; i++) {
        struct dependency d;

        if (find_dependency(dep, request->modules[i], &d))
            r = request->word ? take_module(plan, &d, " ", "", &names)
                              : take_module(plan, &d, "load ", "\n", &names);
        else if (!is_builtin(builtin, request->modules[i]))
            r = refuse(f, request->modules[i]);
    }
    if (r == 0)
        r = text_status(&names); /* a name less would be a machine that does not boot */
    if (r == 0 && request->word && names.length > 0)
        text_addf(&plan->text, "alias %s%s\n", request->word, text_string(&names));
    else if (r == 0)
        text_add(&plan->text, text_string(&names));
    text_done(&names);
    return r;
}

/* A line "alias PATTERN MODULE" of modules.alias that names this driver: its pattern. */
static bool alias_of(const char *line, size_t length, const char *driver, const char **ret_pattern,
                     size_t *ret_length)
{
    const char *pattern = line + strlen("alias ");
    const char *space = memrchr(line, ' ', length);
    size_t name_length;

    if (length < 8 || memcmp(line, "alias ", 6) != 0 || !space || space <= pattern)
        return false;
    name_length = (size_t)(line + length - space - 1);
    if (strlen(driver) != name_length || memcmp(driver, space + 1, name_length) != 0)
        return false;
    *ret_pattern = pattern;
    *ret_length = (size_t)(space - pattern);
    return memchr(pattern, ' ', *ret_length) == NULL && *ret_length <= INITRD_PATTERN_MAX;
}

static int add_driver(struct plan *plan, const char *driver, const char *dep, const char *alias,
                      const char *builtin, struct failure *f)
{
    struct cursor cursor = cursor_make(alias, strlen(alias));
    struct text names = TEXT_INIT;
    struct dependency d;
    const char *line, *pattern;
    size_t length, pattern_length;
    int r;

    if (!find_dependency(dep, driver, &d))
        return is_builtin(builtin, driver) ? 0 : refuse(f, driver);
    r = take_module(plan, &d, " ", "", &names);
    if (r == 0)
        r = text_status(&names);
    while (r == 0 && cursor_line(&cursor, &line, &length)) {
        if (alias_of(line, length, driver, &pattern, &pattern_length))
            text_addf(&plan->text, "alias %.*s%s\n", (int)pattern_length, pattern,
                      text_string(&names));
    }
    text_done(&names);
    return r;
}

int plan_make(const struct plan_wish *wish, const char *dep, const char *alias, const char *builtin,
              struct plan *ret, struct failure *f)
{
    struct plan plan = PLAN_INIT;
    int r = 0;

    for (size_t i = 0; r == 0 && i < PLAN_REQUESTS_MAX && wish->requests[i].modules[0]; i++)
        r = add_request(&plan, &wish->requests[i], dep, builtin, f);
    for (size_t i = 0; r == 0 && i < PLAN_DRIVERS_MAX && wish->drivers[i]; i++)
        r = add_driver(&plan, wish->drivers[i], dep, alias, builtin, f);
    if (r == 0)
        r = text_status(&plan.text);
    if (r == -EINVAL)
        r = failure_set(f, CODE_STEP_FAILED, r, "a module's file is neither .ko nor .ko.xz");
    if (r == -ENOMEM || r == -ERANGE)
        r = failure_set(f, CODE_STEP_FAILED, r, "the plan of the initrd's modules is too large");
    if (r < 0) {
        plan_done(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}
