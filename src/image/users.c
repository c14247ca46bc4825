#include "image/users.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "base/siphash.h"

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

/* --- Numbers that follow from names --- */

enum {
    PACKAGE_USER_MIN = 100,
    PACKAGE_GROUP_MIN = 101, /* 100 is Debian's "users" */
    PACKAGE_ID_MAX = 999,
    ID_FIELD = 2,
    PRIMARY_GROUP_FIELD = 3,
};

/* The key is a constant: other numbers would give files under /var to others. */
static uint32_t number_of(struct field name)
{
    static const uint8_t key[SIPHASH_KEY_SIZE] = { 'b', 'r', 'o', 'c', 'h', ' ', 'p', 'a',
                                                   'c', 'k', 'a', 'g', 'e', ' ', 'i', 'd' };
    uint64_t hash = siphash(key, name.text, name.length);

    return USERS_ID_MIN + (uint32_t)(hash % (USERS_ID_MAX - USERS_ID_MIN + 1));
}

static bool parse_id(struct field id, uint32_t *ret)
{
    uint64_t number;

    if (number_parse(id.text, id.length, UINT32_MAX, &number) < 0)
        return false;
    *ret = (uint32_t)number;
    return true;
}

static int plan_line(const struct compose_file *file, const char *line, size_t length,
                     uint32_t id_min, struct users_map *map, struct failure *f)
{
    struct field name = field_at(line, length, 0);
    uint32_t from, to = number_of(name);

    if (!parse_id(field_at(line, length, ID_FIELD), &from) || from < id_min ||
        from > PACKAGE_ID_MAX)
        return 0;
    if (map->count == USERS_RENUMBERED_MAX)
        return failure_set(f, CODE_SERVICE_USER, -ERANGE, "'/%s' has more than %d of packages",
                           file->path, USERS_RENUMBERED_MAX);
    for (size_t i = 0; i < map->count; i++) {
        if (map->ids[i].to == to)
            return failure_set(f, CODE_SERVICE_USER, -EEXIST,
                               "'%.*s' in '/%s' and another name lead to one number",
                               (int)name.length, name.text, file->path);
    }
    map->ids[map->count].from = from;
    map->ids[map->count++].to = to;
    return 0;
}

static int plan_file(const struct compose_file *file, uint32_t id_min, struct users_map *map,
                     struct failure *f)
{
    const char *at = (const char *)file->bytes, *end = at + file->size, *line;
    size_t length;
    int r = 0;

    while (r == 0 && next_line(&at, end, &line, &length))
        r = plan_line(file, line, length, id_min, map, f);
    return r;
}

int users_plan(const struct compose_file *passwd, const struct compose_file *group,
               struct users_numbers *ret, struct failure *f)
{
    struct users_numbers numbers = { .users.count = 0 };
    int r = plan_file(passwd, PACKAGE_USER_MIN, &numbers.users, f);

    if (r == 0)
        r = plan_file(group, PACKAGE_GROUP_MIN, &numbers.groups, f);
    if (r == 0)
        *ret = numbers;
    return r;
}

uint32_t users_number(uint32_t id, bool is_group, const struct users_numbers *numbers)
{
    const struct users_map *map = is_group ? &numbers->groups : &numbers->users;

    for (size_t i = 0; i < map->count; i++) {
        if (map->ids[i].from == id)
            return map->ids[i].to;
    }
    return id;
}

static void add_number(struct field id, bool is_group, const struct users_numbers *numbers,
                       struct text *ret)
{
    uint32_t number;

    if (parse_id(id, &number))
        text_addf(ret, "%" PRIu32, users_number(number, is_group, numbers));
    else
        text_add_bytes(ret, id.text, id.length);
}

static void add_renumbered(const char *line, size_t length, bool is_passwd,
                           const struct users_numbers *numbers, struct text *ret)
{
    struct field id = field_at(line, length, ID_FIELD);
    struct field group = field_at(line, length, PRIMARY_GROUP_FIELD);
    struct field last = is_passwd ? group : id;

    text_add_bytes(ret, line, (size_t)(id.text - line));
    add_number(id, !is_passwd, numbers, ret);
    if (is_passwd) {
        text_add_bytes(ret, id.text + id.length, (size_t)(group.text - id.text) - id.length);
        add_number(group, true, numbers, ret);
    }
    text_add_bytes(ret, last.text + last.length, (size_t)(line + length - last.text) - last.length);
}

void users_renumber(const struct compose_file *file, const struct users_numbers *numbers,
                    struct text *ret)
{
    const char *at = (const char *)file->bytes, *end = at + file->size, *line;
    bool is_passwd = strcmp(file->path, "etc/passwd") == 0;
    size_t length;

    if (!is_passwd && strcmp(file->path, "etc/group") != 0) {
        text_add_bytes(ret, file->bytes, file->size);
        return;
    }
    while (next_line(&at, end, &line, &length)) {
        add_renumbered(line, length, is_passwd, numbers, ret);
        text_add(ret, "\n");
    }
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
