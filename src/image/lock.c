#include "image/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "sys/file.h"

#define KERNEL_HEAD "linux-image-"

enum { KERNEL_RELEASE_MAX = 64 };

static const char *const role_names[] = {
    [LOCK_ROLE_SYSTEM] = "system", [LOCK_ROLE_KERNEL] = "kernel"
};
static const char *const archive_names[] = {
    [LOCK_ARCHIVE_MAIN] = "main", [LOCK_ARCHIVE_SECURITY] = "security"
};

/* A line and how far its fields were read. */
struct fields {
    const char *name; /* of the file */
    size_t line;
    const char *at;
    size_t left;
    struct failure *f;
};

static int refuse(const struct fields *fields, const char *what)
{
    return failure_set(fields->f, CODE_SYNTAX, -EBADMSG, "%s:%zu: %s", fields->name, fields->line,
                       what);
}

void lock_done(struct lock *lock)
{
    free(lock->packages);
    *lock = (struct lock)LOCK_INIT;
}

/* Takes the next field: printable characters without space. */
static int take_field(struct fields *fields, char ret[static LOCK_FIELD_MAX])
{
    size_t length = 0;

    while (length < fields->left && fields->at[length] != ' ') {
        if (fields->at[length] <= ' ' || fields->at[length] > '~')
            return refuse(fields, "a field holds a control or non-ASCII character");
        length++;
    }
    if (length == 0)
        return refuse(fields, "a field is missing or empty");
    if (length >= LOCK_FIELD_MAX)
        return refuse(fields, "a field is too long");
    memcpy(ret, fields->at, length);
    ret[length] = '\0';
    fields->at += length;
    fields->left -= length;
    if (fields->left > 0) {
        fields->at++;
        fields->left--;
        if (fields->left == 0)
            return refuse(fields, "a space ends the line");
    }
    return 0;
}

static int take_word(struct fields *fields, const char *const *words, size_t count, unsigned *ret)
{
    char field[LOCK_FIELD_MAX];
    int r = take_field(fields, field);

    for (size_t i = 0; r == 0 && i < count; i++) {
        if (strcmp(field, words[i]) == 0) {
            *ret = (unsigned)i;
            return 0;
        }
    }
    return r < 0 ? r : refuse(fields, "an unknown role or archive");
}

static int take_number(struct fields *fields, uint64_t limit, uint64_t *ret)
{
    char field[LOCK_FIELD_MAX];
    int r = take_field(fields, field);

    if (r == 0 && number_parse_text(field, limit, ret) < 0)
        r = refuse(fields, "a number is malformed or too large");
    return r;
}

static int take_digest(struct fields *fields, struct digest *ret)
{
    char field[LOCK_FIELD_MAX];
    int r = take_field(fields, field);

    if (r == 0 && digest_parse(field, strlen(field), ret) < 0)
        r = refuse(fields, "a SHA-256 is not 64 lower-case hexadecimal digits");
    return r;
}

