#include "programs/broch-orchestrator/orchestrator.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/siphash.h"
#include "node/config.h"
#include "node/order.h"
#include "sys/file.h"
#include "work/events.h"
#include "work/report.h"
#include "work/s6dir.h"
#include "work/supervise.h"
#include "work/supervisor.h"
#include "work/tail.h"

enum {
    PATH_SIZE = 256,
    MANIFEST_SIZE_MAX = 256 * 1024,
    INOTIFY_BUFFER_SIZE = 16384,
    NONE = SUPERVISE_SERVICES_MAX,
};

#define LOG_READERS "adm"
#define FIREWALL    "firewall"

/* The last lines of a service that failed may still be on their way to the log. */
#define LINES_DELAY_NS (300 * NS_PER_MS)

const struct catalog_places orchestrator_places = {
    .folders = { .image = SERVICE_FOLDER_IMAGE, .machine = SERVICE_FOLDER_MACHINE },
    .list = CATALOG_LIST,
};

/* A service with a service directory; its index is the one of the state machine. */
struct slot {
    bool used;
    int watch;            /* of inotify, on its supervise/ */
    uint64_t fingerprint; /* of the manifest's bytes */
    char off[SNAPSHOT_TEXT_SIZE];
    struct snapshot_service shown;
};

static struct {
    struct catalog catalog;
    struct config config;
    struct supervise core;
    struct supervise_effects effects;
    struct slot slots[SUPERVISE_SERVICES_MAX];
    struct report_names names;
    size_t order[SUPERVISE_SERVICES_MAX]; /* slots, each after what it needs */
    size_t order_count;
    struct snapshot snapshot;
    struct text events;
    struct event_source *timer;
    uint64_t lines_ns; /* when to look again at the log of what failed */
    int inotify_fd;
} o;

void orchestrator_complain(const struct failure *f)
{
    (void)failure_print(f, "broch-orchestrator", stderr);
}

static struct events_moment now(void)
{
    return (struct events_moment){ .seconds = time(NULL), .us = event_now_ns() / NS_PER_US };
}

static size_t find_slot(const char *name)
{
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        if (o.slots[i].used && strcmp(o.slots[i].shown.name, name) == 0)
            return i;
    }
    return NONE;
}

/* --- What the state machine wants --- */

static void add_log_line(const char *line, size_t length, void *context)
{
    struct snapshot_service *service = context;

    if (service->line_count < SNAPSHOT_LINES_MAX)
        snapshot_set_text(service->lines[service->line_count++], SNAPSHOT_LINE_SIZE, line, length);
}

static void take_last_lines(struct slot *slot)
{
    struct failure ignored = FAILURE_NONE; /* a service that said nothing has no log */
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/%s/current", S6DIR_LOG_FOLDER, slot->shown.name);
    slot->shown.line_count = 0;
    if (tail_read(path, SNAPSHOT_LINES_MAX, add_log_line, &slot->shown, &ignored) < 0)
        slot->shown.line_count = 0;
}

/* s6-svscan ends the supervisor of a folder that is not there any more. What is left of the folder
 * goes when the next one takes its place. */
static void remove_slot(size_t index)
{
    struct slot *slot = &o.slots[index];
    struct failure f = FAILURE_NONE;
    char path[PATH_SIZE], hidden[PATH_SIZE];
    int r;

    (void)snprintf(path, sizeof(path), "%s/%s", SUPERVISOR_SCAN, slot->shown.name);
    (void)snprintf(hidden, sizeof(hidden), "%s/.gone-%s", SUPERVISOR_SCAN, slot->shown.name);
    r = file_remove_tree(hidden, &f);
    if (r == 0 && rename(path, hidden) < 0)
        r = file_failure(&f, errno, "rename", path);
    if (r == 0)
        r = supervisor_tell(SUPERVISOR_SCAN, NULL, 'a', &f);
    if (r == 0)
        r = supervisor_tell(SUPERVISOR_SCAN, NULL, 'n', &f);
    if (r < 0)
        orchestrator_complain(&f);
    if (slot->watch >= 0)
        (void)inotify_rm_watch(o.inotify_fd, slot->watch); /* it may be gone with the folder */
    slot->used = false;
    o.names.names[index] = NULL;
}

