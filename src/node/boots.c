#include "node/boots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "node/names.h"
#include "sys/attribute.h"
#include "sys/file.h"

static bool is_id(const char *text, size_t length)
{
    if (length != BOOTS_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return true;
}

int boots_parse_line(const char *text, size_t length, struct boot *ret)
{
    const char *first = memchr(text, ' ', length), *second;
    size_t rest;

    if (!first || !is_id(text, (size_t)(first - text)))
        return -EBADMSG;
    rest = length - (size_t)(first + 1 - text);
    second = memchr(first + 1, ' ', rest);
    if (!second ||
        number_parse(first + 1, (size_t)(second - first - 1), INT64_MAX, &ret->seconds) < 0)
        return -EBADMSG;
    rest = length - (size_t)(second + 1 - text);
    if (rest >= sizeof(ret->generation) || !name_is_valid(second + 1, rest))
        return -EBADMSG;
    memcpy(ret->id, text, BOOTS_ID_SIZE - 1);
    ret->id[BOOTS_ID_SIZE - 1] = '\0';
    memcpy(ret->generation, second + 1, rest);
    ret->generation[rest] = '\0';
    return 0;
}

static void add_boot(struct text *t, const struct boot *boot)
{
    text_addf(t, "%s %llu %s\n", boot->id, (unsigned long long)boot->seconds, boot->generation);
}

void boots_add(const char *old, size_t size, const struct boot *boot, struct text *ret)
{
    struct boot kept[BOOTS_KEPT_MAX - 1], next;
    struct cursor c = cursor_make(old, size);
    const char *line;
    size_t length, count = 0;

    while (cursor_line(&c, &line, &length)) {
        if (boots_parse_line(line, length, &next) < 0 || strcmp(next.id, boot->id) == 0)
            continue;
        if (count == ARRAY_SIZE(kept))
            memmove(kept, kept + 1, --count * sizeof(kept[0]));
        kept[count++] = next;
    }
    for (size_t i = 0; i < count; i++)
        add_boot(ret, &kept[i]);
    add_boot(ret, boot);
}

int boots_note(const char *generation, struct failure *f)
{
    _cleanup_free_ uint8_t *old = NULL;
    _cleanup_text_ struct text fresh = TEXT_INIT;
    struct failure ignored =
        FAILURE_NONE; /* the first boot has no file, a broken one begins anew */
    struct boot boot = { .seconds = (uint64_t)time(NULL) };
    char id[BOOTS_ID_SIZE + 1]; /* with its newline */
    size_t size = 0;
    int r = attribute_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, sizeof(id));

    if (r < 0 || !is_id(id, strlen(id)))
        return failure_set(f, CODE_IO, r < 0 ? r : -EBADMSG, "cannot read the kernel's boot id");
    memcpy(boot.id, id, sizeof(boot.id));
    (void)snprintf(boot.generation, sizeof(boot.generation), "%s", generation);
    r = file_read(BOOTS_PATH, BOOTS_FILE_SIZE_MAX, &old, &size, &ignored);
    boots_add(r < 0 ? "" : (const char *)old, r < 0 ? 0 : size, &boot, &fresh);
    if (text_status(&fresh) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(BOOTS_PATH, fresh.data, fresh.length, 0644, f);
}
