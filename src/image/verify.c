#include "image/verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "boot/initrd.h"
#include "boot/superblock.h"
#include "image/boot_file.h"
#include "image/contents.h"
#include "image/cpio_reader.h"
#include "image/publish.h"
#include "image/live.h"
#include "image/sbom_check.h"
#include "image/unpack.h"
#include "image/verity_tree.h"
#include "sys/file.h"
#include "trust/minisign.h"
#include "work/json.h"

enum { KEYS_SIZE_MAX = 1 << 16 };

/* What the checks share. */
struct run {
    struct artifact *artifact;
    const struct verify_trust *trust;
    struct verify *verify;
    const struct artifact_pair *pair; /* that is being looked at, or NULL */
};

static void PRINTF_LIKE(4, 5)
    add(struct run *run, const char *part, enum verify_result result, const char *format, ...)
{
    struct verify *v = run->verify;
    struct verify_check *check = &v->checks[v->count];
    va_list arguments;

    CHECK(v->count < VERIFY_CHECKS_MAX); /* manifest and slots have a bounded number of parts */
    v->count++;
    if (run->pair && run->pair->slot)
        (void)snprintf(check->part, sizeof(check->part), "slot %c: %s", run->pair->slot, part);
    else
        (void)snprintf(check->part, sizeof(check->part), "%s", part);
    check->result = result;
    va_start(arguments, format);
    (void)vsnprintf(check->text, sizeof(check->text), format, arguments);
    va_end(arguments);
}

/* Notes how a check ended: `good` when r is 0, else the failure's words. */
static void PRINTF_LIKE(5, 6)
    note(struct run *run, const char *part, int r, const struct failure *f, const char *good, ...)
{
    char words[VERIFY_TEXT_MAX];
    va_list arguments;

    va_start(arguments, good);
    (void)vsnprintf(words, sizeof(words), good, arguments);
    va_end(arguments);
    add(run, part, r == 0 ? VERIFY_GOOD : VERIFY_BAD, "%s", r == 0 ? words : f->text);
}

