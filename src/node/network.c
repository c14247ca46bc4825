#include "node/network.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "sys/lockfile.h"

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static json_object *read_facts(const char *folder)
{
    _cleanup_free_ char *path = text_make("%s/" NETWORK_FACTS_NAME, folder);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    json_object *facts = NULL;
    size_t size;

    if (path && file_read(path, LEASE_FACTS_SIZE_MAX, &bytes, &size, &ignored) == 0)
        facts = lease_facts_parse((const char *)bytes);
    return facts ? facts : lease_facts_new();
}

/* A file that would stay the same is not written: others watch for changes. */
static int put(const char *folder, const char *name, const char *text, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    size_t size;

    if (!path)
        return out_of_memory(f);
    if (file_read(path, LEASE_FACTS_SIZE_MAX, &bytes, &size, &ignored) == 0 &&
        size == strlen(text) && memcmp(bytes, text, size) == 0)
        return 0;
    return file_write(path, text, strlen(text), 0644, f);
}

/* The facts last: who waits for them to change finds the other files changed. */
static int write_all(const char *folder, const struct config_network *config, json_object *facts,
                     struct failure *f)
{
    _cleanup_text_ struct text resolver = TEXT_INIT, sources = TEXT_INIT;
    const char *json;
    int r;

    lease_word_resolver(facts, &config->dns, &config->search, &resolver);
    lease_word_time_sources(facts, &sources);
    json = json_object_to_json_string_ext(facts,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text_status(&resolver) < 0 || text_status(&sources) < 0 || !json)
        return out_of_memory(f);
    r = put(folder, "resolv.conf", text_string(&resolver), f);
    if (r == 0)
        r = put(folder, NETWORK_SOURCES_NAME, text_string(&sources), f);
    return r < 0 ? r : put(folder, NETWORK_FACTS_NAME, json, f);
}

/* The name of an interface that is gone; NULL when all are there. */
static const char *find_absent(json_object *interfaces)
{
    const struct json_object_iterator end = json_object_iter_end(interfaces);
    struct json_object_iterator at = json_object_iter_begin(interfaces);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        if (if_nametoindex(json_object_iter_peek_name(&at)) == 0)
            return json_object_iter_peek_name(&at);
    }
    return NULL;
}

static void forget_absent(json_object *facts)
{
    json_object *interfaces = NULL;
    const char *name;

    if (!json_object_object_get_ex(facts, "interfaces", &interfaces) ||
        !json_object_is_type(interfaces, json_type_object))
        return;
    /* Each search begins anew, because deleting ends an iteration. */
    while ((name = find_absent(interfaces)))
        json_object_object_del(interfaces, name);
}

int network_update(const char *folder, const struct config_network *config, lease_get get,
                   void *context, struct failure *f)
{
    _cleanup_free_ char *lock = text_make("%s/.lock", folder);
    _cleanup_close_ int lock_fd = -1;
    json_object *facts;
    int r = lock ? lockfile_take(lock, true, &lock_fd, f) : out_of_memory(f);

    if (r < 0)
        return r;
    facts = read_facts(folder);
    if (!facts)
        return out_of_memory(f);
    if (get) {
        r = lease_apply(facts, get, context);
        if (r < 0)
            r = failure_set(f, CODE_NETWORK, r, "a report of dhcpcd is malformed, or one too many");
    } else {
        forget_absent(facts);
    }
    if (r == 0)
        r = write_all(folder, config, facts, f);
    json_object_put(facts);
    return r;
}
