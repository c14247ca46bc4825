#include "node/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/magic.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "node/kernel_log.h"
#include "node/marker.h"
#include "node/os_release.h"
#include "node/recovery_note.h"
#include "sys/attribute.h"
#include "sys/file.h"
#include "work/json.h"
#include "work/logs.h"

enum { READY_RECORD_SIZE_MAX = 4096, FOR_WIDTH = 13 };

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
    status->now_us = kernel_log_now_us();
    status->uptime_s = status->now_us / (NS_PER_S / NS_PER_US);
}

static void gather_trial(struct status *status)
{
    struct failure ignored = FAILURE_NONE; /* whoever writes it says what is wrong with it */

    if (trial_read(TRIAL_PATH, &status->trial, &ignored) < 0)
        status->trial = (struct trial)TRIAL_INIT;
}

static void gather_panic(struct status *status)
{
    if (attribute_read_line(AT_FDCWD, PSTORE_PANIC_PATH, status->panic, sizeof(status->panic)) < 0)
        status->panic[0] = '\0';
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
    struct failure ignored = FAILURE_NONE; /* no snapshot: no services to show */

    if (snapshot_read(SNAPSHOT_PATH, &status->services, &ignored) < 0)
        status->services.count = 0;
    for (size_t i = 0; i < status->services.count; i++)
        logs_last(LOGS_FOLDER, status->services.services[i].name, status->last_lines[i],
                  STATUS_TEXT_SIZE);
}

static unsigned count_ones(const void *mask, size_t size)
{
    const unsigned char *bytes = mask;
    unsigned count = 0;

    for (size_t i = 0; i < size; i++)
        count += (unsigned)__builtin_popcount(bytes[i]);
    return count;
}

/* Where the bytes of an address are; false for what is no address of IP. */
static bool address_bytes(const struct sockaddr *address, const void **ret, size_t *ret_size)
{
    if (!address)
        return false;
    if (address->sa_family == AF_INET) {
        *ret = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
        *ret_size = sizeof(struct in_addr);
    } else if (address->sa_family == AF_INET6) {
        *ret = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        *ret_size = sizeof(struct in6_addr);
    } else {
        return false;
    }
    return true;
}

static void gather_addresses(struct status *status)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at && status->address_count < STATUS_ADDRESSES_MAX;
         at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *bytes, *mask;
        size_t size, mask_size;

        if ((at->ifa_flags & IFF_LOOPBACK) || !address_bytes(at->ifa_addr, &bytes, &size) ||
            !address_bytes(at->ifa_netmask, &mask, &mask_size) ||
            !inet_ntop(at->ifa_addr->sa_family, bytes, text, sizeof(text)))
            continue;
        (void)snprintf(status->addresses[status->address_count++], STATUS_ADDRESS_SIZE, "%s %s/%u",
                       at->ifa_name, text, count_ones(mask, mask_size));
    }
    freeifaddrs(list);
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
    ret->confirmed =
        ret->facts.persist_open && recovery_note_read(RECOVERY_NOTE_PATH, ret->facts.persist_uuid);
    gather_trial(ret);
    gather_panic(ret);
    gather_ready(ret);
    gather_addresses(ret);
    gather_services(ret);
    return 0;
}

static bool trial_went_wrong(const struct trial *trial)
{
    return trial->last == TRIAL_FAILED || trial->last == TRIAL_FELL_BACK;
}