/* What becomes a file name or a part of an address has a character set of its own. */
static int check_characters(const struct fields *fields, const char *field, const char *allowed,
                            const char *message)
{
    if (field[strspn(field, allowed)] != '\0' || field[0] == '.' || field[0] == '/' ||
        strstr(field, ".."))
        return refuse(fields, message);
    return 0;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int take_package(struct fields *fields, struct lock_package *ret)
{
    unsigned role = 0, archive = 0;
    int r = take_word(fields, role_names, ARRAY_SIZE(role_names), &role);

    if (r == 0)
        r = take_word(fields, archive_names, ARRAY_SIZE(archive_names), &archive);
    if (r == 0)
        r = take_field(fields, ret->name);
    if (r == 0)
        r = check_characters(fields, ret->name, LETTERS "+-.", "a package name is malformed");
    if (r == 0)
        r = take_field(fields, ret->version);
    if (r == 0)
        r = check_characters(fields, ret->version, LETTERS "+-.~:", "a version is malformed");
    if (r == 0)
        r = take_field(fields, ret->arch);
    if (r == 0)
        r = check_characters(fields, ret->arch, LETTERS "-", "an architecture is malformed");
    if (r == 0)
        r = take_number(fields, LOCK_PACKAGE_SIZE_MAX, &ret->size);
    if (r == 0)
        r = take_digest(fields, &ret->digest);
    if (r == 0)
        r = take_field(fields, ret->path);
    if (r == 0)
        r = check_characters(fields, ret->path, LETTERS "+-.~:_/%", "a path is malformed");
    ret->role = (enum lock_role)role;
    ret->archive = (enum lock_archive)archive;
    return r;
}

static int compare_packages(const void *a, const void *b)
{
    const struct lock_package *first = a, *second = b;
    int order = strcmp(first->name, second->name);

    return order != 0 ? order : (int)first->role - (int)second->role;
}

int lock_add(struct lock *lock, const struct lock_package *package)
{
    struct lock_package *grown;

    if (lock->package_count >= LOCK_PACKAGES_MAX)
        return -ERANGE;
    grown = reallocarray(lock->packages, lock->package_count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    lock->packages = grown;
    lock->packages[lock->package_count++] = *package;
    return 0;
}

/* The release becomes a file name and a field of the manifest. */
static int check_kernel(const struct fields *fields, const struct lock *lock,
                        const struct lock_package *package)
{
    size_t length = strlen(package->name), head = strlen(KERNEL_HEAD);

    if (package->role != LOCK_ROLE_KERNEL)
        return 0;
    if (length <= head || length > head + KERNEL_RELEASE_MAX ||
        memcmp(package->name, KERNEL_HEAD, head) != 0)
        return refuse(fields, "a kernel package is not named " KERNEL_HEAD "RELEASE");
    return lock_kernel(lock) ? refuse(fields, "there is more than one kernel") : 0;
}

static int parse_package_line(struct fields *fields, struct lock *lock)
{
    struct lock_package package = { .size = 0 };
    int r = take_package(fields, &package);

    if (r == 0 && lock->package_count > 0 &&
        compare_packages(&lock->packages[lock->package_count - 1], &package) >= 0)
        r = refuse(fields, "packages are out of order or named twice");
    if (r == 0)
        r = check_kernel(fields, lock, &package);
    if (r < 0)
        return r;
    r = lock_add(lock, &package);
    if (r == -ENOMEM)
        return failure_set(fields->f, CODE_INTERNAL, r, "out of memory");
    return r < 0 ? refuse(fields, "there are too many packages") : 0;
}

static int parse_line(struct fields *fields, struct lock *lock)
{
    static const char *const heads[] = { "broch-lock", "date", "list" };
    char word[LOCK_FIELD_MAX];
    uint64_t version;
    int r = take_field(fields, word);

    if (r < 0)
        return r;
    if (strcmp(word, fields->line <= ARRAY_SIZE(heads) ? heads[fields->line - 1] : "package") != 0)
        return refuse(fields, "not the keyword that belongs on this line");
    switch (fields->line) {
    case 1:
        r = take_number(fields, 1, &version);
        if (r == 0 && version != 1)
            r = refuse(fields, "a version of the lock that this program does not know");
        break;
    case 2:
        r = take_number(fields, UINT32_MAX * 1024ull, &lock->date);
        break;
    case 3:
        r = take_digest(fields, &lock->list);
        break;
    default:
        r = parse_package_line(fields, lock);
        break;
    }
    if (r == 0 && fields->left > 0)
        r = refuse(fields, "there is more on the line than belongs there");
    return r;
}

int lock_parse(const char *name, const uint8_t *bytes, size_t size, struct lock *ret,
               struct failure *f)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct cursor cursor = cursor_make(bytes, size);
    struct fields fields = { .name = name, .f = f };

    while (cursor_line(&cursor, &fields.at, &fields.left)) {
        int r;

        fields.line++;
        r = parse_line(&fields, &lock);
        if (r < 0)
            return r;
    }
    fields.line++;
    if (!cursor_finished(&cursor))
        return refuse(&fields, "the last line has no end");
    if (fields.line <= 4)
        return refuse(&fields, "the lock is cut off");
    *ret = lock;
    lock = (struct lock)LOCK_INIT;
    return 0;
}

int lock_read(const char *path, struct lock *ret, struct digest *ret_digest, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, LOCK_FILE_MAX, &bytes, &size, f);

    if (r == -ENOENT)
        return failure_set(f, CODE_LOCK_MISSING, r, "there is no '%s'", path);
    if (r == 0)
        r = lock_parse(path, bytes, size, ret, f);
    if (r == 0)
        *ret_digest = digest_bytes(bytes, size);
    return r;
}

void lock_format(struct lock *lock, struct text *ret_text)
{
    char digits[DIGEST_TEXT_SIZE];

    if (lock->package_count > 0)
        qsort(lock->packages, lock->package_count, sizeof(*lock->packages), compare_packages);
    text_addf(ret_text, "broch-lock 1\ndate %llu\nlist %s\n", (unsigned long long)lock->date,
              digest_text(&lock->list, digits));
    for (size_t i = 0; i < lock->package_count; i++) {
        const struct lock_package *package = &lock->packages[i];

        text_addf(ret_text, "package %s %s %s %s %s %llu %s %s\n", role_names[package->role],
                  archive_names[package->archive], package->name, package->version, package->arch,
                  (unsigned long long)package->size, digest_text(&package->digest, digits),
                  package->path);
    }
}

struct digest lock_list_digest(const char *const *packages, size_t count, const char *kernel)
{
    _cleanup_text_ struct text list = TEXT_INIT;

    text_addf(&list, "kernel %s\n", kernel);
    for (size_t i = 0; i < count; i++)
        text_addf(&list, "%s\n", packages[i]);
    CHECK(text_status(&list) == 0);
    return digest_bytes(list.data, list.length);
}

const struct lock_package *lock_kernel(const struct lock *lock)
{
    for (size_t i = 0; i < lock->package_count; i++) {
        if (lock->packages[i].role == LOCK_ROLE_KERNEL)
            return &lock->packages[i];
    }
    return NULL;
}

const char *lock_kernel_release(const struct lock_package *kernel)
{
    CHECK(strncmp(kernel->name, KERNEL_HEAD, strlen(KERNEL_HEAD)) == 0);
    return kernel->name + strlen(KERNEL_HEAD);
}
