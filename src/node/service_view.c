#include "node/service_view.h"

#include "base/number.h"
#include "node/status.h"

enum { NAME_COLUMN = 20, STATE_COLUMN = 9, SINCE_COLUMN = 13, KEY_COLUMN = 14, PERMILLE = 1000 };

static void add_since(const struct snapshot_service *service, uint64_t now_us, struct text *t)
{
    status_add_duration(now_us > service->since_us ? (now_us - service->since_us) / US_PER_S : 0,
                        t);
}

static void add_padded(const struct text *cell, size_t width, struct text *t)
{
    text_addf(t, "%-*s ", (int)width, text_string(cell));
}

void service_view_add_list(const struct snapshot *snapshot, uint64_t now_us, struct text *t)
{
    text_addf(t, "%-*s %-*s %-*s %8s  %s\n", NAME_COLUMN, "SERVICE", STATE_COLUMN, "STATE",
              SINCE_COLUMN, "SINCE", "RESTARTS", "WHAT IT DOES");
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_service *service = &snapshot->services[i];
        _cleanup_text_ struct text since = TEXT_INIT;

        add_since(service, now_us, &since);
        text_addf(t, "%-*s %-*s ", NAME_COLUMN, service->name, STATE_COLUMN,
                  snapshot_state_name(service->state));
        add_padded(&since, SINCE_COLUMN, t);
        text_addf(t, "%8llu  %s\n", (unsigned long long)service->restarts,
                  service->reason[0] != '\0' ? service->reason : service->description);
    }
}

static void add_key(const char *key, struct text *t)
{
    text_addf(t, "%-*s ", KEY_COLUMN, key);
}

static void add_row(const char *key, const char *value, struct text *t)
{
    add_key(key, t);
    text_addf(t, "%s\n", value);
}

void service_view_add_status(const struct snapshot_service *service, uint64_t now_us,
                             struct text *t)
{
    add_row("service", service->name, t);
    add_row("what it does", service->description, t);
    add_key("state", t);
    text_addf(t, "%s, for ", snapshot_state_name(service->state));
    add_since(service, now_us, t);
    text_add(t, "\n");
    if (service->reason[0] != '\0')
        add_row("why", service->reason, t);
    if (service->pid > 0) {
        add_key("process", t);
        text_addf(t, "%llu\n", (unsigned long long)service->pid);
    }
    add_key("restarts", t);
    text_addf(t, "%llu in this boot\n", (unsigned long long)service->restarts);
    if (service->last_end != SNAPSHOT_END_NONE) {
        add_key("last end", t);
        text_addf(t, "%s %llu\n", service->last_end == SNAPSHOT_END_SIGNAL ? "signal" : "exit code",
                  (unsigned long long)service->last_code);
    }
    add_row("required", service->required ? "yes" : "no", t);
    add_row("from", service->local ? "/etc/broch/services" : "the image", t);
}

static void add_list(const char *key, const struct schema_list *list, const char *none,
                     struct text *t)
{
    add_key(key, t);
    for (size_t i = 0; i < list->count; i++)
        text_addf(t, "%s%s", i > 0 ? " " : "", list->items[i]);
    text_addf(t, "%s\n", list->count == 0 ? none : "");
}

static void add_limit(const char *key, uint64_t value, const char *unit, struct text *t)
{
    add_key(key, t);
    if (value == 0)
        text_add(t, "no limit\n");
    else
        text_addf(t, "%llu%s\n", (unsigned long long)value, unit);
}

void service_view_add_manifest(const struct service_manifest *m, struct text *t)
{
    static const char *const ready[] = { [WORK_READY_NOTIFY] = "when it says so",
                                         [WORK_READY_FILE] = "when a file appears",
                                         [WORK_READY_START] = "when it was started" };
    static const char *const restart[] = { [WORK_RESTART_ALWAYS] = "always",
                                           [WORK_RESTART_ON_FAILURE] = "after a failure",
                                           [WORK_RESTART_NEVER] = "never" };
    bool strict = m->confine.level == WORK_CONFINE_STRICT;

    add_row("what it does", m->description, t);
    add_list("program", &m->run, "", t);
    add_row("user", m->user, t);
    add_list("needs", &m->needs, "nothing", t);
    if (m->condition)
        add_row("only with", m->condition, t);
    add_row("ready", m->kind == WORK_KIND_ONCE ? "when it ended well" : ready[m->ready.kind], t);
    add_row("restart", restart[m->restart.policy], t);
    add_row("network", m->network.mode == WORK_NETWORK_HOST ? "the machine's" : "none", t);
    add_list("open ports", &m->network.listen, "none", t);
    add_limit("memory", m->limits.memory / KIB, " KiB", t);
    add_limit("processes", (uint64_t)m->limits.tasks, "", t);
    add_limit("processors", m->cpus_thousandths, "/1000", t);
    add_row("confinement", strict ? "strict" : "of the system", t);
    if (m->confine.reason)
        add_row("because", m->confine.reason, t);
    if (!strict)
        return;
    add_list("capabilities", &m->confine.capabilities, "none", t);
    add_list("writes to", &m->confine.write, "its scratch folder only", t);
    add_list("devices", &m->confine.devices, "none", t);
    add_list("system calls", &m->confine.syscalls, "the usual ones", t);
}

void service_view_add_in_force(const struct in_force *in_force, struct text *t)
{
    add_key("user id", t);
    text_addf(t, "%llu\n", (unsigned long long)in_force->uid);
    add_key("capabilities", t);
    in_force_add_capabilities(in_force->capabilities, t);
    text_add(t, "\n");
    add_key("at most", t);
    in_force_add_capabilities(in_force->bounding, t);
    text_add(t, "\n");
    add_row("new rights", in_force->no_new_privileges ? "impossible" : "possible", t);
    add_key("call filters", t);
    text_addf(t, "%llu\n", (unsigned long long)in_force->filters);
    add_row("AppArmor", in_force->profile, t);
    add_row("own root", in_force->own_root ? "yes" : "no", t);
    add_row("own network", in_force->own_network ? "yes" : "no", t);
    add_row("memory limit", in_force->memory, t);
    add_row("process limit", in_force->tasks, t);
    add_row("OOM score", in_force->oom_score, t);
}

bool service_view_add_reload(struct json_object *reply, struct text *t)
{
    struct json_object *changes, *complaints;
    size_t changed = 0, refused = 0;
    const char *service, *what;

    if (json_get(reply, "changes", json_type_array, &changes))
        changed = json_object_array_length(changes);
    if (json_get(reply, "complaints", json_type_array, &complaints))
        refused = json_object_array_length(complaints);
    for (size_t i = 0; i < changed; i++) {
        struct json_object *row = json_object_array_get_idx(changes, i);

        if (json_get_text(row, "service", &service) && json_get_text(row, "change", &what))
            text_addf(t, "%s: %s\n", service, what);
    }
    for (size_t i = 0; i < refused; i++) {
        struct json_object *row = json_object_array_get_idx(complaints, i);

        if (json_get_text(row, "service", &service) && json_get_text(row, "message", &what))
            text_addf(t, "%s: left out: %s\n", service, what);
    }
    if (changed == 0 && refused == 0)
        text_add(t, "nothing has changed\n");
    return refused == 0;
}
