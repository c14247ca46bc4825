#include "node/marker.h"

#include <errno.h>
#include <json-c/json.h>

void marker_ready_line(const struct facts *facts, uint64_t now_us, struct line *l)
{
    line_add(l, "broch ready");
    line_add_pair(l, "generation", facts->generation);
    line_add_pair(l, "profile", facts->profile);
    line_add_pair(l, "slot", facts->slot);
    line_add_pair(l, "verity", facts->verity);
    line_add_pair(l, "secureboot", facts->secure_boot);
    line_add_pair(l, "tpm", facts->tpm);
    line_add_number(l, "us", now_us);
}

void marker_ready_record(const struct facts *facts, uint64_t now_us, struct line *l)
{
    line_add(l, "{ \"generation\": ");
    line_add_json_string(l, facts->generation);
    line_addf(l, ", \"ready_us\": %llu }\n", (unsigned long long)now_us);
}

int marker_parse_record(const char *text, size_t size, uint64_t *ret_us)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object = NULL, *value;
    int64_t us = -1;

    if (tokener && size > 0 && size < INT32_MAX)
        object = json_tokener_parse_ex(tokener, text, (int)size);
    if (object && json_object_is_type(object, json_type_object) &&
        json_object_object_get_ex(object, "ready_us", &value) &&
        json_object_is_type(value, json_type_int))
        us = json_object_get_int64(value);
    (void)json_object_put(object); /* accepts NULL */
    if (tokener)
        json_tokener_free(tokener);
    if (us < 0)
        return -EBADMSG;
    *ret_us = (uint64_t)us;
    return 0;
}
