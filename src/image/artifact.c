#include "image/artifact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "boot/initrd.h"
#include "disk/gpt.h"
#include "image/erofs.h"
#include "image/live.h"
#include "image/mapped.h"
#include "image/slot_file.h"
#include "sys/file.h"
#include "update/archive.h"
#include "trust/pe_section.h"

enum { SECTOR = 512, GPT_NAME_AT = 56 };

#define UKI_FILE "EFI/broch/linux.efi"

static const char *const kind_names[] = {
    [ARTIFACT_GENERATION] = "generation",
    [ARTIFACT_RELEASE] = "release",
    [ARTIFACT_UKI] = "uki",
    [ARTIFACT_DISK] = "disk",
    [ARTIFACT_INITRD] = "initrd",
    [ARTIFACT_SYSTEM] = "system",
    [ARTIFACT_LIVE] = "live",
};
_Static_assert(ARRAY_SIZE(kind_names) == ARTIFACT_KIND_MAX_, "every kind has a name");

const char *artifact_kind_name(enum artifact_kind kind)
{
    CHECK(kind < ARTIFACT_KIND_MAX_);
    return kind_names[kind];
}

/* Until artifact_done(). `size` 0: on the heap. */
static void hold(struct artifact *a, void *bytes, size_t size)
{
    CHECK(a->hold_count < ARTIFACT_HOLDS_MAX);
    a->holds[a->hold_count].bytes = bytes;
    a->holds[a->hold_count++].size = size;
}

static int map(struct artifact *a, const char *path, struct span *ret, struct failure *f)
{
    int r = mapped_open(path, ret, f);

    if (r == 0 && ret->size > 0)
        hold(a, (void *)(uintptr_t)ret->bytes, ret->size);
    return r;
}

static int bad(const struct artifact *a, struct failure *f, const char *what)
{
    return failure_set(f, CODE_ARTIFACT_BAD, -EBADMSG, "'%s': %s", a->path, what);
}

/* --- One pair of boot file and system image --- */

/* The initrd is a section of the boot file; one that is damaged has none. */
static void find_initrd(struct artifact_pair *pair)
{
    size_t offset, size;

    if (pair->uki.bytes &&
        pe_section_find(pair->uki.bytes, pair->uki.size, ".initrd", &offset, &size) == 0)
        pair->initrd = (struct span){ pair->uki.bytes + offset, size };
}

/* --- A generation's folder, and the same in one file --- */

static int take_manifest(struct artifact *a, struct failure *f)
{
    struct failure malformed = FAILURE_NONE;

    a->manifest = calloc(1, sizeof(*a->manifest));
    if (!a->manifest)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (manifest_parse("generation.json", a->manifest_text.bytes, a->manifest_text.size,
                       a->manifest, &malformed) == 0)
        return 0;
    free(a->manifest); /* the caller asks manifest_parse() why */
    a->manifest = NULL;
    return 0;
}

int artifact_file(struct artifact *a, const char *name, struct span *ret, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", a->path, name);

    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (a->kind != ARTIFACT_GENERATION || !file_exists(path))
        return -ENOENT;
    return map(a, path, ret, f);
}

static int open_folder(struct artifact *a, struct failure *f)
{
    struct artifact_pair *pair = &a->pairs[0];
    int r;

    a->kind = ARTIFACT_GENERATION;
    r = artifact_file(a, "generation.json", &a->manifest_text, f);
    if (r == -ENOENT)
        return failure_set(f, CODE_ARTIFACT_UNKNOWN, -ENOENT,
                           "the folder '%s' is no generation: it has no generation.json", a->path);
    if (r == 0)
        r = take_manifest(a, f);
    if (r == 0)
        r = artifact_file(a, "generation.json.minisig", &a->signature, f);
    if (r == 0 || r == -ENOENT)
        r = artifact_file(a, "system.erofs", &pair->system, f);
    if (r == 0 || r == -ENOENT)
        r = artifact_file(a, "linux.efi", &pair->uki, f);
    if (r < 0 && r != -ENOENT)
        return r;
    a->pair_count = 1;
    find_initrd(pair);
    return 0;
}

