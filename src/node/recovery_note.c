#include "node/recovery_note.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/file.h"
#include "work/json.h"

enum { SIZE_MAX_ = 1024, SCHEMA = 1 };

bool recovery_note_holds(const void *bytes, size_t size, const char *uuid)
{
    struct json_object *object;
    const char *confirmed;
    uint64_t schema;
    bool holds;

    while (size > 0 && ((const char *)bytes)[size - 1] == '\n')
        size--;
    object = json_parse(bytes, size);
    holds = object && json_get_number(object, "schema", &schema) && schema == SCHEMA &&
            json_get_text(object, "confirmed", &confirmed) && uuid[0] != '\0' &&
            strcmp(confirmed, uuid) == 0;
    (void)json_object_put(object); /* accepts NULL */
    return holds;
}

bool recovery_note_read(const char *path, const char *uuid)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* no note is a note, too */
    size_t size;

    return file_read(path, SIZE_MAX_, &bytes, &size, &ignored) == 0 &&
           recovery_note_holds(bytes, size, uuid);
}

int recovery_note_write(const char *path, const char *uuid, struct failure *f)
{
    char text[128];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "{\"schema\":%d,\"confirmed\":\"%s\"}\n", SCHEMA, uuid);
    return file_write(path, text, l.length, 0644, f);
}
