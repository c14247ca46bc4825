#include "programs/broch-disk/state.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "disk/json_reader.h"
#include "node/facts.h"
#include "node/recovery_note.h"
#include "sys/file.h"

/* A text to be copied; null, or anything that is no text, leaves it empty. */
struct wanted {
    const char *key;
    char *ret; /* STATE_WORD_SIZE bytes */
};

static void take(const struct json_text *key, const struct json_reader *value,
                 const struct wanted *wanted, size_t count)
{
    struct json_text text;

    for (size_t i = 0; i < count; i++) {
        if (json_text_is(key, wanted[i].key) && json_reader_text(value, &text) == 0 &&
            json_text_copy(&text, wanted[i].ret, STATE_WORD_SIZE) < 0)
            wanted[i].ret[0] = '\0';
    }
}

static int parse_persist(const struct json_reader *value, struct state *s)
{
    char word[STATE_WORD_SIZE] = "";
    const struct wanted wanted[] = { { "state", word },         { "route", s->route },
                                     { "refusal", s->refusal }, { "unowned", s->unowned },
                                     { "uuid", s->uuid },       { "device", s->device } };
    struct json_reader object, item;
    struct json_text key;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &item)) > 0) {
        take(&key, &item, wanted, ARRAY_SIZE(wanted));
        r = 0;
    }
    s->open = strcmp(word, "open") == 0;
    return r;
}

int state_parse(const void *bytes, size_t size, struct state *ret)
{
    struct json_reader whole = json_reader_make(bytes, size), object, item;
    struct state s = { .open = false };
    struct json_text key;
    int r = json_reader_object(&whole, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &item)) > 0)
        r = json_text_is(&key, "persist") ? parse_persist(&item, &s) : 0;
    if (r < 0 || (s.open && (!s.uuid[0] || !s.device[0] || strchr(s.device, '/'))))
        return -EBADMSG;
    *ret = s;
    return 0;
}

static int take_name(const char *folder, const char *name, void *context, struct failure *f)
{
    struct line l = line_make(context, STATE_PATH_SIZE);

    (void)folder;
    (void)f;
    line_addf(&l, "/dev/%s", name);
    return l.cut ? -ENAMETOOLONG : 1;
}

static int find_partition(struct state *s, struct failure *f)
{
    char folder[STATE_PATH_SIZE + STATE_WORD_SIZE];
    struct line l = line_make(folder, sizeof(folder));
    int r;

    line_addf(&l, "/sys/class/block/%s/slaves", s->device);
    r = file_list(folder, take_name, s->partition, f);
    return r == 0  ? failure_set(f, CODE_FACTS, -ENODEV, "nothing lies below %s", s->device)
           : r > 0 ? 0
                   : r;
}

int state_read(struct state *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct state s = { .open = false };
    size_t size;
    int r = file_read(FACTS_PATH, FACTS_FILE_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return failure_set(f, CODE_FACTS, r, "cannot read %s", FACTS_PATH);
    if (state_parse(bytes, size, &s) < 0)
        return failure_set(f, CODE_FACTS, -EBADMSG, "%s is malformed", FACTS_PATH);
    if (s.open)
        r = find_partition(&s, f);
    if (r < 0)
        return r;
    s.confirmed = s.open && recovery_note_read(RECOVERY_NOTE_PATH, s.uuid);
    *ret = s;
    return 0;
}
