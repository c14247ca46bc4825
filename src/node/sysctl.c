#include "node/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "sys/file.h"

struct piece {
    const char *text;
    size_t length;
};

static struct piece trim(const char *text, size_t length)
{
    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return (struct piece){ .text = text, .length = length };
}

/* Components of letters, digits and "._-", none of them empty or a dot alone: the name is a path
 * below /proc/sys and stays there. */
static bool is_name(const struct piece *piece)
{
    size_t start = 0;

    for (size_t i = 0; i <= piece->length; i++) {
        char c = i < piece->length ? piece->text[i] : '/';
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-' || (c == '.' && i > start);

        if (word)
            continue;
        if (c != '/' || i == start)
            return false;
        start = i + 1;
    }
    return piece->length > 0;
}

static bool is_value(const struct piece *piece)
{
    for (size_t i = 0; i < piece->length; i++) {
        if (piece->text[i] < ' ' || piece->text[i] > '~')
            return false;
    }
    return piece->length > 0;
}

static void copy(const struct piece *piece, char *ret)
{
    memcpy(ret, piece->text, piece->length);
    ret[piece->length] = '\0';
}

int sysctl_parse_line(const char *text, size_t length, struct sysctl *ret, struct failure *f)
{
    const char *equals = memchr(text, '=', length), *hash = memchr(text, '#', length);
    const char *end = text + length;
    struct piece name, value, reason;

    if (!equals || !hash || hash < equals)
        return failure_set(f, CODE_SYSCTL, -EBADMSG, "'%.*s' is not 'name = value # reason'",
                           (int)(length < 80 ? length : 80), text);
    ret->optional = text[0] == '?';
    if (ret->optional)
        text++;
    name = trim(text, (size_t)(equals - text));
    value = trim(equals + 1, (size_t)(hash - equals) - 1);
    reason = trim(hash + 1, (size_t)(end - hash) - 1);
    if (!is_name(&name) || name.length >= SYSCTL_NAME_SIZE)
        return failure_set(f, CODE_SYSCTL, -EBADMSG, "'%.*s' is no path below /proc/sys",
                           (int)(name.length < 80 ? name.length : 80), name.text);
    if (!is_value(&value) || value.length >= SYSCTL_VALUE_SIZE || reason.length == 0)
        return failure_set(f, CODE_SYSCTL, -EBADMSG, "'%.*s' has no value, or no reason",
                           (int)name.length, name.text);
    copy(&name, ret->name);
    copy(&value, ret->value);
    return 0;
}

static int set_line(int root_fd, const char *text, size_t length, struct failure *f)
{
    _cleanup_close_ int fd = -1;
    struct sysctl setting;
    int r = sysctl_parse_line(text, length, &setting, f);

    if (r < 0)
        return r;
    fd = openat(root_fd, setting.name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && setting.optional)
        return 0;
    if (fd < 0 || write(fd, setting.value, strlen(setting.value)) < 0)
        return failure_set(f, CODE_SYSCTL, -errno, "cannot set '%s' to '%s'", setting.name,
                           setting.value);
    return 0;
}

int sysctl_set(const char *path, const char *root, sysctl_complaint complain, struct failure *f)
{
    _cleanup_close_ int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct cursor c;
    const char *text;
    size_t size, length;
    int r = file_read(path, SYSCTL_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    if (root_fd < 0)
        return failure_set(f, CODE_SYSCTL, -errno, "cannot open '%s'", root);
    c = cursor_make(bytes, size);
    while (cursor_line(&c, &text, &length)) {
        if (length > 0 && text[0] != '#' && set_line(root_fd, text, length, f) < 0)
            complain(f);
    }
    return 0;
}