static void tell(size_t index, char letter)
{
    struct failure f = FAILURE_NONE;

    if (supervisor_tell(SUPERVISOR_SCAN, o.slots[index].shown.name, letter, &f) < 0)
        orchestrator_complain(&f);
}

static void note_change(const struct supervise_effect *effect)
{
    struct slot *slot = &o.slots[effect->service];
    const struct events_moment moment = now();

    report_service(&o.core, effect->service, &o.names, &slot->shown);
    slot->shown.state = effect->to; /* it may have gone on in the same step */
    events_add_change(&moment, &slot->shown, effect->from, &o.events);
    if (effect->to != SNAPSHOT_FAILED)
        return;
    take_last_lines(slot);
    o.lines_ns = event_now_ns() + LINES_DELAY_NS;
}

static void carry_out(void)
{
    static const char letters[] = {
        [SUPERVISE_DO_START] = 'u',
        [SUPERVISE_DO_START_ONCE] = 'o',
        [SUPERVISE_DO_STOP] = 'd',
        [SUPERVISE_DO_KILL] = 'k',
    };

    for (size_t i = 0; i < o.effects.count; i++) {
        const struct supervise_effect *effect = &o.effects.list[i];

        if (effect->kind == SUPERVISE_CHANGED)
            note_change(effect);
        else if (effect->kind == SUPERVISE_DO_FORGET)
            remove_slot(effect->service);
        else
            tell(effect->service, letters[effect->kind]);
    }
}

static void feed(struct supervise_event event)
{
    event.now_ns = event_now_ns();
    supervise_step(&o.core, &event, &o.effects);
    carry_out();
}

/* --- What everybody may read --- */

static void arm_timer(void)
{
    uint64_t deadline_ns = supervise_deadline_ns(&o.core);
    struct failure f = FAILURE_NONE;
    int r;

    if (o.lines_ns < deadline_ns)
        deadline_ns = o.lines_ns;
    r = event_timer_set(o.timer, deadline_ns);
    if (r < 0) {
        (void)failure_set(&f, CODE_INTERNAL, r, "cannot set the timer");
        orchestrator_complain(&f);
    }
}

static void add_to_snapshot(size_t index)
{
    report_service(&o.core, index, &o.names, &o.slots[index].shown);
    o.snapshot.services[o.snapshot.count++] = o.slots[index].shown;
}

static void fill_snapshot(void)
{
    uint64_t added = 0;

    o.snapshot.count = 0;
    for (size_t i = 0; i < o.order_count; i++) {
        added |= UINT64_C(1) << o.order[i];
        add_to_snapshot(o.order[i]);
    }
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) { /* what is on its way out */
        if (o.slots[i].used && !(added >> i & 1))
            add_to_snapshot(i);
    }
    o.snapshot.written_us = event_now_ns() / NS_PER_US;
    o.snapshot.ready = supervise_is_ready(&o.core);
}

/* At the end of each turn. Events first: who is woken by the snapshot finds them. */
static void publish(void)
{
    struct failure f = FAILURE_NONE;

    if (o.events.length > 0 && events_append(EVENTS_PATH, &o.events, &f) < 0)
        orchestrator_complain(&f);
    text_clear(&o.events);
    fill_snapshot();
    if (snapshot_write(SNAPSHOT_PATH, &o.snapshot, &f) < 0)
        orchestrator_complain(&f);
    arm_timer();
}

/* --- What comes in --- */

static bool read_status(const char *name, struct supervise_status *ret)
{
    struct failure f = FAILURE_NONE;
    int r = supervisor_status_read(SUPERVISOR_SCAN, name, ret, &f);

    if (r < 0 && r != -ENOENT)
        orchestrator_complain(&f);
    return r == 0;
}

static void look_at(size_t index)
{
    struct supervise_event event = { .kind = SUPERVISE_STATUS, .service = index };

    if (read_status(o.slots[index].shown.name, &event.status))
        feed(event);
}

/* Each service once, whatever came. */
static void take_notice(const struct inotify_event *notice, uint64_t *seen)
{
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        bool meant =
            (notice->mask & IN_Q_OVERFLOW) || (o.slots[i].watch == notice->wd && notice->len > 0 &&
                                               strcmp(notice->name, "status") == 0);

        if (o.slots[i].used && meant)
            *seen |= UINT64_C(1) << i;
    }
}