/* A file that the caller names, or that lies in the generation's folder. -ENOENT: neither. */
static int read_trusted(struct run *run, const char *given, const char *beside, char **ret,
                        size_t *ret_size, struct failure *f)
{
    uint8_t *bytes = NULL;
    struct span span;
    int r;

    if (given) {
        r = file_read(given, KEYS_SIZE_MAX, &bytes, ret_size, f);
        if (r == -ENOENT)
            return failure_set(f, CODE_IO, -EINVAL, "there is no file '%s'", given);
        *ret = (char *)bytes;
        return r;
    }
    r = artifact_file(run->artifact, beside, &span, f);
    if (r < 0)
        return r;
    *ret = strndup((const char *)span.bytes, span.size);
    *ret_size = span.size;
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* --- The manifest and what it names --- */

static int check_signature(struct run *run, struct failure *f)
{
    const struct artifact *a = run->artifact;
    _cleanup_free_ char *keys = NULL, *signature = NULL;
    char comment[MINISIGN_COMMENT_MAX], id[MINISIGN_KEY_ID_TEXT_SIZE];
    struct failure inner = FAILURE_NONE;
    size_t size;
    int r = read_trusted(run, run->trust->release_key, "release.pub", &keys, &size, f);

    if (r == -ENOENT) {
        add(run, "manifest signature", VERIFY_UNKNOWN, "no release key: give --release-key");
        return 0;
    }
    if (r < 0)
        return r;
    if (!a->signature.bytes) {
        add(run, "manifest signature", VERIFY_BAD, "generation.json.minisig is missing");
        return 0;
    }
    signature = strndup((const char *)a->signature.bytes, a->signature.size);
    if (!signature)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = strlen(signature) == a->signature.size
            ? minisign_verify(a->manifest_text.bytes, a->manifest_text.size, signature, keys,
                              comment, &inner)
            : failure_set(&inner, CODE_SIGNATURE, -EBADMSG, "the signature is no text");
    if (r == 0 && minisign_key_id(signature, id) < 0)
        id[0] = '\0';
    note(run, "manifest signature", r, &inner, "by key %s%s", id,
         run->trust->release_key ? "" : ", which lies beside it");
    return 0;
}

static void check_form(struct run *run)
{
    const struct artifact *a = run->artifact;
    struct manifest *again = malloc(sizeof(*again));
    struct failure inner = FAILURE_NONE;
    int r = again ? manifest_parse("generation.json", a->manifest_text.bytes, a->manifest_text.size,
                                   again, &inner)
                  : failure_set(&inner, CODE_INTERNAL, -ENOMEM, "out of memory");

    free(again);
    note(run, "manifest", r, &inner, "names %zu files", a->manifest ? a->manifest->file_count : 0);
}

/* Size and sum of a file of the manifest. A file of the folder is read, not mapped: of a disk image
 * the holes are most. -ENOENT. */
static int measure_file(struct run *run, const char *name, uint64_t *ret_size, struct digest *ret,
                        struct failure *f)
{
    const struct artifact *a = run->artifact;
    _cleanup_free_ char *path = NULL;
    struct stat status;
    struct span span;

    if (a->kind == ARTIFACT_GENERATION) {
        path = text_make("%s/%s", a->path, name);
        if (!path)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (stat(path, &status) < 0)
            return errno == ENOENT ? -ENOENT : file_failure(f, errno, "read", path);
        *ret_size = (uint64_t)status.st_size;
        return digest_file(path, ret, f);
    }
    span = strcmp(name, "linux.efi") == 0      ? a->pairs[0].uki
           : strcmp(name, "system.erofs") == 0 ? a->pairs[0].system
                                               : (struct span){ NULL, 0 };
    if (!span.bytes)
        return -ENOENT;
    *ret_size = span.size;
    *ret = digest_bytes(span.bytes, span.size);
    return 0;
}

static bool is_needed(const char *name)
{
    return strcmp(name, "linux.efi") == 0 || strcmp(name, "system.erofs") == 0;
}

static int check_files(struct run *run, struct failure *f)
{
    const struct manifest *m = run->artifact->manifest;

    for (size_t i = 0; i < m->file_count; i++) {
        const struct manifest_file *file = &m->files[i];
        struct digest found;
        uint64_t size = 0;
        int r = measure_file(run, file->name, &size, &found, f);

        if (r == -ENOENT) {
            add(run, file->name, is_needed(file->name) ? VERIFY_BAD : VERIFY_ABSENT, "not there");
            continue;
        }
        if (r < 0)
            return r;
        if (size != file->size)
            add(run, file->name, VERIFY_BAD, "has %llu bytes, the manifest says %llu",
                (unsigned long long)size, (unsigned long long)file->size);
        else if (memcmp(&found, &file->digest, sizeof(found)) != 0)
            add(run, file->name, VERIFY_BAD, "its sum is not the manifest's");
        else
            add(run, file->name, VERIFY_GOOD, "%llu bytes", (unsigned long long)file->size);
    }
    return 0;
}

static int check_sums(struct run *run, struct failure *f)
{
    const struct artifact *a = run->artifact;
    _cleanup_text_ struct text wanted = TEXT_INIT;
    struct span sums;
    int r = artifact_file(run->artifact, "SHA256SUMS", &sums, f);

    if (r < 0 || !a->signature.bytes) {
        return r == -ENOENT ? 0 : r;
    }
    publish_format_sums(a->manifest, a->manifest_text, a->signature, &wanted);
    if (text_status(&wanted) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (sums.size == wanted.length && memcmp(sums.bytes, wanted.data, sums.size) == 0)
        add(run, "SHA256SUMS", VERIFY_GOOD, "says what the manifest says");
    else
        add(run, "SHA256SUMS", VERIFY_BAD, "says something else than the manifest");
    return 0;
}

/* The digest that the statement gives a subject; NULL when it names none of this name. */
static const char *subject_digest(struct json_object *statement, const char *name)
{
    struct json_object *subjects, *digest;
    const char *found, *digits;

    if (!json_get(statement, "subject", json_type_array, &subjects))
        return NULL;
    for (size_t i = 0; i < json_object_array_length(subjects); i++) {
        struct json_object *subject = json_object_array_get_idx(subjects, i);

        if (json_get_text(subject, "name", &found) && strcmp(found, name) == 0)
            return json_get(subject, "digest", json_type_object, &digest) &&
                           json_get_text(digest, "sha256", &digits)
                       ? digits
                       : NULL;
    }
    return NULL;
}

/* The statement is about the files of this manifest: all that make a machine start. */
static int check_provenance(struct run *run, struct failure *f)
{
    const struct manifest *m = run->artifact->manifest;
    struct json_object *statement;
    const char *wrong = NULL;
    struct span text;
    int r = artifact_file(run->artifact, "provenance.json", &text, f);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    statement = json_parse(text.bytes, text.size);
    for (size_t i = 0; i < m->file_count && !wrong; i++) {
        const char *digits = statement ? subject_digest(statement, m->files[i].name) : NULL;
        char wanted[DIGEST_TEXT_SIZE];

        if (digits ? strcmp(digits, digest_text(&m->files[i].digest, wanted)) != 0
                   : is_needed(m->files[i].name))
            wrong = m->files[i].name;
    }
    if (wrong)
        add(run, "provenance", VERIFY_BAD, "it is not about this %s", wrong);
    else
        add(run, "provenance", VERIFY_GOOD, "it is about the files of the manifest");
    (void)json_object_put(statement); /* accepts NULL */
    return 0;
}

static int check_manifest(struct run *run, struct failure *f)
{
    int r = check_signature(run, f);

    if (r < 0)
        return r;
    check_form(run);
    if (!run->artifact->manifest)
        return 0;
    r = check_files(run, f);
    if (r == 0)
        r = check_provenance(run, f);
    return r < 0 ? r : check_sums(run, f);
}

/* --- One boot file and its system image --- */

static int check_boot_signature(struct run *run, const struct boot_file *b, struct failure *f)
{
    _cleanup_free_ char *certificate = NULL;
    struct authenticode_signer signer;
    struct failure inner = FAILURE_NONE;
    size_t size;
    int r = read_trusted(run, run->trust->certificate, "keys/db.crt", &certificate, &size, f);

    if (r == -ENOENT) {
        add(run, "boot signature", VERIFY_UNKNOWN, "no certificate: give --db");
        return 0;
    }
    if (r < 0)
        return r;
    r = authenticode_verify(&b->authenticode, certificate, size, &inner);
    if (r == 0 && authenticode_name(&b->authenticode, &signer) < 0)
        r = failure_set(&inner, CODE_SIGNATURE, -EBADMSG, "the signature names nobody");
    note(run, "boot signature", r, &inner, "by %s%s", signer.name,
         run->trust->certificate ? "" : ", whose certificate lies beside it");
    return 0;
}

/* What the manifest says of the boot file, against the boot file. */
static void check_agreement(struct run *run, const struct boot_file *b)
{
    const struct manifest *m = run->artifact->manifest;
    const struct span release = boot_file_section(b, ".uname");
    const char *what = NULL;

    if (!m)
        return;
    if (strlen(m->cmdline) != b->cmdline.size ||
        memcmp(m->cmdline, b->cmdline.bytes, b->cmdline.size) != 0)
        what = "the command line";
    else if (m->epoch != b->words.epoch)
        what = "the epoch";
    else if (strcmp(m->name, b->words.generation) != 0 || strcmp(m->profile, b->words.profile) != 0)
        what = "the name";
    else if (memcmp(m->verity_root.bytes, b->words.verity, DIGEST_SIZE) != 0)
        what = "the root hash";
    else if (strlen(m->kernel) != release.size ||
             memcmp(m->kernel, release.bytes, release.size) != 0)
        what = "the kernel's release";
    if (what)
        add(run, "agreement", VERIFY_BAD, "manifest and boot file differ in %s", what);
    else
        add(run, "agreement", VERIFY_GOOD, "manifest and boot file say the same");
    if (memcmp(&m->pcr11_stub, &b->after_stub, sizeof(struct digest)) != 0 ||
        memcmp(&m->pcr11_enter_initrd, &b->enter_initrd, sizeof(struct digest)) != 0)
        add(run, "PCR 11", VERIFY_BAD, "the manifest has another value than the sections give");
    else
        add(run, "PCR 11", VERIFY_GOOD, "the manifest has what the sections give");
}

/* What stage 1 will compare with. */
struct copies {
    struct span cmdline, superblock; /* views into `archives` */
};

/* Names in an archive have no slash in front. */
static const char *in_archive(const char *path)
{
    return path + 1;
}

static int take_copy(const struct cpio_member *member, void *context)
{
    struct copies *copies = context;

    if (strcmp(member->path, in_archive(INITRD_CMDLINE)) == 0)
        copies->cmdline = member->content;
    else if (strcmp(member->path, in_archive(INITRD_SUPERBLOCK)) == 0)
        copies->superblock = member->content;
    return 0;
}

static bool same(struct span a, struct span b)
{
    return a.bytes && a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

static void check_system(struct run *run, const struct boot_file *b, struct span superblock)
{
    const struct span image = run->pair->system;
    struct failure inner = FAILURE_NONE;
    struct superblock s;
    int r;

    if (superblock.size != SUPERBLOCK_SIZE || superblock_parse(superblock.bytes, &s) < 0) {
        add(run, "superblock", VERIFY_BAD, "the initrd has none, or one that is malformed");
        return;
    }
    if (superblock_offset(&s) > image.size ||
        SUPERBLOCK_SIZE > image.size - superblock_offset(&s) ||
        memcmp(image.bytes + superblock_offset(&s), superblock.bytes, SUPERBLOCK_SIZE) != 0)
        add(run, "superblock", VERIFY_BAD, "the system image has another one than the initrd");
    else
        add(run, "superblock", VERIFY_GOOD, "the system image has the one of the initrd");
    r = verity_tree_check(image, &s, b->words.verity, &inner);
    note(run, "verity", r, &inner, "%llu blocks lead to the root hash",
         (unsigned long long)s.data_blocks);
}

static int check_initrd(struct run *run, const struct boot_file *b, struct failure *f)
{
    _cleanup_text_ struct text archives = TEXT_INIT;
    struct copies copies = { { NULL, 0 }, { NULL, 0 } };
    int r = unpack_zstd(b->initrd, &archives);

    if (r == 0)
        r = cpio_walk((struct span){ (const uint8_t *)text_string(&archives), archives.length },
                      take_copy, &copies);
    if (r == -ENOMEM)
        return failure_set(f, CODE_INTERNAL, r, "out of memory");
    if (r < 0) {
        add(run, "initrd content", VERIFY_BAD, "it is damaged");
        return 0;
    }
    add(run, "initrd content", VERIFY_GOOD, "%zu bytes unpacked", archives.length);
    if (same(copies.cmdline, b->cmdline))
        add(run, "command line", VERIFY_GOOD, "the initrd has the signed one");
    else
        add(run, "command line", VERIFY_BAD, "the initrd has another one than the boot file");
    if (run->pair->system.bytes)
        check_system(run, b, copies.superblock);
    else
        add(run, "verity", VERIFY_UNKNOWN, "there is no system image");
    return 0;
}

/* The folder's copies for starting a kernel directly, and the key of the policy. */
static int check_parts(struct run *run, const struct boot_file *b, struct failure *f)
{
    static const struct {
        const char *file, *section;
    } parts[] = { { "vmlinuz", ".linux" },
                  { "initrd", ".initrd" },
                  { "keys/pcr.pub", ".pcrpkey" } };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        char part[VERIFY_PART_MAX];
        struct span file;
        int r = artifact_file(run->artifact, parts[i].file, &file, f);

        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        (void)snprintf(part, sizeof(part), "%s in the boot file", parts[i].file);
        if (same(file, boot_file_section(b, parts[i].section)))
            add(run, part, VERIFY_GOOD, "the same bytes as section %s", parts[i].section);
        else
            add(run, part, VERIFY_BAD, "other bytes than section %s", parts[i].section);
    }
    return 0;
}

static int check_components(struct run *run, struct failure *f)
{
    static const char *const names[] = { "sbom.spdx.json", "sbom.cdx.json" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct failure inner = FAILURE_NONE;
        char part[VERIFY_PART_MAX];
        struct span document;
        int r = artifact_file(run->artifact, names[i], &document, f);

        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        (void)snprintf(part, sizeof(part), "components in %s", names[i]);
        r = sbom_check(document, run->pair, &inner);
        note(run, part, r, &inner, "every file belongs to one");
    }
    return 0;
}

static int check_pair(struct run *run, struct failure *f)
{
    struct failure inner = FAILURE_NONE;
    struct boot_file *b;
    int r;

    if (!run->pair->uki.bytes) {
        add(run, "boot file", VERIFY_BAD, "there is none");
        return 0;
    }
    b = malloc(sizeof(*b));
    if (!b)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = boot_file_read(run->pair->uki, b, &inner);
    note(run, "boot file", r, &inner, "%s, epoch %llu", b->words.generation,
         (unsigned long long)b->words.epoch);
    if (r < 0) {
        free(b);
        return 0;
    }
    r = boot_file_judge_policy(b, &inner);
    note(run, "policy", r, &inner, "approves PCR 11 and epoch %llu",
         (unsigned long long)b->words.epoch);
    check_agreement(run, b);
    r = check_boot_signature(run, b, f);
    if (r == 0)
        r = check_parts(run, b, f);
    if (r == 0)
        r = check_initrd(run, b, f);
    if (r == 0 && run->pair->system.bytes)
        r = check_components(run, f);
    free(b);
    return r;
}

/* What a CD's firmware reads and what a stick's does are one medium. */
static void check_medium(struct run *run)
{
    const struct artifact_pair *pair = &run->artifact->pairs[0];
    const struct live_content content = { pair->uki, pair->system };
    struct failure inner = FAILURE_NONE;
    int r = live_check(run->artifact->whole, &content, &inner);

    note(run, "medium", r, &inner, "CD and stick lead to the same files");
}

int verify_run(struct artifact *artifact, const struct verify_trust *trust, struct verify *ret,
               struct failure *f)
{
    struct run run = { .artifact = artifact, .trust = trust, .verify = ret };
    int r = 0;

    *ret = (struct verify){ .count = 0 };
    if (artifact->kind == ARTIFACT_INITRD || artifact->kind == ARTIFACT_SYSTEM)
        return failure_set(f, CODE_USAGE, -EINVAL,
                           "an %s has no signature of its own; name its generation or disk",
                           artifact->kind == ARTIFACT_INITRD ? "initrd" : "image");
    if (artifact->kind == ARTIFACT_LIVE)
        check_medium(&run);
    if (artifact->manifest_text.bytes)
        r = check_manifest(&run, f);
    for (size_t i = 0; r == 0 && i < artifact->pair_count; i++) {
        run.pair = &artifact->pairs[i];
        r = check_pair(&run, f);
    }
    return r;
}

/* --- What comes of it --- */

static const char *const result_words[] = {
    [VERIFY_GOOD] = "good",
    [VERIFY_BAD] = "bad",
    [VERIFY_UNKNOWN] = "unknown",
    [VERIFY_ABSENT] = "absent",
};
_Static_assert(ARRAY_SIZE(result_words) == VERIFY_RESULT_MAX_, "every result has a word");

/* Names the parts with this result; false when there is none. */
static bool name_parts(const struct verify *verify, enum verify_result result, struct line *l)
{
    for (size_t i = 0; i < verify->count; i++) {
        if (verify->checks[i].result != result)
            continue;
        line_add(l, l->length > 0 ? ", " : "");
        line_add(l, verify->checks[i].part);
    }
    return l->length > 0;
}

int verify_judge(const struct verify *verify, struct failure *f)
{
    char parts[FAILURE_TEXT_MAX / 2];
    struct line bad = line_make(parts, sizeof(parts)), unknown;

    if (name_parts(verify, VERIFY_BAD, &bad))
        return failure_set(f, CODE_VERIFY_BAD, -EBADMSG, "not what it should be: %s", parts);
    unknown = line_make(parts, sizeof(parts));
    if (name_parts(verify, VERIFY_UNKNOWN, &unknown))
        return failure_set(f, CODE_VERIFY_PARTIAL, -ENODATA, "not checked: %s", parts);
    return 0;
}

void verify_add_table(const struct verify *verify, struct text *t)
{
    for (size_t i = 0; i < verify->count; i++)
        text_addf(t, "%-8s %-28s %s\n", result_words[verify->checks[i].result],
                  verify->checks[i].part, verify->checks[i].text);
}

void verify_add_json(const struct verify *verify, struct text *t)
{
    struct failure ignored = FAILURE_NONE;
    struct json_object *o = json_object_new_object(), *list;
    int verdict = verify_judge(verify, &ignored);
    bool whole = o && json_put_number(o, "schema", 1) &&
                 json_put_text(o, "result",
                               verdict == 0                      ? "good"
                               : ignored.code == CODE_VERIFY_BAD ? "bad"
                                                                 : "partial");

    list = whole ? json_put_list(o, "checks") : NULL;
    for (size_t i = 0; list && whole && i < verify->count; i++) {
        struct json_object *check = json_object_new_object();

        whole = check && json_put_text(check, "part", verify->checks[i].part) &&
                json_put_text(check, "result", result_words[verify->checks[i].result]) &&
                json_put_text(check, "text", verify->checks[i].text);
        whole = json_append(list, check) && whole;
    }
    json_finish(o, whole && list, t);
    text_add(t, "\n");
}
