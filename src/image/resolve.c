#include "image/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "base/text.h"
#include "image/archive.h"
#include "image/cache.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "sys/spawn.h"

enum { OUTPUT_MAX = 8 << 20 };

#define KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define SUITE   "trixie"

static bool copy_field(char *ret, size_t capacity, const char *from, size_t length)
{
    if (length == 0 || length >= capacity)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (from[i] <= ' ' || from[i] > '~')
            return false; /* a zero byte above all: what is behind it would be gone */
    }
    memcpy(ret, from, length);
    ret[length] = '\0';
    return true;
}

/* Splits "name_version_arch.deb"; apt writes the colon of an epoch as %3a. */
static bool split_file_name(const char *file, size_t length, struct lock_package *ret)
{
    static const char ending[] = ".deb";
    const char *first, *second;
    char *escape;

    if (length <= strlen(ending) ||
        memcmp(file + length - strlen(ending), ending, strlen(ending)) != 0)
        return false;
    length -= strlen(ending);
    first = memchr(file, '_', length);
    second = first ? memchr(first + 1, '_', (size_t)(file + length - first - 1)) : NULL;
    if (!second || !copy_field(ret->name, sizeof(ret->name), file, (size_t)(first - file)) ||
        !copy_field(ret->version, sizeof(ret->version), first + 1, (size_t)(second - first - 1)) ||
        !copy_field(ret->arch, sizeof(ret->arch), second + 1, (size_t)(file + length - second - 1)))
        return false;
    escape = strstr(ret->version, "%3a");
    if (escape) {
        *escape = ':';
        memmove(escape + 1, escape + 3, strlen(escape + 3) + 1);
    }
    return true;
}

static bool split_address(const char *address, size_t length, const char *const bases[static 2],
                          struct lock_package *ret)
{
    for (size_t i = 0; i < 2; i++) {
        size_t base = strlen(bases[i]);

        if (length > base + 1 && memcmp(address, bases[i], base) == 0 && address[base] == '/') {
            ret->archive = (enum lock_archive)i;
            return copy_field(ret->path, sizeof(ret->path), address + base + 1, length - base - 1);
        }
    }
    return false;
}

int resolve_parse_line(const char *line, size_t length, const char *const bases[static 2],
                       struct lock_package *ret)
{
    static const char mark[] = "SHA256:";
    struct lock_package package = { .role = LOCK_ROLE_SYSTEM };
    const char *end = line + length, *quote, *file, *size, *hash;

    if (length < 2 || line[0] != '\'')
        return -EBADMSG;
    quote = memchr(line + 1, '\'', length - 1);
    if (!quote || end - quote < 3 || quote[1] != ' ')
        return -EBADMSG;
    file = quote + 2;
    size = memchr(file, ' ', (size_t)(end - file));
    hash = size ? memchr(size + 1, ' ', (size_t)(end - size - 1)) : NULL;
    if (!hash || (size_t)(end - hash - 1) < strlen(mark) ||
        memcmp(hash + 1, mark, strlen(mark)) != 0)
        return -EBADMSG;
    if (!split_address(line + 1, (size_t)(quote - line - 1), bases, &package) ||
        !split_file_name(file, (size_t)(size - file), &package) ||
        number_parse(size + 1, (size_t)(hash - size - 1), LOCK_PACKAGE_SIZE_MAX, &package.size) < 0)
        return -EBADMSG;
    hash += 1 + strlen(mark);
    if (digest_parse(hash, (size_t)(end - hash), &package.digest) < 0)
        return -EBADMSG;
    *ret = package;
    return 0;
}

/* An apt of its own: state, lists and configuration under one folder. */
struct apt {
    char *folder;
    char *options[16];
    size_t option_count;
};

static void apt_done(struct apt *apt)
{
    for (size_t i = 0; i < apt->option_count; i++)
        free(apt->options[i]);
    free(apt->folder);
}

static int apt_option(struct apt *apt, const char *name, const char *value)
{
    char *option = text_make("-o%s=%s", name, value);

    CHECK(apt->option_count < ARRAY_SIZE(apt->options));
    if (!option)
        return -ENOMEM;
    apt->options[apt->option_count++] = option;
    return 0;
}

