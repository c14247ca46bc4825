/* Step "system": the system image, EROFS with its dm-verity hash tree appended.
 *
 * EROFS is written uncompressed and sorted by path: an unchanged file keeps its bytes from one
 * generation to the next, which is worth more to updates than the space. Outputs: system.erofs,
 * verity.root (64 digits), verity.superblock (512 bytes). */
#include "image/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/compose.h"
#include "image/development.h"
#include "image/tool.h"
#include "image/users.h"
#include "sys/file.h"
#include "trust/minisign.h"

enum {
    SUPERBLOCK_SIZE = 512,
    UUID_TEXT_SIZE = 37,
    ROOT_HASH_FILE_MAX = 4096,
    POLICY_FILE_MAX = 16 << 20,
    BLOCK = 4096
};

/* UUID and salt follow from what goes into the image, after the clean-up: another content has
 * another identity, and the same content has the same one whatever a maintainer script left behind
 * on one host. RFC 9562, version 8. */
static void make_uuid(const struct digest *seed, char ret[static UUID_TEXT_SIZE])
{
    uint8_t b[16];
    char digits[33];

    memcpy(b, seed->bytes, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_encode(b, sizeof(b), digits);
    (void)snprintf(ret, UUID_TEXT_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                   digits + 12, digits + 16, digits + 20);
}

static struct digest seed_for(const struct digest *content, const char *purpose)
{
    return digest_two(content->bytes, sizeof(content->bytes), purpose, strlen(purpose));
}

static int add_services(struct build *build, struct compose *compose, struct failure *f)
{
    _cleanup_text_ struct text list = TEXT_INIT;
    int r;

    services_format_list(&build->services, &list);
    if (text_status(&list) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = compose_add_file(compose, "usr/lib/broch/services.list", text_string(&list), list.length,
                         f);
    if (r == 0)
        r = services_watch(&build->services, compose, f);
    return r;
}

static int add_policy(const struct build *build, struct compose *compose, struct failure *f)
{
    _cleanup_free_ char *path = step_path(&build->policy, "apparmor.policy");
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size = 0;
    int r = path ? file_read(path, POLICY_FILE_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    return r < 0 ? r : compose_add_file(compose, "usr/lib/broch/apparmor.policy", bytes, size, f);
}

/* The only keys whose releases this machine will take: under dm-verity, so nobody adds one later.
 */
static int add_release_keys(const struct build *build, struct compose *compose, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/release.pub", build->keys.folder);
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size = 0;
    int r = path ? file_read(path, MINISIGN_KEYS_MAX * MINISIGN_FILE_MAX, &bytes, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    return r < 0 ? r : compose_add_file(compose, "usr/lib/broch/release.pub", bytes, size, f);
}

static int add_layers(struct build *build, struct compose *compose, struct failure *f)
{
    _cleanup_free_ char *modules = step_path(&build->kernel, "tree");
    _cleanup_free_ char *programs = step_path(&build->programs, "tree");
    _cleanup_free_ char *overlay = text_make("%s/overlay", build->profile.folder);
    int r;

    if (!modules || !programs || !overlay)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = compose_add_folder(compose, modules, "", f);
    if (r == 0)
        r = compose_add_folder(compose, programs, "", f);
    if (r == 0)
        r = compose_add_folder(compose, overlay, "", f);
    if (r == 0)
        r = add_policy(build, compose, f);
    if (r == 0)
        r = add_services(build, compose, f);
    if (r == 0)
        r = add_release_keys(build, compose, f);
    if (r == 0)
        r = compose_add_file(compose, "usr/lib/os-release", build->os_release,
                             strlen(build->os_release), f);
    return r;
}

static bool is_user_database(const char *path)
{
    return strcmp(path, "etc/passwd") == 0 || strcmp(path, "etc/group") == 0 ||
           strcmp(path, "etc/shadow") == 0 || strcmp(path, "etc/gshadow") == 0;
}

/* What files become on their way into the image. */
struct change {
    struct build *build;
    struct users_numbers numbers;
};

static int rewrite_users(const struct compose_file *file, struct change *change, struct text *ret,
                         struct failure *f)
{
    struct build *build = change->build;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct compose_file changed = *file;

    if (strcmp(file->path, "etc/shadow") == 0)
        development_shadow(file->bytes, file->size, build->keys.development, &text);
    else
        users_renumber(file, &change->numbers, &text);
    if (text_status(&text) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    changed.bytes = (const uint8_t *)text_string(&text);
    changed.size = text.length;
    return services_add_users(&build->services, &changed, ret, f);
}

static int rewrite(const struct compose_file *file, void *context, struct text *ret,
                   struct failure *f)
{
    struct change *change = context;
    const struct build *build = change->build;

    if (is_user_database(file->path))
        return rewrite_users(file, change, ret, f);
    if (template_fill(file->bytes, file->size, build->os_release, ret) == -EINVAL)
        return failure_set(f, CODE_SCHEMA, -EINVAL,
                           "'%s.in' names a field that os-release does not have", file->path);
    return 0;
}

static uint32_t own(uint32_t id, bool is_group, const void *context)
{
    return users_number(id, is_group, &((const struct change *)context)->numbers);
}

static int plan_users(const char *root, struct users_numbers *ret, struct failure *f)
{
    _cleanup_text_ struct text passwd = TEXT_INIT, group = TEXT_INIT;
    struct compose_file files[] = { { "etc/passwd", NULL, 0 }, { "etc/group", NULL, 0 } };
    int r = compose_read_root(root, files[0].path, &passwd, f);

    if (r == 0)
        r = compose_read_root(root, files[1].path, &group, f);
    if (r < 0)
        return r;
    files[0].bytes = (const uint8_t *)text_string(&passwd);
    files[0].size = passwd.length;
    files[1].bytes = (const uint8_t *)text_string(&group);
    files[1].size = group.length;
    return users_plan(&files[0], &files[1], ret, f);
}

static int write_tar(struct build *build, const char *tar, struct failure *f)
{
    _cleanup_free_ char *root = step_path(&build->rootfs, "rootfs.tar");
    struct compose *compose = compose_make(build->supply.lock.date);
    struct change change = { .build = build };
    int r = compose && root ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        r = plan_users(root, &change.numbers, f);
    if (r == 0)
        r = add_layers(build, compose, f);
    if (r == 0) {
        compose_set_rewrite(compose, rewrite, &change);
        compose_set_owner(compose, own, &change);
        r = compose_write(compose, root, tar, f);
        if (r == 0)
            r = services_judge_image(&build->services, f);
    }
    compose_free(compose);
    return r;
}

/* mkfs.erofs waits for its own thread for ever when a write fails (seen with 1.8.6 on a full disk),
 * so it only starts where there is room: for a while it holds the archive's contents twice, and
 * there are the tables. */
static int want_room(const char *tar, struct failure *f)
{
    struct stat status;

    if (stat(tar, &status) < 0)
        return file_failure(f, errno, "read", tar);
    return cache_want_room(2 * (uint64_t)status.st_size + (uint64_t)status.st_size / 16, f);
}

static int make_erofs(const struct digest *content, const struct tool *tool, struct failure *f)
{
    char date[32], uuid[UUID_TEXT_SIZE + 2];
    const struct digest seed = seed_for(content, "erofs");
    struct arguments arguments;

    (void)snprintf(date, sizeof(date), "-T%llu", (unsigned long long)tool->date);
    (void)snprintf(uuid, sizeof(uuid), "-U");
    make_uuid(&seed, uuid + 2);
    arguments = ARGUMENTS("mkfs.erofs", "--quiet", date, uuid, "--tar=f", "system.erofs", ".tar");
    return tool_run(tool, &arguments, f);
}

static int make_verity(const struct digest *content, const struct tool *tool, const char *image,
                       struct failure *f)
{
    char offset[48], uuid[UUID_TEXT_SIZE + 8] = "--uuid=";
    char salt[DIGEST_TEXT_SIZE + 8] = "--salt=", digits[DIGEST_TEXT_SIZE];
    const struct digest uuid_seed = seed_for(content, "verity");
    const struct digest salt_seed = seed_for(content, "salt");
    struct arguments arguments;
    struct stat status;

    if (stat(image, &status) < 0)
        return file_failure(f, errno, "read", image);
    if (status.st_size % BLOCK != 0)
        return failure_set(f, CODE_STEP_FAILED, -EINVAL, "'%s' is no multiple of %d bytes", image,
                           BLOCK);
    (void)snprintf(offset, sizeof(offset), "--hash-offset=%lld", (long long)status.st_size);
    make_uuid(&uuid_seed, uuid + strlen(uuid));
    (void)snprintf(salt + strlen(salt), DIGEST_TEXT_SIZE, "%s", digest_text(&salt_seed, digits));
    arguments = ARGUMENTS("veritysetup", "format", "--hash=sha256", "--data-block-size=4096",
                          "--hash-block-size=4096", salt, uuid, offset,
                          "--root-hash-file=verity.root", "system.erofs", "system.erofs");
    return tool_run(tool, &arguments, f);
}

/* Keeps the superblock as stage 1 will compare it: veritysetup wrote it right behind the data. */
static int save_superblock(const char *folder, const char *image, uint64_t offset,
                           struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/verity.superblock", folder);
    uint8_t superblock[SUPERBLOCK_SIZE];
    FILE *file = fopen(image, "re");
    bool read_it = file && fseeko(file, (off_t)offset, SEEK_SET) == 0 &&
                   fread(superblock, sizeof(superblock), 1, file) == 1;

    cleanup_fclose_(&file);
    if (!read_it || !path)
        return file_failure(f, EIO, "read", image);
    return file_write(path, superblock, sizeof(superblock), 0644, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    struct build *build = context;
    _cleanup_free_ char *tar = text_make("%s/.tar", folder);
    _cleanup_free_ char *image = text_make("%s/system.erofs", folder);
    struct tool tool = tool_make(&build->tree, "system", build->supply.lock.date);
    struct digest content;
    struct stat status;
    int r = tar && image ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    tool_bind(&tool, folder, "/run/out", false);
    tool.folder = "/run/out";
    r = write_tar(build, tar, f);
    if (r == 0)
        r = digest_file(tar, &content, f);
    if (r == 0)
        r = want_room(tar, f);
    if (r == 0)
        r = make_erofs(&content, &tool, f);
    if (r == 0)
        r = file_remove_tree(tar, f);
    if (r == 0 && stat(image, &status) < 0)
        r = file_failure(f, errno, "read", image);
    if (r == 0)
        r = make_verity(&content, &tool, image, f);
    if (r == 0)
        r = save_superblock(folder, image, (uint64_t)status.st_size, f);
    return r;
}

int build_system(struct build *build, struct failure *f)
{
    _cleanup_free_ char *overlay = text_make("%s/overlay", build->profile.folder);
    struct digest digest;
    int r;

    if (!overlay)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    step_init(&build->system, "system");
    step_input_digest(&build->system, "tools", &build->tree.digest);
    step_input_digest(&build->system, "rootfs", &build->rootfs.result);
    step_input_digest(&build->system, "policy", &build->policy.result);
    step_input_digest(&build->system, "kernel", &build->kernel.result);
    step_input_digest(&build->system, "programs", &step_output(&build->programs, "tree")->digest);
    r = digest_tree(overlay, &digest, f);
    if (r < 0)
        return r;
    step_input_digest(&build->system, "overlay", &digest);
    for (size_t i = 0; i < build->profile.services.enable.count; i++)
        step_input_text(&build->system, "service", build->profile.services.enable.items[i]);
    /* Raised when packages' users or files get other numbers. */
    step_input_number(&build->system, "users", 1);
    step_input_digest(&build->system, "keys", &build->keys.digest);
    step_input_text(&build->system, "os-release", build->os_release);
    step_input_number(&build->system, "date", build->supply.lock.date);
    return step_do(&build->system, &build->shared, run, build, f);
}
