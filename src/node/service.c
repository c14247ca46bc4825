#include "node/service.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "sys/spawn.h"

enum { FIELD_COUNT = 4, OUTPUT_SIZE_MAX = 256, PATH_SIZE = 256 };

static const char *const state_names[] = {
    [SERVICE_UNKNOWN] = "unknown",
    [SERVICE_DOWN] = "down",
    [SERVICE_UP] = "up",
    [SERVICE_READY] = "ready",
};
_Static_assert(ARRAY_SIZE(state_names) == SERVICE_STATE_MAX_, "every state has a name");

const char *service_state_name(enum service_state state)
{
    CHECK(state < SERVICE_STATE_MAX_);
    return state_names[state];
}

struct word {
    const char *text;
    size_t length;
};

static bool split(const char *text, size_t length, struct word words[static FIELD_COUNT])
{
    size_t start = 0, count = 0;

    if (length == 0 || text[length - 1] != '\n')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != ' ' && text[i] != '\n')
            continue;
        if (count == FIELD_COUNT)
            return false;
        words[count++] = (struct word){ .text = text + start, .length = i - start };
        start = i + 1;
    }
    return count == FIELD_COUNT;
}

static bool parse_bool(const struct word *word, bool *ret)
{
    *ret = word->length == 4 && memcmp(word->text, "true", 4) == 0;
    return *ret || (word->length == 5 && memcmp(word->text, "false", 5) == 0);
}

static bool parse_pid(const struct word *word, uint64_t *ret)
{
    *ret = 0;
    if (word->length == 2 && memcmp(word->text, "-1", 2) == 0)
        return true;
    return number_parse(word->text, word->length, INT32_MAX, ret) == 0;
}

int service_parse(const char *text, size_t length, struct service *ret)
{
    struct word words[FIELD_COUNT];
    bool up, ready;
    uint64_t pid, since;

    if (!split(text, length, words) || !parse_bool(&words[0], &up) ||
        !parse_bool(&words[1], &ready) || !parse_pid(&words[2], &pid) ||
        number_parse(words[3].text, words[3].length, INT64_MAX, &since) < 0)
        return -EBADMSG;
    ret->state = !up ? SERVICE_DOWN : ready ? SERVICE_READY : SERVICE_UP;
    ret->pid = up ? pid : 0;
    ret->since_s = since;
    return 0;
}

void service_read(const char *scan, const char *name, struct service *ret)
{
    char path[PATH_SIZE];
    const struct arguments arguments = ARGUMENTS("s6-svstat", "-o", SERVICE_FIELDS, path);
    const struct spawn spawn = { .arguments = &arguments, SPAWN_FDS_NONE };
    _cleanup_free_ char *output = NULL;
    struct failure ignored = FAILURE_NONE; /* "unknown" is the answer then */
    size_t size = 0;

    *ret = (struct service){ .state = SERVICE_UNKNOWN };
    CHECK(strlen(name) < sizeof(ret->name));
    memcpy(ret->name, name, strlen(name) + 1);
    (void)snprintf(path, sizeof(path), "%s/%s", scan, name); /* both are short and ours */
    if (spawn_capture(&spawn, OUTPUT_SIZE_MAX, &output, &size, &ignored) < 0)
        return;
    if (service_parse(output, size, ret) < 0)
        ret->state = SERVICE_UNKNOWN;
}