static int apt_options(struct apt *apt)
{
    static const char *const fixed[][2] = {
        { "Dir::Etc::SourceParts", "/dev/null" },
        { "Dir::Etc::Parts", "/dev/null" },
        { "Dir::Etc::Main", "/dev/null" },
        { "Dir::Etc::Preferences", "/dev/null" },
        { "Dir::Etc::PreferencesParts", "/dev/null" },
        { "APT::Install-Recommends", "false" },
        { "APT::Architecture", "amd64" },
        { "APT::Architectures", "amd64" },
        { "APT::Sandbox::User", "root" }, /* the cache may be closed to others */
        { "Acquire::Languages", "none" },
        { "Acquire::ForceHash", "SHA256" },
    };
    static const char *const own[][2] = { { "Dir::Etc::SourceList", "sources.list" },
                                          { "Dir::State", "state" },
                                          { "Dir::State::status", "status" },
                                          { "Dir::Cache", "cache" } };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
        r = apt_option(apt, fixed[i][0], fixed[i][1]);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(own); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", apt->folder, own[i][1]);

        r = path ? apt_option(apt, own[i][0], path) : -ENOMEM;
    }
    return r;
}

static int write_under(const struct apt *apt, const char *name, const char *content,
                       struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", apt->folder, name);

    if (!path)
        return file_failure(f, ENOMEM, "write", name);
    return file_write(path, content, strlen(content), 0644, f);
}

static int apt_prepare(struct apt *apt, const struct archives *archives, struct failure *f)
{
    static const char *const folders[] = { "state/lists/partial", "cache/archives/partial" };
    _cleanup_text_ struct text sources = TEXT_INIT;
    const char *main_base = archives->base[LOCK_ARCHIVE_MAIN];
    int r = cache_path(&apt->folder, f, "apt");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
        _cleanup_free_ char *path = text_make("%s/%s", apt->folder, folders[i]);

        r = path ? file_make_folders(path, f) : file_failure(f, ENOMEM, "make", folders[i]);
    }
    if (r < 0)
        return r;
    text_addf(&sources, "deb [signed-by=" KEYRING "] %s " SUITE " main\n", main_base);
    text_addf(&sources, "deb [signed-by=" KEYRING "] %s " SUITE "-updates main\n", main_base);
    text_addf(&sources, "deb [signed-by=" KEYRING "] %s " SUITE "-security main\n",
              archives->base[LOCK_ARCHIVE_SECURITY]);
    r = write_under(apt, "sources.list", text_string(&sources), f);
    if (r == 0)
        r = write_under(apt, "status", "", f);
    if (r == 0 && apt_options(apt) < 0)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return r;
}

static struct arguments apt_arguments(const struct apt *apt)
{
    struct arguments arguments = ARGUMENTS("apt-get", "-qq");

    for (size_t i = 0; i < apt->option_count; i++)
        arguments_add(&arguments, apt->options[i]);
    return arguments;
}

static int apt_update(const struct apt *apt, struct failure *f)
{
    struct arguments arguments = apt_arguments(apt);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    int r;

    /* A partial index is not an index. */
    arguments_add(&arguments, "-oAPT::Update::Error-Mode=any");
    arguments_add(&arguments, "update");
    r = spawn_run(&spawn, f);
    if (r < 0 && f->code == CODE_STEP_FAILED)
        return failure_set(f, CODE_DOWNLOAD, -EIO, "apt could not read the archives' indexes");
    return r;
}

typedef bool (*package_filter)(const struct lock_package *package);

/* What becomes of the packages that apt names. */
struct uri_reader {
    const struct archives *archives;
    enum lock_role role;
    package_filter wanted; /* NULL: all */
    struct lock *lock;     /* they are added here */
};

static int read_uris(const struct uri_reader *reader, const char *output, size_t size,
                     struct failure *f)
{
    const char *const bases[2] = { reader->archives->base[0], reader->archives->base[1] };
    struct cursor cursor = cursor_make(output, size);
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        struct lock_package package;

