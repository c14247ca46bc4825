#include "node/skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sys/file.h"

enum { FIELDS_MAX = 5, MODE_DIGITS = 4 };

struct field {
    const char *text;
    size_t length;
};

/* Splits at single spaces; returns the number of fields, FIELDS_MAX + 1 when there are more. */
static size_t split(const char *text, size_t length, struct field *ret_fields)
{
    size_t count = 0, start = 0;

    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] != ' ')
            continue;
        if (count == FIELDS_MAX)
            return FIELDS_MAX + 1;
        ret_fields[count++] = (struct field){ .text = text + start, .length = i - start };
        start = i + 1;
    }
    return count;
}

static bool parse_mode(const struct field *field, mode_t *ret)
{
    mode_t mode = 0;

    if (field->length != MODE_DIGITS)
        return false;
    for (size_t i = 0; i < MODE_DIGITS; i++) {
        if (field->text[i] < '0' || field->text[i] > '7')
            return false;
        mode = mode << 3 | (mode_t)(field->text[i] - '0');
    }
    *ret = mode;
    return true;
}

static bool component_is_dots(const char *text, size_t length)
{
    return (length == 1 && text[0] == '.') || (length == 2 && text[0] == '.' && text[1] == '.');
}

/* Absolute, printable, no empty, "." or ".." component. */
static bool parse_path(const struct field *field, char *ret)
{
    size_t start = 1;

    if (field->length < 2 || field->length >= SKELETON_PATH_SIZE || field->text[0] != '/')
        return false;
    for (size_t i = 1; i <= field->length; i++) {
        if (i < field->length && (field->text[i] < '!' || field->text[i] > '~'))
            return false;
        if (i < field->length && field->text[i] != '/')
            continue;
        if (i == start || component_is_dots(field->text + start, i - start))
            return false;
        start = i + 1;
    }
    memcpy(ret, field->text, field->length);
    ret[field->length] = '\0';
    return true;
}

static bool parse_owner(const struct field *field, char *ret)
{
    bool system_name = field->length > 1 && field->text[0] == '_'; /* Debian: "_chrony" */

    if (!name_is_valid(field->text + system_name, field->length - system_name) ||
        field->length >= NAME_SIZE)
        return false;
    memcpy(ret, field->text, field->length);
    ret[field->length] = '\0';
    return true;
}

static const char *parse_link(const struct field *fields, size_t count, struct skeleton_entry *ret)
{
    ret->kind = SKELETON_LINK;
    if (count != 3)
        return "a link needs a target and a path";
    if (!parse_path(&fields[1], ret->target))
        return "bad target";
    return parse_path(&fields[2], ret->path) ? NULL : "bad path";
}

static const char *parse_node(const struct field *fields, size_t count, struct skeleton_entry *ret)
{
    ret->kind = fields[0].text[0] == 'd' ? SKELETON_FOLDER : SKELETON_FILE;
    if (count != FIELDS_MAX)
        return "needs mode, user, group and path";
    if (!parse_mode(&fields[1], &ret->mode))
        return "bad mode";
    if (!parse_owner(&fields[2], ret->user))
        return "bad user";
    if (!parse_owner(&fields[3], ret->group))
        return "bad group";
    return parse_path(&fields[4], ret->path) ? NULL : "bad path";
}

int skeleton_parse_line(const char *text, size_t length, struct skeleton_entry *ret,
                        struct failure *f)
{
    struct field fields[FIELDS_MAX];
    size_t count = split(text, length, fields);
    const char *wrong = "unknown kind";

    *ret = (struct skeleton_entry){ .kind = SKELETON_FOLDER };
    if (count > FIELDS_MAX)
        wrong = "too many fields";
    else if (fields[0].length == 1 && fields[0].text[0] == 'l')
        wrong = parse_link(fields, count, ret);
    else if (fields[0].length == 1 && (fields[0].text[0] == 'd' || fields[0].text[0] == 'f'))
        wrong = parse_node(fields, count, ret);
    if (wrong)
        return failure_set(f, CODE_SKELETON, -EBADMSG, "%s in '%.*s'", wrong,
                           (int)(length < SKELETON_PATH_SIZE ? length : SKELETON_PATH_SIZE), text);
    return 0;
}

static int entry_failure(struct failure *f, const struct skeleton_entry *entry, int error)
{
    return failure_set(f, CODE_SKELETON, -error, "cannot make '%s'", entry->path);
}

int skeleton_make_entry(int root_fd, const struct skeleton_entry *entry, uid_t uid, gid_t gid,
                        struct failure *f)
{
    const char *path = entry->path + 1;
    _cleanup_close_ int fd = -1;

    if (entry->kind == SKELETON_LINK) {
        if (symlinkat(entry->target, root_fd, path) < 0 && errno != EEXIST)
            return entry_failure(f, entry, errno);
        return 0;
    }
    if (entry->kind == SKELETON_FOLDER) {
        if (mkdirat(root_fd, path, 0700) < 0 && errno != EEXIST)
            return entry_failure(f, entry, errno);
        fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    } else {
        fd = openat(root_fd, path,
                    O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
    }
    /* The owner first: chown clears set-id bits that the mode may carry. */
    if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, entry->mode) < 0)
        return entry_failure(f, entry, errno);
    return 0;
}

static bool find_user(const char *name, uid_t *ret)
{
    _cleanup_fclose_ FILE *stream = fopen("/etc/passwd", "re");
    struct passwd *user;

    if (strcmp(name, "root") == 0) {
        *ret = 0;
        return true;
    }
    while (stream && (user = fgetpwent(stream))) {
        if (strcmp(user->pw_name, name) == 0) {
            *ret = user->pw_uid;
            return true;
        }
    }
    return false;
}

static bool find_group(const char *name, gid_t *ret)
{
    _cleanup_fclose_ FILE *stream = fopen("/etc/group", "re");
    struct group *group;

    if (strcmp(name, "root") == 0) {
        *ret = 0;
        return true;
    }
    while (stream && (group = fgetgrent(stream))) {
        if (strcmp(group->gr_name, name) == 0) {
            *ret = group->gr_gid;
            return true;
        }
    }
    return false;
}

static int make_line(int root_fd, const char *text, size_t length, struct failure *f)
{
    struct skeleton_entry entry;
    uid_t uid = 0;
    gid_t gid = 0;
    int r = skeleton_parse_line(text, length, &entry, f);

    if (r < 0)
        return r;
    if (entry.kind != SKELETON_LINK && !find_user(entry.user, &uid))
        return failure_set(f, CODE_SKELETON, -EBADMSG, "'%s': no user '%s'", entry.path,
                           entry.user);
    if (entry.kind != SKELETON_LINK && !find_group(entry.group, &gid))
        return failure_set(f, CODE_SKELETON, -EBADMSG, "'%s': no group '%s'", entry.path,
                           entry.group);
    return skeleton_make_entry(root_fd, &entry, uid, gid, f);
}

int skeleton_make(const char *path, skeleton_complaint complain, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_close_ int root_fd = -1;
    struct cursor c;
    const char *text;
    size_t size, length;
    int r = file_read(path, SKELETON_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return failure_set(f, CODE_SKELETON, -errno, "cannot open '/'");
    c = cursor_make(bytes, size);
    while (cursor_line(&c, &text, &length)) {
        if (length > 0 && text[0] != '#' && make_line(root_fd, text, length, f) < 0)
            complain(f);
    }
    return 0;
}
