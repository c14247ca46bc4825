#include "image/users.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"

/* A field of a line of the user database; empty when there are too few. */
struct field {
    const char *text;
    size_t length;
};

static struct field field_at(const char *line, size_t length, unsigned index)
{
    const char *end = line + length;

    for (;;) {
        const char *colon = memchr(line, ':', (size_t)(end - line));

        if (index == 0)
            return (struct field){ line, (size_t)((colon ? colon : end) - line) };
        if (!colon)
            return (struct field){ end, 0 };
        line = colon + 1;
        index--;
    }
}

static bool is_name(struct field field, const char *name)
{
    return field.length == strlen(name) && memcmp(field.text, name, field.length) == 0;
}

/* The next line of [*at, end) without its newline, which the last one may lack. */
static bool next_line(const char **at, const char *end, const char **ret_line, size_t *ret_length)
{
    const char *newline;

    if (*at == end)
        return false;
    newline = memchr(*at, '\n', (size_t)(end - *at));
    *ret_line = *at;
    *ret_length = (size_t)((newline ? newline : end) - *at);
    *at = newline ? newline + 1 : end;
    return true;
}

bool users_have(const void *bytes, size_t size, const char *name)
{
    const char *at = bytes, *end = at + size, *line;
    size_t length;

    while (next_line(&at, end, &line, &length)) {
        if (is_name(field_at(line, length, 0), name))
            return true;
    }
    return false;
}

/* One of the four files: which field is the number (none: 0), and what a new line looks like. */
struct form {
    const char *path;
    unsigned id_field;
    void (*add)(const struct user *user, struct text *ret);
};

static void add_passwd(const struct user *user, struct text *ret)
{
    text_addf(ret, "%s:x:%" PRIu32 ":%" PRIu32 "::/:/usr/sbin/nologin\n", user->name, user->id,
              user->id);
}

static void add_group(const struct user *user, struct text *ret)
{
    text_addf(ret, "%s:x:%" PRIu32 ":\n", user->name, user->id);
}

static void add_shadow(const struct user *user, struct text *ret)
{
    text_addf(ret, "%s:!*:::::::\n", user->name);
}

static void add_gshadow(const struct user *user, struct text *ret)
{
    text_addf(ret, "%s:!*::\n", user->name);
}

static const struct form forms[] = {
    { "etc/passwd", 2, add_passwd },
    { "etc/group", 2, add_group },
    { "etc/shadow", 0, add_shadow },
    { "etc/gshadow", 0, add_gshadow },
};

static int judge(const struct form *form, const struct compose_file *file, const struct user *user,
                 struct failure *f)
{
    const char *at = (const char *)file->bytes, *end = at + file->size, *line;
    size_t length;

    while (next_line(&at, end, &line, &length)) {
        struct field name = field_at(line, length, 0);
        struct field id = field_at(line, length, form->id_field);
        uint64_t number;

        if (is_name(name, user->name))
            return failure_set(f, CODE_SERVICE_USER, -EEXIST,
                               "'/%s' has '%s' already, which the image is to make", form->path,
                               user->name);
        if (form->id_field > 0 && number_parse(id.text, id.length, UINT32_MAX, &number) == 0 &&
            number == user->id)
            return failure_set(f, CODE_SERVICE_USER, -EEXIST,
                               "'/%s' gives the number %" PRIu32 " of '%s' to '%.*s'", form->path,
                               user->id, user->name, (int)name.length, name.text);
    }
    return 0;
}

int users_append(const struct compose_file *file, const struct user *users, size_t count,
                 struct text *ret, struct failure *f)
{
    text_add_bytes(ret, file->bytes, file->size);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (strcmp(file->path, forms[i].path) != 0)
            continue;
        if (count > 0 && file->size > 0 && file->bytes[file->size - 1] != '\n')
            text_add(ret, "\n");
        for (size_t j = 0; j < count; j++) {
            int r = judge(&forms[i], file, &users[j], f);

            if (r < 0)
                return r;
            forms[i].add(&users[j], ret);
        }
    }
    return 0;
}
