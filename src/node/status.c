#include "node/status.h"

#include <errno.h>
#include <json-c/json.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "node/kernel_log.h"
#include "node/marker.h"
#include "node/os_release.h"
#include "node/scan.h"
#include "sys/file.h"

enum { READY_RECORD_SIZE_MAX = 4096 };

static void copy_text(const char *from, char ret[static STATUS_TEXT_SIZE])
{
    (void)snprintf(ret, STATUS_TEXT_SIZE, "%s", from); /* a cut name is still one */
}

static void gather_release(struct status *status)
{
    static const struct {
        const char *key;
        size_t offset;
    } table[] = {
        { "IMAGE_VERSION", offsetof(struct status, version) },
        { "BROCH_CHANNEL", offsetof(struct status, channel) },
    };
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* shown as unknown */
    size_t size = 0;
    int r = file_read(OS_RELEASE_PATH, OS_RELEASE_SIZE_MAX, &bytes, &size, &ignored);

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *place = (char *)status + table[i].offset;

        if (r < 0 ||
            os_release_get((const char *)bytes, size, table[i].key, place, STATUS_TEXT_SIZE) < 0)
            copy_text("unknown", place);
    }
}

static void gather_kernel(struct status *status)
{
    struct utsname name;
    struct statfs var;

    copy_text(uname(&name) < 0 ? "unknown" : name.release, status->kernel);
    status->persistent = statfs("/var", &var) == 0 && var.f_type != TMPFS_MAGIC;
    status->uptime_s = kernel_log_now_us() / (NS_PER_S / NS_PER_US);
}

static void gather_ready(struct status *status)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* not ready yet */
    size_t size = 0;

    status->ready =
        file_read(MARKER_RECORD_PATH, READY_RECORD_SIZE_MAX, &bytes, &size, &ignored) == 0 &&
        marker_parse_record((const char *)bytes, size, &status->ready_us) == 0;
}

static void gather_services(struct status *status)
{
    struct failure ignored = FAILURE_NONE; /* no list: no services to show */
    struct order order;

    if (order_read(ORDER_PATH, &order, &ignored) < 0)
        return;
    for (size_t i = 0; i < order.count; i++)
        service_read(SCAN_TARGET, order.names[i], &status->services[i]);
    status->service_count = order.count;
}

int status_gather(struct status *ret, struct failure *f)
{
    int r;

    *ret = (struct status){ .ready = false };
    r = facts_read(FACTS_PATH, &ret->facts, f);
    if (r < 0)
        return r;
    gather_release(ret);
    gather_kernel(ret);
    gather_ready(ret);
    gather_services(ret);
    return 0;
}