/* Members are found by the reader that a machine uses; their bytes are skipped, not read. */
static int open_release(struct artifact *a, struct span file, struct failure *f)
{
    struct archive reader = ARCHIVE_INIT;
    struct archive_event event = { .kind = ARCHIVE_NEED };
    struct span *const members[] = { [ARCHIVE_MANIFEST] = &a->manifest_text,
                                     [ARCHIVE_SIGNATURE] = &a->signature,
                                     [ARCHIVE_UKI] = &a->pairs[0].uki,
                                     [ARCHIVE_SYSTEM] = &a->pairs[0].system };
    int r;

    a->kind = ARTIFACT_RELEASE;
    while (event.kind != ARCHIVE_END) {
        size_t at = (size_t)reader.offset, used;

        if (at >= file.size ||
            archive_feed(&reader, file.bytes + at, file.size - at, &used, &event) < 0)
            return bad(a, f, "the release is cut short, or no archive of a release");
        if (event.kind != ARCHIVE_ENTRY)
            continue;
        if (event.size > file.size - reader.offset)
            return bad(a, f, "the release is cut short");
        *members[event.member] = (struct span){ file.bytes + reader.offset, (size_t)event.size };
        archive_skip(&reader);
    }
    if (reader.offset != file.size)
        return bad(a, f, "something follows the release's end");
    r = take_manifest(a, f);
    if (r < 0)
        return r;
    a->pair_count = 1;
    find_initrd(&a->pairs[0]);
    return 0;
}

/* --- A disk --- */

static int open_slot(struct artifact *a, char letter, struct span volume, struct failure *f)
{
    struct artifact_pair *pair = &a->pairs[a->pair_count];
    struct span *const targets[] = { &pair->uki, &pair->system };
    const char *const files[] = { UKI_FILE, INITRD_SYSTEM_IMAGE };
    struct fat fat;

    /* What is no file system of ours holds no generation. */
    if (fat_open(volume.bytes, volume.size, &fat) < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        uint8_t *copy;
        int r = slot_file_find(&fat, files[i], targets[i], &copy);

        if (r == -ENOENT) /* an empty slot, or one that was being written */
            continue;
        if (r < 0)
            return failure_set(f, CODE_ARTIFACT_BAD, r, "'%s', slot %c: '%s' is not whole", a->path,
                               letter, files[i]);
        if (copy)
            hold(a, copy, 0);
    }
    if (!pair->uki.bytes && !pair->system.bytes)
        return 0;
    pair->slot = letter;
    a->pair_count++;
    find_initrd(pair);
    return 0;
}

/* UTF-16 of the table, as far as it is ASCII. */
static void copy_name(const uint8_t *entry, struct artifact_partition *ret)
{
    for (size_t i = 0; i + 1 < sizeof(ret->name); i++) {
        const uint8_t low = entry[GPT_NAME_AT + 2 * i], high = entry[GPT_NAME_AT + 2 * i + 1];

        ret->name[i] = high == 0 ? (char)low : '?';
        if (ret->name[i] == '\0')
            break;
        if (low < ' ' || low > '~')
            ret->name[i] = '?';
    }
}

static int open_disk(struct artifact *a, struct span disk, struct failure *f)
{
    struct gpt_header header;

    a->kind = ARTIFACT_DISK;
    if (gpt_header_parse(disk.bytes + SECTOR, SECTOR, GPT_FIRST_BLOCK, &header) < 0)
        return bad(a, f, "the partition table is damaged");
    for (uint32_t number = 1; number <= ARTIFACT_PARTITIONS_MAX; number++) {
        struct artifact_partition *p = &a->partitions[a->partition_count];
        struct gpt_entry entry;
        uint64_t at;
        int r = gpt_entry_offset(&header, number, SECTOR, &at);

        if (r == -ENOENT)
            break;
        if (r < 0 || at > disk.size || GPT_ENTRY_SIZE_MIN > disk.size - at)
            return bad(a, f, "the partition table lies outside of the disk");
        r = gpt_entry_parse(disk.bytes + at, &entry);
        if (r == -ENOENT)
            continue;
        if (r < 0 || entry.last_block >= disk.size / SECTOR)
            return bad(a, f, "a partition lies outside of the disk");
        (void)memcpy(p->type, entry.type.text, sizeof(p->type));
        copy_name(disk.bytes + at, p);
        p->offset = entry.first_block * SECTOR;
        p->size = (entry.last_block - entry.first_block + 1) * SECTOR;
        a->partition_count++;
        if (number <= ARTIFACT_SLOTS_MAX) {
            r = open_slot(a, (char)('A' + (int)number - 1),
                          (struct span){ disk.bytes + p->offset, (size_t)p->size }, f);
            if (r < 0)
                return r;
        }
    }
    return a->pair_count > 0 ? 0 : bad(a, f, "no slot of the disk holds a generation");
}