static int on_inotify(struct event_source *source, int fd, uint32_t events, void *context)
{
    _Alignas(struct inotify_event) char buffer[INOTIFY_BUFFER_SIZE];
    uint64_t seen = 0;
    ssize_t got;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < got;) {
            struct inotify_event notice;

            memcpy(&notice, buffer + at, sizeof(notice));
            take_notice((const struct inotify_event *)(const void *)(buffer + at), &seen);
            at += (ssize_t)(sizeof(notice) + notice.len);
        }
    }
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        if (seen >> i & 1)
            look_at(i);
    }
    publish();
    return 0;
}

static int on_timer(struct event_source *source, void *context)
{
    if (o.lines_ns <= event_now_ns()) {
        o.lines_ns = EVENT_NEVER;
        for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
            if (o.slots[i].used && o.core.services[i].state == SNAPSHOT_FAILED)
                take_last_lines(&o.slots[i]);
        }
    }
    feed((struct supervise_event){ .kind = SUPERVISE_TIME });
    publish();
    return 0;
}

/* --- From manifests to services --- */

static bool is_disabled(const char *name)
{
    const struct schema_list *disable = &o.config.services.disable;

    for (size_t i = 0; i < disable->count; i++) {
        if (strcmp(disable->items[i], name) == 0)
            return true;
    }
    return false;
}

/* Whether the service is off, and why. */
static bool judge_off(const struct service_manifest *m, char *ret_why, size_t size)
{
    if (is_disabled(m->name)) {
        (void)snprintf(ret_why, size, "disabled by services.disable of the configuration");
        return true;
    }
    if (!m->condition || config_condition(&o.config, m->condition))
        return false;
    (void)snprintf(ret_why, size, "'%s' of the configuration is not set", m->condition);
    return true;
}

static supervise_set map_needs(const struct catalog *catalog, size_t index)
{
    supervise_set set = 0;

    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->graph.needs[index] >> i & 1)
            set |= UINT64_C(1) << find_slot(catalog->manifests[i].name);
    }
    return set;
}

static struct supervise_rules make_rules(const struct catalog *catalog, size_t index, bool off)
{
    static const enum supervise_policy policies[] = {
        [WORK_RESTART_ALWAYS] = SUPERVISE_ALWAYS,
        [WORK_RESTART_ON_FAILURE] = SUPERVISE_ON_FAILURE,
        [WORK_RESTART_NEVER] = SUPERVISE_NEVER_AGAIN,
    };
    const struct service_manifest *m = &catalog->manifests[index];

    CHECK(m->restart.policy < WORK_RESTART_MAX_);
    return (struct supervise_rules){
        .needs = map_needs(catalog, index),
        .once = m->kind == WORK_KIND_ONCE,
        .off = off,
        .required = m->required,
        .policy = policies[m->restart.policy],
        .ready_within_ns = m->ready.within_ns,
        .stop_within_ns = m->stop.within_ns,
        .burst = (unsigned)m->restart.burst,
        .window_ns = m->restart.window_ns,
        .delay_max_ns = m->restart.delay_max_ns,
        .attempts = (unsigned)m->restart.attempts,
    };
}

static uint64_t fingerprint(const struct service_manifest *m)
{
    static const uint8_t key[SIPHASH_KEY_SIZE] = { 0 }; /* nobody gains by a collision */
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* it was read a moment ago */
    char path[PATH_SIZE];
    size_t size;

    (void)snprintf(path, sizeof(path), "%s/%s.toml",
                   m->is_machines ? orchestrator_places.folders.machine
                                  : orchestrator_places.folders.image,
                   m->name);
    if (file_read(path, MANIFEST_SIZE_MAX, &bytes, &size, &ignored) < 0)
        return 0;
    return siphash(key, bytes, size);
}

/* s6-log would make the folder of a log for itself alone; administrators read it, too. */
static void make_log_folder(const char *name)
{
    const struct passwd *user = getpwnam(S6DIR_LOG_USER);
    const struct group *group = getgrnam(LOG_READERS);
    struct failure f = FAILURE_NONE;
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/%s", S6DIR_LOG_FOLDER, name);
    if (mkdir(path, 0750) < 0 && errno == EEXIST)
        return;
    if (user && group && chown(path, user->pw_uid, group->gr_gid) == 0 && chmod(path, 02750) == 0)
        return;
    (void)failure_set(&f, CODE_IO, -errno, "cannot make '%s' for '%s'", path, S6DIR_LOG_USER);
    orchestrator_complain(&f);
}