void status_add_duration(uint64_t seconds, struct text *t)
{
    static const struct {
        uint64_t seconds;
        const char *unit;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    size_t first = 0;

    while (first + 1 < ARRAY_SIZE(units) && seconds < units[first].seconds)
        first++;
    text_addf(t, "%llu %s", (unsigned long long)(seconds / units[first].seconds),
              units[first].unit);
    if (first + 1 < ARRAY_SIZE(units))
        text_addf(t, " %llu %s",
                  (unsigned long long)(seconds % units[first].seconds / units[first + 1].seconds),
                  units[first + 1].unit);
}

enum tone { TONE_PLAIN, TONE_GOOD, TONE_ATTENTION };

static void add_toned(struct text *t, bool colour, enum tone tone, const char *value)
{
    static const char *const starts[] = {
        [TONE_PLAIN] = "", [TONE_GOOD] = "\033[32m", [TONE_ATTENTION] = "\033[33m"
    };

    if (!colour || tone == TONE_PLAIN)
        text_add(t, value);
    else
        text_addf(t, "%s%s\033[0m", starts[tone], value);
}

static void add_row(struct text *t, bool colour, const char *label, enum tone tone,
                    const char *value)
{
    text_addf(t, "%-13s", label);
    add_toned(t, colour, tone, value);
    text_add(t, "\n");
}

static void add_switch(struct text *t, bool colour, const char *label, const char *word)
{
    add_row(t, colour, label, strcmp(word, "on") == 0 ? TONE_GOOD : TONE_ATTENTION, word);
}

static void add_ready_row(const struct status *status, bool colour, struct text *t)
{
    char value[STATUS_TEXT_SIZE];
    unsigned long long ms = (unsigned long long)status->ready_us / 1000;

    (void)snprintf(value, sizeof(value), "%llu.%03llu s after kernel start", ms / 1000, ms % 1000);
    add_row(t, colour, "ready", status->ready ? TONE_PLAIN : TONE_ATTENTION,
            status->ready ? value : "not yet");
}

static void add_service_row(const struct service *service, bool colour, struct text *t)
{
    enum tone tone = service->state == SERVICE_READY ? TONE_GOOD : TONE_ATTENTION;
    const char *state = service_state_name(service->state);

    text_addf(t, "%-20s ", service->name);
    add_toned(t, colour, tone, state);
    text_addf(t, "%*s", (int)(8 - strlen(state)), "");
    if (service->pid > 0)
        text_addf(t, "%7llu  ", (unsigned long long)service->pid);
    else
        text_addf(t, "%7s  ", "-");
    if (service->state == SERVICE_UNKNOWN)
        text_add(t, "-");
    else
        status_add_duration(service->since_s, t);
    text_add(t, "\n");
}

void status_add_table(const struct status *status, bool colour, struct text *t)
{
    const struct facts *facts = &status->facts;
    bool development = strcmp(status->channel, "development") == 0;

    add_row(t, colour, "generation", TONE_PLAIN, facts->generation);
    add_row(t, colour, "profile", TONE_PLAIN, facts->profile);
    add_row(t, colour, "version", TONE_PLAIN, status->version);
    add_row(t, colour, "slot", TONE_PLAIN, facts->slot);
    add_switch(t, colour, "secure boot", facts->secure_boot);
    add_switch(t, colour, "TPM", facts->tpm);
    add_row(t, colour, "verity", TONE_PLAIN, facts->verity);
    add_row(t, colour, "kernel", TONE_PLAIN, status->kernel);
    add_row(t, colour, "channel", development ? TONE_ATTENTION : TONE_PLAIN, status->channel);
    add_row(t, colour, "state", TONE_PLAIN, status->persistent ? "persistent" : "volatile");
    text_addf(t, "%-13s", "uptime");
    status_add_duration(status->uptime_s, t);
    text_add(t, "\n");
    add_ready_row(status, colour, t);
    if (status->service_count > 0)
        text_addf(t, "\n%-20s %-8s%7s  %s\n", "SERVICE", "STATE", "PID", "FOR");
    for (size_t i = 0; i < status->service_count; i++)
        add_service_row(&status->services[i], colour, t);
}

/* json-c returns NULL or an error only without memory; the caller looks at the whole at the end. */
static bool put(struct json_object *object, const char *key, struct json_object *value)
{
    if (json_object_object_add(object, key, value) == 0)
        return true;
    (void)json_object_put(value); /* still ours */
    return false;
}

static bool put_text(struct json_object *object, const char *key, const char *value)
{
    return put(object, key, json_object_new_string(value));
}

static bool put_number(struct json_object *object, const char *key, bool known, uint64_t value)
{
    return put(object, key, known ? json_object_new_uint64(value) : NULL);
}

static bool put_service(struct json_object *list, const struct service *service)
{
    struct json_object *object = json_object_new_object();
    bool known = service->state != SERVICE_UNKNOWN;

    if (!object || json_object_array_add(list, object) < 0) {
        (void)json_object_put(object); /* accepts NULL */
        return false;
    }
    return put_text(object, "name", service->name) &&
           put_text(object, "state", service_state_name(service->state)) &&
           put_number(object, "pid", service->pid > 0, service->pid) &&
           put_number(object, "since_s", known, service->since_s);
}

static bool put_status(struct json_object *object, const struct status *status)
{
    const struct facts *facts = &status->facts;
    struct json_object *list;
    bool ok =
        put_text(object, "generation", facts->generation) &&
        put_text(object, "profile", facts->profile) &&
        put_text(object, "version", status->version) && put_text(object, "slot", facts->slot) &&
        put_text(object, "secureboot", facts->secure_boot) && put_text(object, "tpm", facts->tpm) &&
        put_text(object, "verity", facts->verity) && put_text(object, "kernel", status->kernel) &&
        put_text(object, "channel", status->channel) &&
        put_text(object, "state", status->persistent ? "persistent" : "volatile") &&
        put_number(object, "uptime_s", true, status->uptime_s) &&
        put_number(object, "ready_us", status->ready, status->ready_us) &&
        (list = json_object_new_array()) && put(object, "services", list);

    for (size_t i = 0; ok && i < status->service_count; i++)
        ok = put_service(list, &status->services[i]);
    return ok;
}

void status_add_json(const struct status *status, struct text *t)
{
    struct json_object *object = json_object_new_object();
    const char *string = NULL;

    if (object && put_status(object, status))
        string = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE);
    if (string) {
        text_add(t, string);
        text_add(t, "\n");
    } else {
        t->failed = true;
    }
    (void)json_object_put(object); /* accepts NULL */
}