const char *status_last_failure(const struct status *status)
{
    if (status->facts.last_failure[0])
        return status->facts.last_failure;
    return trial_went_wrong(&status->trial) && status->trial.last_reason[0]
               ? status->trial.last_reason
               : NULL;
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

static void add_trial_row(const struct status *status, bool colour, struct text *t)
{
    const struct trial *trial = &status->trial;
    char value[2 * STATUS_TEXT_SIZE];

    if (trial->pending) {
        (void)snprintf(value, sizeof(value), "slot %c, %s, start %u of %d", trial->slot,
                       trial->generation, trial->tries, TRIAL_TRIES_MAX);
    } else if (trial->last != TRIAL_NONE) {
        (void)snprintf(value, sizeof(value), "%s, slot %c%s%s", trial_result_name(trial->last),
                       trial->last_slot, trial->last_generation[0] ? ", " : "",
                       trial->last_generation);
    } else {
        return;
    }
    add_row(t, colour, "trial",
            trial->pending || trial_went_wrong(trial) ? TONE_ATTENTION : TONE_PLAIN, value);
}

static void add_failure_row(const struct status *status, bool colour, struct text *t)
{
    const char *reason = status_last_failure(status);

    if (reason)
        add_row(t, colour, "last failure", TONE_ATTENTION, reason);
    if (status->panic[0])
        add_row(t, colour, "panic before", TONE_ATTENTION, status->panic);
}

/* A machine whose key nobody proved to have loses its data with its TPM. */
static void add_recovery_row(const struct status *status, bool colour, struct text *t)
{
    if (!status->facts.persist_open)
        return;
    add_row(t, colour, "recovery key", status->confirmed ? TONE_GOOD : TONE_ATTENTION,
            status->confirmed ? "confirmed"
                              : "unconfirmed: type it back with 'broch recovery verify'");
}

static uint64_t seconds_since(const struct status *status, uint64_t us)
{
    return us < status->now_us ? (status->now_us - us) / (NS_PER_S / NS_PER_US) : 0;
}

static enum tone tone_of(enum snapshot_state state)
{
    if (state == SNAPSHOT_OFF)
        return TONE_PLAIN;
    return snapshot_state_satisfies(state) ? TONE_GOOD : TONE_ATTENTION;
}

/* Why it is not ready, else what it said last. */
static void add_service_row(const struct status *status, size_t index, bool colour, struct text *t)
{
    const struct snapshot_service *service = &status->services.services[index];
    const char *state = snapshot_state_name(service->state);
    const char *words = service->reason[0] != '\0' ? service->reason : status->last_lines[index];
    size_t start;

    text_addf(t, "%-20s ", service->name);
    add_toned(t, colour, tone_of(service->state), state);
    text_addf(t, "%*s", (int)(9 - strlen(state)), "");
    if (service->pid > 0)
        text_addf(t, "%7llu  ", (unsigned long long)service->pid);
    else
        text_addf(t, "%7s  ", "-");
    start = t->length;
    status_add_duration(seconds_since(status, service->since_us), t);
    if (words[0] != '\0')
        text_addf(t, "%*s%s",
                  t->length < start + FOR_WIDTH ? (int)(start + FOR_WIDTH - t->length) : 2, "",
                  words);
    text_add(t, "\n");
    for (size_t i = 0; i < service->line_count; i++)
        text_addf(t, "    %s\n", service->lines[i]);
}

static void add_address_rows(const struct status *status, bool colour, struct text *t)
{
    for (size_t i = 0; i < status->address_count; i++)
        add_row(t, colour, i == 0 ? "address" : "", TONE_PLAIN, status->addresses[i]);
}

void status_add_table(const struct status *status, bool colour, struct text *t)
{
    const struct facts *facts = &status->facts;
    bool development = strcmp(status->channel, "development") == 0;

    add_row(t, colour, "generation", TONE_PLAIN, facts->generation);
    add_row(t, colour, "profile", TONE_PLAIN, facts->profile);
    add_row(t, colour, "version", TONE_PLAIN, status->version);
    add_row(t, colour, "slot", TONE_PLAIN, facts->slot);
    add_trial_row(status, colour, t);
    add_failure_row(status, colour, t);
    add_switch(t, colour, "secure boot", facts->secure_boot);
    add_switch(t, colour, "TPM", facts->tpm);
    add_row(t, colour, "verity", TONE_PLAIN, facts->verity);
    add_row(t, colour, "kernel", TONE_PLAIN, status->kernel);
    add_row(t, colour, "channel", development ? TONE_ATTENTION : TONE_PLAIN, status->channel);
    add_row(t, colour, "state", TONE_PLAIN, status->persistent ? "persistent" : "volatile");
    add_recovery_row(status, colour, t);
    text_addf(t, "%-13s", "uptime");
    status_add_duration(status->uptime_s, t);
    text_add(t, "\n");
    add_ready_row(status, colour, t);
    add_address_rows(status, colour, t);
    if (status->services.count > 0)
        text_addf(t, "\n%-20s %-9s%7s  %-*s%s\n", "SERVICE", "STATE", "PID", FOR_WIDTH, "FOR",
                  "WHY, OR LAST WORDS");
    for (size_t i = 0; i < status->services.count; i++)
        add_service_row(status, i, colour, t);
}

static bool put_known(struct json_object *object, const char *key, bool known, uint64_t value)
{
    return known ? json_put_number(object, key, value) : json_put(object, key, NULL);
}

static bool put_service(struct json_object *list, const struct status *status, size_t index)
{
    const struct snapshot_service *service = &status->services.services[index];
    struct json_object *object = json_object_new_object();

    return json_append(list, object) && json_put_text(object, "name", service->name) &&
           json_put_text(object, "state", snapshot_state_name(service->state)) &&
           put_known(object, "pid", service->pid > 0, service->pid) &&
           json_put_number(object, "since_s", seconds_since(status, service->since_us)) &&
           json_put_flag(object, "required", service->required) &&
           json_put_number(object, "restarts", service->restarts) &&
           json_put_text(object, "reason", service->reason) &&
           json_put_text(object, "last_line", status->last_lines[index]);
}

static bool put_recovery(struct json_object *object, const struct status *status)
{
    if (!status->facts.persist_open)
        return json_put(object, "recovery", NULL);
    return json_put_text(object, "recovery", status->confirmed ? "confirmed" : "unconfirmed");
}

static bool put_facts(struct json_object *object, const struct status *status)
{
    const struct facts *facts = &status->facts;

    return json_put_text(object, "generation", facts->generation) &&
           json_put_text(object, "profile", facts->profile) &&
           json_put_text(object, "version", status->version) &&
           json_put_text(object, "slot", facts->slot) &&
           json_put_text(object, "secureboot", facts->secure_boot) &&
           json_put_text(object, "tpm", facts->tpm) &&
           json_put_text(object, "verity", facts->verity) &&
           json_put_text(object, "kernel", status->kernel) &&
           json_put_text(object, "channel", status->channel) &&
           json_put_text(object, "state", status->persistent ? "persistent" : "volatile") &&
           put_recovery(object, status) && json_put_number(object, "uptime_s", status->uptime_s) &&
           put_known(object, "ready_us", status->ready, status->ready_us);
}

static bool put_trial(struct json_object *object, const struct trial *trial)
{
    const char slot[] = { trial->slot, '\0' };
    struct json_object *pending;

    if (!trial->pending)
        return json_put(object, "trial", NULL);
    pending = json_object_new_object();
    return json_put(object, "trial", pending) && pending && json_put_text(pending, "slot", slot) &&
           json_put_text(pending, "generation", trial->generation) &&
           json_put_number(pending, "tries", trial->tries);
}

static bool put_last_trial(struct json_object *object, const struct trial *trial)
{
    const char slot[] = { trial->last_slot, '\0' };
    struct json_object *last;

    if (trial->last == TRIAL_NONE)
        return json_put(object, "last_trial", NULL);
    last = json_object_new_object();
    return json_put(object, "last_trial", last) && last &&
           json_put_text(last, "result", trial_result_name(trial->last)) &&
           json_put_text(last, "slot", slot) &&
           json_put_text(last, "generation", trial->last_generation) &&
           json_put_text(last, "reason", trial->last_reason);
}

static bool put_failure(struct json_object *object, const struct status *status)
{
    const char *reason = status_last_failure(status);

    return (reason ? json_put_text(object, "last_failure", reason)
                   : json_put(object, "last_failure", NULL)) &&
           (status->panic[0] ? json_put_text(object, "panic", status->panic)
                             : json_put(object, "panic", NULL));
}

static bool put_status(struct json_object *object, const struct status *status)
{
    struct json_object *addresses, *services;
    bool ok = put_facts(object, status) && put_trial(object, &status->trial) &&
              put_last_trial(object, &status->trial) && put_failure(object, status) &&
              (addresses = json_put_list(object, "addresses")) &&
              (services = json_put_list(object, "services"));

    for (size_t i = 0; ok && i < status->address_count; i++)
        ok = json_append(addresses, json_object_new_string(status->addresses[i]));
    for (size_t i = 0; ok && i < status->services.count; i++)
        ok = put_service(services, status, i);
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