/* s6-supervise keeps the mode of a supervise/ that is there: readable to all, it shows the state to
 * everybody, and the control pipe in it stays root's. */
static int make_folder(const struct service_manifest *m, int *ret_watch, struct failure *f)
{
    char path[PATH_SIZE];
    int r = s6dir_write(m, SUPERVISOR_SCAN, f);

    if (r < 0)
        return r;
    make_log_folder(m->name);
    (void)snprintf(path, sizeof(path), "%s/%s/supervise", SUPERVISOR_SCAN, m->name);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return failure_set(f, CODE_INIT_SERVICES, -errno, "cannot make '%s'", path);
    *ret_watch = inotify_add_watch(o.inotify_fd, path, IN_MOVED_TO | IN_ONLYDIR);
    if (*ret_watch < 0)
        return failure_set(f, CODE_INIT_SERVICES, -errno, "cannot watch '%s'", path);
    return 0;
}

static void describe(struct slot *slot, const struct service_manifest *m)
{
    slot->fingerprint = fingerprint(m);
    slot->shown.required = m->required;
    slot->shown.local = m->is_machines;
    snapshot_set_text(slot->shown.description, sizeof(slot->shown.description), m->description,
                      strlen(m->description));
}

static int make_slot(const struct service_manifest *m, struct failure *f)
{
    struct slot *slot;
    size_t index = 0;
    int watch = -1, r = make_folder(m, &watch, f);

    if (r < 0)
        return r;
    while (index < SUPERVISE_SERVICES_MAX && o.slots[index].used)
        index++;
    if (index == SUPERVISE_SERVICES_MAX)
        return failure_set(f, CODE_INIT_SERVICES, -ERANGE, "no room for service '%s'", m->name);
    slot = &o.slots[index];
    *slot = (struct slot){ .used = true, .watch = watch };
    (void)snprintf(slot->shown.name, sizeof(slot->shown.name), "%s", m->name);
    o.names.names[index] = slot->shown.name;
    describe(slot, m);
    return 0;
}

/* Rules of a service as they are now. */
static struct supervise_rules rules_for(const struct catalog *catalog, size_t index, size_t slot)
{
    bool off = judge_off(&catalog->manifests[index], o.slots[slot].off, sizeof(o.slots[slot].off));

    o.names.off[slot] = off ? o.slots[slot].off : NULL;
    return make_rules(catalog, index, off);
}

static void write_order(void)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    int r;

    o.order_count = 0;
    for (size_t i = 0; i < o.catalog.count; i++) {
        const struct service_manifest *m = &o.catalog.manifests[o.catalog.graph.order[i]];
        size_t slot = find_slot(m->name);

        if (slot == NONE)
            continue;
        o.order[o.order_count++] = slot;
        text_addf(&t, "%s %llu\n", m->name, (unsigned long long)(m->stop.within_ns / NS_PER_MS));
    }
    r = text_status(&t);
    if (r < 0)
        (void)failure_set(&f, CODE_INTERNAL, r, "out of memory");
    else
        r = file_write(ORDER_PATH, text_string(&t), t.length, 0644, &f);
    if (r < 0)
        orchestrator_complain(&f);
}

/* --- The start --- */

/* A service that this program knew in an earlier life goes on where it was. */
static void begin(size_t index, const struct supervise_rules *rules,
                  const struct snapshot_service *before)
{
    struct supervise_adoption adoption = { .before = before, .now_ns = event_now_ns() };

    if (before && read_status(before->name, &adoption.status)) {
        o.slots[index].shown = *before;
        supervise_adopt(&o.core, index, rules, &adoption, &o.effects);
        carry_out();
        return;
    }
    supervise_add(&o.core, index, rules, adoption.now_ns);
    look_at(index); /* the supervisor may have been quicker than our watch */
}

static void note(const char *what)
{
    const struct events_moment moment = now();

    events_add_note(&moment, what, &o.events);
}

