#include "image/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/text.h"
#include "sys/file.h"
#include "work/manifest.h"

enum { NAME_LENGTH_MAX = 32, PROFILES_MAX = 64, WORD_LENGTH_MAX = 128 };

static const char *validate_name(const char *text)
{
    if (text[0] < 'a' || text[0] > 'z' ||
        text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
        return "must be lower case letters, digits and '-', and begin with a letter";
    return NULL;
}

/* Our own keys come from the factory, and a space would make two words of one. */
static const char *validate_word(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p > '~' || *p == '"')
            return "must be one word of printable characters without quotes";
    }
    if (text[0] == '\0')
        return "must not be empty";
    return strncmp(text, "broch.", 6) == 0 ? "must not begin with 'broch.'" : NULL;
}

static const char *const bases[] = { "debian", NULL };
static const char *const inits[] = { "s6", NULL };
static const char *const kernels[] = { KERNEL_DEBIAN, KERNEL_BROCH, NULL };

static const struct schema_key budget_keys[] = {
    { SCHEMA_SIZE("uki", struct profile_budgets, uki, MIB, GIB), .fallback.size = 32 * MIB,
      .help = "Largest UKI; a build over it fails." },
    { SCHEMA_SIZE("initrd", struct profile_budgets, initrd, MIB, GIB), .fallback.size = 8 * MIB,
      .help = "Largest initrd." },
    { SCHEMA_SIZE("system", struct profile_budgets, system, MIB, 16 * GIB),
      .fallback.size = 512 * MIB, .help = "Largest system image, hash tree included." },
};
static const struct schema budget_schema = SCHEMA(
    "budgets", "Sizes that the artifacts must not exceed.", struct profile_budgets, budget_keys);

static const struct schema_key disk_keys[] = {
    { SCHEMA_SIZE("slot", struct profile_disk, slot, 64 * MIB, 64 * GIB), .fallback.size = 2 * GIB,
      .help = "Size of each slot; at least twice the generation's size." },
    { SCHEMA_SIZE("persist", struct profile_disk, persist, 256 * MIB, 64 * GIB),
      .fallback.size = 512 * MIB,
      .help = "Room for persist at the end of disk.raw; it grows at the first start." },
};
static const struct schema disk_schema =
    SCHEMA("disk", "Layout of disk.raw.", struct profile_disk, disk_keys);

static const struct schema_key service_keys[] = {
    { SCHEMA_LIST("enable", struct profile_services, enable, SERVICES_MAX, SERVICE_NAME_MAX),
      .validate = service_name_judge, .pattern = SERVICE_NAME_PATTERN,
      .help = "Services that run, of those with a manifest in the overlay." },
};
static const struct schema service_schema =
    SCHEMA("services", "What runs.", struct profile_services, service_keys);

static const struct schema_key profile_keys[] = {
    { SCHEMA_TEXT("name", struct profile, name, NAME_LENGTH_MAX), .required = true,
      .validate = validate_name, .pattern = "^[a-z][a-z0-9-]*$",
      .help = "Name of the profile, equal to its folder's." },
    { SCHEMA_TEXT("description", struct profile, description, 256), .fallback.text = "",
      .help = "One sentence about it." },
    { SCHEMA_TEXT("base", struct profile, base, 16), .required = true, .choices = bases,
      .help = "Userland." },
    { SCHEMA_TEXT("init", struct profile, init, 16), .required = true, .choices = inits,
      .help = "Process supervision." },
    { SCHEMA_TEXT("kernel", struct profile, kernel, 16), .required = true, .choices = kernels,
      .help = "Kernel." },
    { SCHEMA_INTEGER("epoch", struct profile, epoch, 1, 1000000), .fallback.integer = 1,
      .help = "Raised when older generations must never boot again." },
    { SCHEMA_LIST("cmdline", struct profile, cmdline, 32, WORD_LENGTH_MAX),
      .validate = validate_word, .help = "Further words of the kernel command line." },
    { SCHEMA_TABLE("budgets", struct profile, budgets, &budget_schema) },
    { SCHEMA_TABLE("disk", struct profile, disk, &disk_schema) },
    { SCHEMA_TABLE("services", struct profile, services, &service_schema) },
};
const struct schema profile_schema =
    SCHEMA("profile.toml", "A Broch profile.", struct profile, profile_keys);

bool profile_is_kernel(const char *kind)
{
    for (size_t i = 0; kernels[i]; i++) {
        if (strcmp(kind, kernels[i]) == 0)
            return true;
    }
    return false;
}

void profile_done(struct profile *profile)
{
    free(profile->folder);
    profile->folder = NULL;
    schema_free(&profile_schema, profile);
}

struct names {
    char *list[PROFILES_MAX];
    size_t count;
};

static int collect_name(const char *folder, const char *name, void *context, struct failure *f)
{
    struct names *names = context;

    (void)folder;
    (void)f;
    if (names->count < PROFILES_MAX && (names->list[names->count] = strdup(name)))
        names->count++;
    return 0;
}

static int refuse_unknown(const char *source, const char *name, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/profiles", source);
    struct names names = { .count = 0 };
    const char *list[PROFILES_MAX], *nearest;
    int r;

    if (!folder || file_list(folder, collect_name, &names, f) < 0)
        return failure_set(f, CODE_PROFILE_UNKNOWN, -ENOENT,
                           "'%s' holds no profiles; run this in Broch's source folder", source);
    for (size_t i = 0; i < names.count; i++)
        list[i] = names.list[i];
    nearest = nearest_name(name, list, names.count);
    r = failure_set(f, CODE_PROFILE_UNKNOWN, -EINVAL, "there is no profile '%s'%s%s%s", name,
                    nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    for (size_t i = 0; i < names.count; i++)
        free(names.list[i]);
    return r;
}

static int parse(const char *path, struct profile *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct toml *document = NULL;
    size_t size;
    int r = file_read(path, TOML_SIZE_MAX, &bytes, &size, f);

    if (r == 0)
        r = toml_parse(path, (const char *)bytes, size, &document, f);
    if (r == 0)
        r = schema_bind(&profile_schema, document, ret, f);
    toml_free(document);
    return r;
}

int profile_read(const char *source, const char *name, struct profile *ret, struct failure *f)
{
    _cleanup_(profile_done) struct profile profile = { .name = NULL };
    _cleanup_free_ char *folder = NULL, *path = NULL;
    int r;

    if (validate_name(name))
        return refuse_unknown(source, name, f);
    folder = text_make("%s/profiles/%s", source, name);
    path = text_make("%s/profiles/%s/profile.toml", source, name);
    if (!folder || !path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (!file_exists(path))
        return refuse_unknown(source, name, f);
    r = parse(path, &profile, f);
    if (r < 0)
        return r;
    if (strcmp(profile.name, name) != 0)
        return failure_set(f, CODE_SCHEMA, -EINVAL, "%s: name is '%s', but the folder is '%s'",
                           path, profile.name, name);
    profile.folder = take_ptr(folder);
    *ret = profile;
    profile = (struct profile){ .name = NULL };
    return 0;
}