        if (resolve_parse_line(line, length, bases, &package) < 0)
            return failure_set(f, CODE_SYNTAX, -EBADMSG, "apt printed a line we do not know: %.*s",
                               (int)(length < 200 ? length : 200), line);
        package.role = reader->role;
        if (reader->wanted && !reader->wanted(&package))
            continue;
        if (lock_add(reader->lock, &package) < 0)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "too many packages");
    }
    return 0;
}

static int apt_install(const struct apt *apt, const struct arguments *list, char **ret_output,
                       size_t *ret_size, struct failure *f)
{
    struct arguments arguments = apt_arguments(apt);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    int r;

    arguments_add(&arguments, "--yes");
    arguments_add(&arguments, "--print-uris");
    arguments_add(&arguments, "install");
    for (size_t i = 0; i < list->count; i++)
        arguments_add(&arguments, list->list[i]);
    r = spawn_capture(&spawn, OUTPUT_MAX, ret_output, ret_size, f);
    if (r < 0 && f->code == CODE_STEP_FAILED)
        return failure_set(f, CODE_SCHEMA, -EINVAL,
                           "apt cannot install the list; its own message stands above");
    return r;
}

static bool is_kernel_image(const struct lock_package *package)
{
    static const char prefix[] = "linux-image-";

    return strncmp(package->name, prefix, strlen(prefix)) == 0 &&
           package->name[strlen(prefix)] >= '0' && package->name[strlen(prefix)] <= '9';
}

/* The newest kernel is what Debian's metapackage depends on. */
static int resolve_kernel(const struct apt *apt, const struct archives *archives, struct lock *lock,
                          struct failure *f)
{
    const struct uri_reader reader = { archives, LOCK_ROLE_KERNEL, is_kernel_image, lock };
    const struct arguments list = ARGUMENTS("linux-image-amd64");
    _cleanup_free_ char *output = NULL;
    size_t size, before = lock->package_count;
    int r = apt_install(apt, &list, &output, &size, f);

    if (r == 0)
        r = read_uris(&reader, output, size, f);
    if (r == 0 && lock->package_count != before + 1)
        r = failure_set(f, CODE_SCHEMA, -EINVAL, "linux-image-amd64 does not name one kernel");
    return r;
}

static int resolve_system(const struct apt *apt, const struct archives *archives,
                          const char *const *packages, size_t count, struct lock *lock,
                          struct failure *f)
{
    const struct uri_reader reader = { archives, LOCK_ROLE_SYSTEM, NULL, lock };
    struct arguments list = ARGUMENTS("?essential");
    _cleanup_free_ char *output = NULL;
    size_t size;
    int r;

    for (size_t i = 0; i < count; i++)
        arguments_add(&list, packages[i]);
    r = apt_install(apt, &list, &output, &size, f);
    return r < 0 ? r : read_uris(&reader, output, size, f);
}

int resolve_packages(const char *const *packages, size_t count, const char *kernel, uint64_t date,
                     struct lock *ret, struct failure *f)
{
    _cleanup_archives_ struct archives archives = ARCHIVES_INIT;
    _cleanup_(apt_done) struct apt apt = { .folder = NULL };
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    _cleanup_free_ char *guard = NULL;
    _cleanup_close_ int guard_fd = -1;
    int r = archives_find(&archives, f);

    if (r == 0)
        r = cache_path(&guard, f, "apt.guard");
    if (r == 0)
        r = lockfile_take(guard, true, &guard_fd, f); /* two builds share this apt's state */
    if (r == 0)
        r = apt_prepare(&apt, &archives, f);
    if (r == 0)
        r = apt_update(&apt, f);
    if (r == 0)
        r = resolve_system(&apt, &archives, packages, count, &lock, f);
    if (r == 0 && strcmp(kernel, "debian") == 0)
        r = resolve_kernel(&apt, &archives, &lock, f);
    if (r < 0)
        return r;
    lock.date = date;
    lock.list = lock_list_digest(packages, count, kernel);
    *ret = lock;
    lock = (struct lock)LOCK_INIT;
    return 0;
}