static void hear_complaint(const char *name, const struct failure *f, void *context)
{
    const struct events_moment moment = now();
    struct json_object *list = context, *object;

    orchestrator_complain(f);
    events_add_complaint(&moment, name, f, &o.events);
    if (!list)
        return;
    object = json_object_new_object();
    if (!json_append(list, object) || !json_put_text(object, "service", name) ||
        !json_put_text(object, "code", code_entry(f->code)->id) ||
        !json_put_text(object, "message", f->text))
        orchestrator_complain(f); /* without memory the log alone has it */
}

static void hear_config(const struct failure *f, void *context)
{
    hear_complaint("configuration", f, context);
}

/* A configuration that cannot be had leaves the one before; none at all counts as an empty one. */
static void load_config(struct json_object *complaints)
{
    struct failure f = FAILURE_NONE;
    struct config next;

    if (config_load(hear_config, complaints, &next, &f) < 0) {
        hear_config(&f, complaints);
        return;
    }
    config_done(&o.config);
    o.config = next;
}

static void make_slots(const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        struct failure f = FAILURE_NONE;

        if (find_slot(catalog->manifests[i].name) == NONE &&
            make_slot(&catalog->manifests[i], &f) < 0)
            hear_complaint(catalog->manifests[i].name, &f, NULL);
    }
}

static void begin_all(const struct snapshot *before)
{
    for (size_t i = 0; i < o.catalog.count; i++) {
        size_t index = o.catalog.graph.order[i];
        const char *name = o.catalog.manifests[index].name;
        size_t slot = find_slot(name);
        struct supervise_rules rules;

        if (slot == NONE)
            continue;
        rules = rules_for(&o.catalog, index, slot);
        begin(slot, &rules, snapshot_find(before, name));
    }
}

static int make_sources(struct event_loop *loop, struct failure *f)
{
    struct event_source *source;
    int r;

    o.inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (o.inotify_fd < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot use inotify");
    r = event_add_fd(loop, o.inotify_fd, EPOLLIN, on_inotify, NULL, &source);
    if (r == 0)
        r = event_add_timer(loop, EVENT_NEVER, on_timer, NULL, &o.timer);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot make the event loop") : 0;
}

int orchestrator_start(struct event_loop *loop, struct failure *f)
{
    static struct snapshot before;
    struct failure ignored = FAILURE_NONE; /* no earlier life */
    bool adopts = snapshot_read(SNAPSHOT_PATH, &before, &ignored) == 0;
    int r;

    if (!adopts)
        before.count = 0;
    o.lines_ns = EVENT_NEVER;
    supervise_init(&o.core);
    r = make_sources(loop, f);
    if (r == 0)
        r = catalog_load(&orchestrator_places, hear_complaint, NULL, &o.catalog, f);
    if (r < 0)
        return r;
    load_config(NULL);
    note(adopts ? "started again" : "started");
    make_slots(&o.catalog);
    write_order();
    r = supervisor_tell(SUPERVISOR_SCAN, NULL, 'a', f);
    if (r < 0)
        return r;
    begin_all(&before);
    publish();
    return 0;
}

/* --- Requests --- */

static bool put_change(struct json_object *changes, const char *name, const char *change)
{
    struct json_object *object = json_object_new_object();

    return json_append(changes, object) && json_put_text(object, "service", name) &&
           json_put_text(object, "change", change);
}

static bool remove_gone(const struct catalog *next, struct json_object *changes)
{
    bool whole = true;

    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        const char *name = o.slots[i].shown.name;

        if (!o.slots[i].used || catalog_find(next, name) != SERVICES_MAX)
            continue;
        whole = put_change(changes, name, "removed") && whole;
        feed((struct supervise_event){ .kind = SUPERVISE_REMOVE, .service = i });
    }
    return whole;
}

/* A changed manifest counts from the next start on, so there is one; what a person stopped stays
 * stopped. */
static bool renew(const struct service_manifest *m, size_t slot, struct json_object *changes)
{
    struct failure f = FAILURE_NONE;

    if (fingerprint(m) == o.slots[slot].fingerprint)
        return true;
    describe(&o.slots[slot], m);
    if (s6dir_write(m, SUPERVISOR_SCAN, &f) < 0)
        hear_complaint(m->name, &f, NULL);
    if (o.core.services[slot].state != SNAPSHOT_DOWN)
        feed((struct supervise_event){ .kind = SUPERVISE_RESTART, .service = slot });
    return put_change(changes, m->name, "changed");
}