/* --- A live medium --- */

/* Files of the file system that firmware reads; the system image is a partition. */
static int open_live(struct artifact *a, const struct live_parts *parts, struct failure *f)
{
    struct artifact_pair *pair = &a->pairs[0];
    const struct {
        const char *name;
        struct span *target;
    } files[] = { { "EFI/BOOT/BOOTX64.EFI", &pair->uki },
                  { "EFI/broch/generation.json", &a->manifest_text },
                  { "EFI/broch/generation.json.minisig", &a->signature } };
    struct fat fat;

    a->kind = ARTIFACT_LIVE;
    if (fat_open(parts->files.bytes, parts->files.size, &fat) < 0)
        return bad(a, f, "the file system that firmware starts from is damaged");
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        uint8_t *copy;
        int r = slot_file_find(&fat, files[i].name, files[i].target, &copy);

        if (r < 0)
            return failure_set(f, CODE_ARTIFACT_BAD, r, "'%s': '%s' is %s", a->path, files[i].name,
                               r == -ENOENT ? "missing" : "not whole");
        if (copy)
            hold(a, copy, 0);
    }
    pair->system = parts->system;
    a->pair_count = 1;
    find_initrd(pair);
    return take_manifest(a, f);
}

/* --- What a file is --- */

static bool begins(struct span file, size_t at, const char *magic, size_t size)
{
    return file.size >= at + size && memcmp(file.bytes + at, magic, size) == 0;
}

static int open_single(struct artifact *a, enum artifact_kind kind, struct span file)
{
    a->kind = kind;
    a->pair_count = 1;
    if (kind == ARTIFACT_SYSTEM)
        a->pairs[0].system = file;
    else if (kind == ARTIFACT_INITRD)
        a->pairs[0].initrd = file;
    else
        a->pairs[0].uki = file;
    find_initrd(&a->pairs[0]);
    return 0;
}

static bool is_uki(struct span file)
{
    size_t offset, size;

    return pe_section_find(file.bytes, file.size, ".linux", &offset, &size) == 0;
}

static int open_file(struct artifact *a, struct span file, struct failure *f)
{
    struct failure none = FAILURE_NONE;
    struct live_parts live;

    if (begins(file, 0, "MZ", 2) && is_uki(file))
        return open_single(a, ARTIFACT_UKI, file);
    if (begins(file, SECTOR, "EFI PART", 8))
        return live_open(file, &live, &none) == 0 ? open_live(a, &live, f) : open_disk(a, file, f);
    if (begins(file, 0, "generation.json\0", 16))
        return open_release(a, file, f);
    if (erofs_is(file))
        return open_single(a, ARTIFACT_SYSTEM, file);
    if (begins(file, 0, "\x28\xb5\x2f\xfd", 4) || begins(file, 0, "070701", 6))
        return open_single(a, ARTIFACT_INITRD, file);
    if (begins(file, 0, "QFI\xfb", 4))
        return failure_set(f, CODE_ARTIFACT_UNKNOWN, -ENOTSUP,
                           "'%s' is a qcow2 image; look at disk.raw, which is the same disk",
                           a->path);
    if (begins(file, 0, "MZ", 2))
        return failure_set(f, CODE_ARTIFACT_UNKNOWN, -EINVAL,
                           "'%s' is a boot file, but holds no kernel as a section: no UKI",
                           a->path);
    return failure_set(f, CODE_ARTIFACT_UNKNOWN, -EINVAL,
                       "'%s' is no boot file, disk, release, initrd or system image", a->path);
}

int artifact_open(const char *path, struct artifact *ret, struct failure *f)
{
    struct stat status;
    int r;

    *ret = (struct artifact)ARTIFACT_INIT;
    ret->path = strdup(path);
    if (!ret->path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (stat(path, &status) < 0)
        return file_failure(f, errno, "open", path);
    if (S_ISDIR(status.st_mode))
        return open_folder(ret, f);
    r = map(ret, path, &ret->whole, f);
    if (r < 0)
        return r;
    ret->size = ret->whole.size;
    return open_file(ret, ret->whole, f);
}

void artifact_done(struct artifact *a)
{
    for (size_t i = 0; i < a->hold_count; i++) {
        if (a->holds[i].size > 0)
            (void)munmap(a->holds[i].bytes, a->holds[i].size);
        else
            free(a->holds[i].bytes);
    }
    free(a->manifest);
    free(a->path);
    *a = (struct artifact)ARTIFACT_INIT;
}
