#include "vm/marker.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "base/text.h"

#define MARKER_PREFIX "broch "

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

/* Behind the kernel's "[    1.234567] ", or NULL when `text` does not begin with one. */
static const char *after_time(const char *text)
{
    const char *p = text + 1;

    if (text[0] != '[')
        return NULL;
    p += strspn(p, " ");
    p += strspn(p, "0123456789");
    if (*p != '.')
        return NULL;
    p += 1 + strspn(p + 1, "0123456789");
    return strncmp(p, "] ", 2) == 0 ? p + 2 : NULL;
}

/* The place where the marker starts, or NULL. The kernel writes where the cursor is: behind a
 * prompt that waits for its answer, for example. */
static const char *marker_find(const char *line)
{
    const char *start = NULL;

    for (const char *p = strchr(line, '['); !start && p; p = strchr(p + 1, '[')) {
        const char *text = after_time(p);

        if (text && strncmp(text, MARKER_PREFIX, strlen(MARKER_PREFIX)) == 0)
            start = text;
    }
    /* Second, because the prompt itself may begin with our name. */
    if (!start && strncmp(line, MARKER_PREFIX, strlen(MARKER_PREFIX)) == 0)
        start = line;
    /* A sentence that begins with our name has no pairs behind its second word. */
    return start && strchr(start, '=') ? start : NULL;
}

/* Reads a quoted value; *text stands behind the opening quote and is left behind the closing one.
 */
static int read_quoted(const char **text, struct text *value)
{
    for (const char *p = *text; *p; p++) {
        char byte = *p;

        if (byte == '"') {
            *text = p + 1;
            return 0;
        }
        if (byte == '\\') {
            p++;
            if (*p != 'n' && *p != '"' && *p != '\\')
                return -EBADMSG;
            byte = *p == 'n' ? '\n' : *p;
        }
        text_add_bytes(value, &byte, 1);
    }
    return -EBADMSG;
}

static int read_value(const char **text, struct text *value)
{
    size_t length;

    if (**text == '"') {
        (*text)++;
        return read_quoted(text, value);
    }
    length = strcspn(*text, " \t\"");
    text_add_bytes(value, *text, length);
    *text += length;
    return 0;
}

static int put(json_object *object, const char *key, const char *value)
{
    json_object *item;
    uint64_t number;

    if (json_object_object_get_ex(object, key, NULL))
        return -EBADMSG;
    if (strcmp(key, "us") == 0 && number_parse_text(value, INT64_MAX, &number) == 0)
        item = json_object_new_int64((int64_t)number);
    else
        item = json_object_new_string(value);
    if (!item)
        return -ENOMEM;
    return json_object_object_add(object, key, item) < 0 ? -ENOMEM : 0;
}

static int read_pair(const char **text, json_object *object)
{
    _cleanup_text_ struct text key = TEXT_INIT, value = TEXT_INIT;
    size_t length = strspn(*text, name_letters);
    int r;

    if (length == 0 || (*text)[length] != '=')
        return -EBADMSG;
    text_add_bytes(&key, *text, length);
    *text += length + 1;
    r = read_value(text, &value);
    if (r < 0)
        return r;
    if (**text != '\0' && **text != ' ')
        return -EBADMSG;
    if (text_status(&key) < 0 || text_status(&value) < 0)
        return -ENOMEM;
    return put(object, text_string(&key), text_string(&value));
}

static int read_marker(const char *text, json_object *object)
{
    _cleanup_text_ struct text name = TEXT_INIT;
    size_t length = strspn(text, name_letters);
    int r;

    if (length == 0 || text[length] != ' ')
        return -EBADMSG;
    text_add_bytes(&name, text, length);
    if (text_status(&name) < 0)
        return -ENOMEM;
    r = put(object, "marker", text_string(&name));
    text += length;
    for (size_t pairs = 0; r == 0; pairs++) {
        text += strspn(text, " ");
        if (*text == '\0')
            return 0;
        r = pairs < MARKER_PAIRS_MAX ? read_pair(&text, object) : -EBADMSG;
    }
    return r;
}

int marker_parse(const char *line, json_object **ret)
{
    const char *text = marker_find(line);
    json_object *object;
    int r;

    if (!text)
        return -ENODATA;
    object = json_object_new_object();
    if (!object)
        return -ENOMEM;
    r = read_marker(text + strlen(MARKER_PREFIX), object);
    if (r < 0) {
        json_object_put(object);
        return r;
    }
    *ret = object;
    return 0;
}