static bool apply(const struct catalog *next, size_t index, struct json_object *changes)
{
    const struct service_manifest *m = &next->manifests[index];
    size_t slot = find_slot(m->name);
    struct supervise_event event = { .kind = SUPERVISE_RULES, .service = slot };
    bool was_off;

    if (slot == NONE)
        return true; /* its folder could not be made, which was said */
    was_off = o.core.services[slot].rules.off;
    event.rules = rules_for(next, index, slot);
    if (!o.core.services[slot].used) {
        begin(slot, &event.rules, NULL);
        return put_change(changes, m->name, "added");
    }
    feed(event);
    if (event.rules.off != was_off)
        return put_change(changes, m->name, event.rules.off ? "off" : "on");
    return renew(m, slot, changes);
}

/* The firewall reads manifests and configuration when it starts, so what came, went or changed
 * counts for it from its next start on. One that a person stopped stays stopped. */
static void renew_firewall(void)
{
    size_t slot = find_slot(FIREWALL);

    if (slot != NONE && o.core.services[slot].used &&
        o.core.services[slot].state != SNAPSHOT_DOWN && !o.core.services[slot].rules.off)
        feed((struct supervise_event){ .kind = SUPERVISE_RESTART, .service = slot });
}

static int reload(struct json_object *reply, struct failure *f)
{
    static struct catalog next;
    struct json_object *complaints = json_put_list(reply, "complaints");
    struct json_object *changes = json_put_list(reply, "changes");
    bool whole = complaints && changes;
    int r;

    if (!whole)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = catalog_load(&orchestrator_places, hear_complaint, complaints, &next, f);
    if (r < 0)
        return r;
    load_config(complaints);
    whole = remove_gone(&next, changes);
    make_slots(&next);
    r = supervisor_tell(SUPERVISOR_SCAN, NULL, 'a', f);
    for (size_t i = 0; r == 0 && i < next.count; i++)
        whole = apply(&next, next.graph.order[i], changes) && whole;
    catalog_done(&o.catalog);
    o.catalog = next;
    memset(&next, 0, sizeof(next)); /* it has moved */
    write_order();
    if (json_object_array_length(changes) > 0)
        renew_firewall();
    return r == 0 && !whole ? failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory") : r;
}

static int refuse_unknown(const char *name, struct failure *f)
{
    const char *names[SUPERVISE_SERVICES_MAX], *nearest;
    size_t count = 0;

    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        if (o.slots[i].used)
            names[count++] = o.slots[i].shown.name;
    }
    nearest = nearest_name(name, names, count);
    return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT, "there is no service '%s'%s%s%s", name,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static int act(const struct control_request *request, struct failure *f)
{
    static const enum supervise_event_kind kinds[] = {
        [CONTROL_START] = SUPERVISE_START,
        [CONTROL_STOP] = SUPERVISE_STOP,
        [CONTROL_RESTART] = SUPERVISE_RESTART,
    };
    size_t slot = find_slot(request->service);

    if (slot == NONE)
        return refuse_unknown(request->service, f);
    if (o.core.services[slot].rules.off && request->verb != CONTROL_STOP)
        return failure_set(f, CODE_SERVICE_OFF, -EPERM, "service '%s' is off: %s", request->service,
                           o.slots[slot].off);
    feed((struct supervise_event){ .kind = kinds[request->verb], .service = slot });
    return 0;
}

void orchestrator_answer(const struct control_request *request, uid_t uid, struct text *ret_reply)
{
    struct json_object *reply = json_object_new_object();
    const struct events_moment moment = now();
    struct failure f = FAILURE_NONE;
    int r;

    events_add_request(&moment, control_verb_name(request->verb), request->service, uid, &o.events);
    if (!reply || !json_put_flag(reply, "ok", true) || !json_put_number(reply, "us", moment.us))
        r = failure_set(&f, CODE_INTERNAL, -ENOMEM, "out of memory");
    else
        r = request->verb == CONTROL_RELOAD ? reload(reply, &f) : act(request, &f);
    if (r == 0) {
        json_finish(reply, true, ret_reply);
    } else {
        control_add_refusal(&f, ret_reply);
        (void)json_object_put(reply); /* accepts NULL */
    }
    publish();
}
