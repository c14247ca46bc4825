#include "image/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/number.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/release.h"
#include "trust/manifest.h"
#include "trust/minisign.h"
#include "sys/file.h"
#include "sys/lockfile.h"

enum { SMALL_FILE_MAX = 64 * 1024 };

struct artifact {
    const char *name;
    struct step *step;
};

static int output_folder(const struct build *build, char **ret, struct failure *f)
{
    if (build->request->out)
        *ret = text_make("%s/broch-%s", build->request->out, build->generation);
    else
        *ret = text_make("%s/out/broch-%s", build->request->source, build->generation);
    if (!*ret)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_make_folders(*ret, f);
}

static bool same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static int place_at(const struct artifact *artifact, const char *to, struct failure *f)
{
    _cleanup_free_ char *from = step_path(artifact->step, artifact->name);

    if (!from)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (same_file(from, to))
        return 0;
    if (unlink(to) < 0 && errno != ENOENT)
        return file_failure(f, errno, "replace", to);
    if (chmod(from, 0444) < 0)
        return file_failure(f, errno, "protect", from);
    if (link(from, to) == 0)
        return 0;
    return errno == EXDEV || errno == EPERM || errno == EMLINK ? file_copy(from, to, 0444, f)
                                                               : file_failure(f, errno, "link", to);
}

static int place(const struct artifact *artifact, const char *folder, struct failure *f)
{
    _cleanup_free_ char *to = text_make("%s/%s", folder, artifact->name);

    return to ? place_at(artifact, to, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int read_small(struct step *step, const char *name, char **ret, struct failure *f)
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

static int read_hash(struct step *step, const char *name, struct digest *ret, struct failure *f)
{
    _cleanup_free_ char *text = NULL;
    int r = read_small(step, name, &text, f);

    if (r == 0 && hex_decode(text, strcspn(text, "\n"), ret->bytes, DIGEST_SIZE) < 0)
        r = failure_set(f, CODE_STEP_FAILED, -EBADMSG, "'%s' is not a SHA-256", name);
    return r;
}

/* Our own pcr.json: {"stub":"HEX","enter-initrd":"HEX",...}. */
static int read_prediction(struct step *step, const char *key, struct digest *ret,
                           struct failure *f)
{
    _cleanup_free_ char *text = NULL, *mark = text_make("\"%s\":\"", key);
    int r = mark ? read_small(step, "pcr.json", &text, f) : -ENOMEM;
    const char *at = r == 0 ? strstr(text, mark) : NULL;

    if (!at || hex_decode(at + strlen(mark), strcspn(at + strlen(mark), "\""), ret->bytes,
                          DIGEST_SIZE) < 0)
        return failure_set(f, CODE_STEP_FAILED, -EBADMSG, "pcr.json has no value '%s'", key);
    return 0;
}

static void copy_text(char *ret, size_t capacity, const char *value)
{
    int length = snprintf(ret, capacity, "%s", value);

    CHECK(length > 0 && (size_t)length < capacity);
}

static int fill_manifest(struct build *build, const struct artifact *artifacts, size_t count,
                         struct manifest *m, struct failure *f)
{
    _cleanup_free_ char *release = NULL, *cmdline = NULL;
    int r = read_small(&build->kernel, "release", &release, f);

    if (r == 0)
        r = read_small(&build->initrd, "cmdline", &cmdline, f);
    if (r == 0)
        r = read_hash(&build->system, "verity.root", &m->verity_root, f);
    if (r == 0)
        r = read_prediction(&build->uki, "stub", &m->pcr11_stub, f);
    if (r == 0)
        r = read_prediction(&build->uki, "enter-initrd", &m->pcr11_enter_initrd, f);
    if (r < 0)
        return r;
    copy_text(m->name, sizeof(m->name), build->generation);
    copy_text(m->version, sizeof(m->version), build->version);
    copy_text(m->profile, sizeof(m->profile), build->profile.name);
    copy_text(m->arch, sizeof(m->arch), "x86_64");
    copy_text(m->channel, sizeof(m->channel),
              build->keys.development ? "development" : "production");
    copy_text(m->kernel, sizeof(m->kernel), release);
    copy_text(m->cmdline, sizeof(m->cmdline), cmdline);
    m->unlocked = build->unlocked;
    m->epoch = (uint64_t)build->profile.epoch;
    m->date = build->supply.lock.date;
    m->lock = build->supply.digest;
    for (size_t i = 0; i < count; i++) {
        const struct step_output *output = step_output(artifacts[i].step, artifacts[i].name);
        struct manifest_file *file = &m->files[m->file_count++];

        copy_text(file->name, sizeof(file->name), artifacts[i].name);
        file->size = output->size;
        file->digest = output->digest;
    }
    return 0;
}

static int write_into(const char *folder, const char *name, const char *text, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    return path ? file_write(path, text, strlen(text), 0644, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* Public halves: what a verifier and a machine's firmware need. */
static int place_keys(const struct build *build, const char *folder, struct failure *f)
{
    static const char *const names[] = { "PK.crt", "KEK.crt", "db.crt", "pcr.pub", "owner.guid" };
    _cleanup_free_ char *release_from = text_make("%s/release.pub", build->keys.folder);
    _cleanup_free_ char *release_to = text_make("%s/release.pub", folder);
    _cleanup_free_ char *keys = text_make("%s/keys", folder);
    int r;

    if (!release_from || !release_to || !keys)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_make_folders(keys, f);
    if (r == 0)
        r = file_copy(release_from, release_to, 0644, f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *from = text_make("%s/%s", build->keys.folder, names[i]);
        _cleanup_free_ char *to = text_make("%s/keys/%s", folder, names[i]);

        r = from && to ? file_copy(from, to, 0644, f)
                       : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    return r;
}

void publish_format_sums(const struct manifest *m, struct span manifest_text, struct span signature,
                         struct text *ret)
{
    const struct digest own = digest_bytes(manifest_text.bytes, manifest_text.size);
    const struct digest signature_digest = digest_bytes(signature.bytes, signature.size);
    char digits[DIGEST_TEXT_SIZE];

    for (size_t i = 0; i < m->file_count; i++)
        text_addf(ret, "%s  %s\n", digest_text(&m->files[i].digest, digits), m->files[i].name);
    text_addf(ret, "%s  generation.json\n", digest_text(&own, digits));
    text_addf(ret, "%s  generation.json.minisig\n", digest_text(&signature_digest, digits));
}

static int write_sums(const struct manifest *m, const struct text *manifest_text,
                      const char *signature, const char *folder, struct failure *f)
{
    _cleanup_text_ struct text sums = TEXT_INIT;

    publish_format_sums(
        m, (struct span){ (const uint8_t *)text_string(manifest_text), manifest_text->length },
        (struct span){ (const uint8_t *)signature, strlen(signature) }, &sums);
    return write_into(folder, "SHA256SUMS", text_string(&sums), f);
}

static int sign_manifest(const struct build *build, const struct manifest *m, const char *folder,
                         struct failure *f)
{
    _cleanup_free_ char *key = text_make("%s/release.key", build->keys.folder), *signature = NULL;
    _cleanup_free_ char *comment = text_make("timestamp:%llu\tfile:generation.json\tbroch:%s",
                                             (unsigned long long)m->date, m->name);
    _cleanup_text_ struct text text = TEXT_INIT;
    int r;

    manifest_format(m, &text);
    if (!key || !comment || text_status(&text) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = minisign_sign(key, text_string(&text), text.length, comment, &signature, f);
    if (r == 0)
        r = write_sums(m, &text, signature, folder, f);
    if (r == 0)
        r = write_into(folder, "generation.json.minisig", signature, f);
    return r < 0 ? r : write_into(folder, "generation.json", text_string(&text), f);
}

/* The folder that holds the generations can be offered to machines as it is. */
static int enter_index(const char *folder, const struct manifest *manifest, struct failure *f)
{
    _cleanup_free_ char *parent = text_make("%.*s", (int)(strrchr(folder, '/') - folder), folder);

    return parent ? release_enter(parent, manifest, f)
                  : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

int publish(struct build *build, char **ret_folder, struct failure *f)
{
    const struct artifact artifacts[] = {
        { "linux.efi", &build->uki },        { "system.erofs", &build->system },
        { "vmlinuz", &build->kernel },       { "initrd", &build->initrd },
        { "disk.raw", &build->disk },        { "disk.qcow2", &build->disk },
        { "sbom.spdx.json", &build->sbom },  { "sbom.cdx.json", &build->sbom },
        { "provenance.json", &build->sbom },
    };
    struct manifest *manifest = calloc(1, sizeof(*manifest));
    _cleanup_free_ char *folder = NULL, *old = NULL, *guard = NULL;
    _cleanup_close_ int guard_fd = -1;
    int r = manifest ? output_folder(build, &folder, f)
                     : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    /* Two builds into one folder would mix their artifacts under one manifest. */
    if (r == 0)
        r = cache_path(&guard, f, "publish.guard");
    if (r == 0)
        r = lockfile_take(guard, true, &guard_fd, f);
    if (r == 0)
        r = fill_manifest(build, artifacts, ARRAY_SIZE(artifacts), manifest, f);
    /* What lies there is no generation until its new manifest is. */
    if (r == 0 && !(old = text_make("%s/generation.json", folder)))
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0 && unlink(old) < 0 && errno != ENOENT)
        r = file_failure(f, errno, "remove", old);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(artifacts); i++)
        r = place(&artifacts[i], folder, f);
    if (r == 0)
        r = place_keys(build, folder, f);
    if (r == 0)
        r = sign_manifest(build, manifest, folder, f);
    if (r == 0)
        r = enter_index(folder, manifest, f);
    if (r == 0)
        *ret_folder = take_ptr(folder);
    free(manifest);
    return r;
}

int publish_live(struct build *build, const char *folder, char **ret, struct failure *f)
{
    const struct artifact artifact = { "live.iso", &build->live };
    _cleanup_free_ char *to = text_make("%s.iso", folder);
    int r =
        to ? place_at(&artifact, to, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        *ret = take_ptr(to);
    return r;
}
