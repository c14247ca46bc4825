#include "work/supervise.h"

#include <string.h>

#include "base/number.h"

/* Beyond its own time to stop, which the supervisor ends with SIGKILL, a service gets this before
 * it is killed from here: long enough that the supervisor comes first. */
#define STOP_MARGIN_NS (2 * NS_PER_S)

/* What may befall a service: columns of the table. */
enum trigger {
    TRIGGER_GO,       /* nothing keeps it from starting any more */
    TRIGGER_PROCESS,  /* a process of it began */
    TRIGGER_READY,    /* it said that it is ready */
    TRIGGER_ENDED,    /* its process ended */
    TRIGGER_DEADLINE, /* of its state */
    TRIGGER_START,
    TRIGGER_STOP,
    TRIGGER_RESTART,
    TRIGGER_OFF, /* its condition is not met any more */
    TRIGGER_ON,  /* it is met again */
    TRIGGER_REMOVE,
    TRIGGER_MAX_,
};

struct step {
    struct supervise *all;
    struct supervise_service *service;
    size_t index;
    uint64_t now_ns;
    struct supervise_effects *effects;
};

static void emit(struct step *x, enum supervise_effect_kind kind)
{
    CHECK(x->effects->count < SUPERVISE_EFFECTS_MAX);
    x->effects->list[x->effects->count++] =
        (struct supervise_effect){ .kind = kind, .service = x->index };
}

static void enter(struct step *x, enum snapshot_state state, enum supervise_cause cause)
{
    struct supervise_service *service = x->service;
    enum snapshot_state from = service->state;

    service->state = state;
    service->cause = cause;
    service->since_ns = x->now_ns;
    service->deadline_ns = SUPERVISE_NEVER;
    emit(x, SUPERVISE_CHANGED);
    x->effects->list[x->effects->count - 1].from = from;
    x->effects->list[x->effects->count - 1].to = state;
}

static uint64_t later(uint64_t now_ns, uint64_t span_ns)
{
    uint64_t sum;

    return add_ok(now_ns, span_ns, &sum) ? sum : SUPERVISE_NEVER;
}

static void clean_record(struct supervise_service *service)
{
    service->death_count = 0;
    service->attempt = 0;
}

/* --- Actions, one for each kind of cell --- */

static void nothing(struct step *x)
{
    (void)x;
}

static void go_off(struct step *x)
{
    enter(x, SNAPSHOT_OFF, SUPERVISE_BECAUSE_CONDITION);
}

static void wait_because(struct step *x, enum supervise_cause cause)
{
    if (x->service->rules.off)
        go_off(x);
    else
        enter(x, SNAPSHOT_WAITING, cause);
}

static void wait_for_needs(struct step *x)
{
    wait_because(x, SUPERVISE_BECAUSE_NONE);
}

/* A person's word counts for more than the record. */
static void wait_anew(struct step *x)
{
    clean_record(x->service);
    wait_because(x, SUPERVISE_BECAUSE_ASKED);
}

static bool restarts_by_itself(const struct supervise_rules *rules)
{
    return !rules->once && rules->policy != SUPERVISE_NEVER_AGAIN;
}

static void arm_ready(struct step *x)
{
    uint64_t within_ns = x->service->rules.ready_within_ns;

    if (within_ns > 0)
        x->service->deadline_ns = later(x->now_ns, within_ns);
}

static void start(struct step *x)
{
    emit(x, restarts_by_itself(&x->service->rules) ? SUPERVISE_DO_START : SUPERVISE_DO_START_ONCE);
    enter(x, SNAPSHOT_STARTING, x->service->cause);
    arm_ready(x);
}

/* The time to become ready runs from the command on: it is the wait that people see. */
static void come_up(struct step *x)
{
    uint64_t deadline_ns = x->service->deadline_ns;

    enter(x, SNAPSHOT_UP, SUPERVISE_BECAUSE_NONE);
    x->service->deadline_ns = deadline_ns;
}

static void become_ready(struct step *x)
{
    enter(x, SNAPSHOT_READY, SUPERVISE_BECAUSE_NONE);
    x->service->ready_ns = x->now_ns;
}

static void go_down(struct step *x)
{
    enter(x, SNAPSHOT_DOWN, SUPERVISE_BECAUSE_ASKED);
}

static void forget(struct step *x)
{
    emit(x, SUPERVISE_DO_FORGET);
    x->service->used = false;
}

/* Something runs that should not: it was started by hand, or the supervisor was quicker than our
 * command to stop. */
static void stop_intruder(struct step *x)
{
    emit(x, SUPERVISE_DO_STOP);
}

static void apply_after(struct step *x);

static void stop_for(struct step *x, enum supervise_after after, enum supervise_cause cause)
{
    emit(x, SUPERVISE_DO_STOP);
    enter(x, SNAPSHOT_STOPPING, cause);
    x->service->after = after;
    x->service->deadline_ns =
        later(x->now_ns, later(x->service->rules.stop_within_ns, STOP_MARGIN_NS));
    if (x->service->status.pid == 0)
        apply_after(x);
}

static void stop_to_down(struct step *x)
{
    stop_for(x, SUPERVISE_AFTER_DOWN, SUPERVISE_BECAUSE_ASKED);
}

static void stop_to_start(struct step *x)
{
    stop_for(x, SUPERVISE_AFTER_START, SUPERVISE_BECAUSE_ASKED);
}

static void stop_to_off(struct step *x)
{
    stop_for(x, SUPERVISE_AFTER_OFF, SUPERVISE_BECAUSE_CONDITION);
}

static void stop_to_forget(struct step *x)
{
    stop_for(x, SUPERVISE_AFTER_FORGET, SUPERVISE_BECAUSE_ASKED);
}

static void hung(struct step *x)
{
    stop_for(x, SUPERVISE_AFTER_JUDGE, SUPERVISE_BECAUSE_HUNG);
}

/* Deaths within the window that ends now. */
static unsigned deaths_in_window(const struct step *x)
{
    const struct supervise_service *service = x->service;
    size_t kept =
        service->death_count < SUPERVISE_DEATHS_MAX ? service->death_count : SUPERVISE_DEATHS_MAX;
    unsigned count = 0;

    for (size_t i = 0; i < kept; i++) {
        if (later(service->deaths_ns[i], service->rules.window_ns) > x->now_ns)
            count++;
    }
    return count;
}

static void record_death(struct step *x)
{
    struct supervise_service *service = x->service;

    service->deaths_ns[service->death_count % SUPERVISE_DEATHS_MAX] = x->now_ns;
    service->death_count++;
}

static uint64_t delay_ns(const struct supervise_service *service)
{
    uint64_t delay = SUPERVISE_DELAY_BASE;

    for (unsigned i = 1; i < service->attempt && delay < service->rules.delay_max_ns; i++)
        delay *= 2;
    return delay < service->rules.delay_max_ns ? delay : service->rules.delay_max_ns;
}

static void give_up(struct step *x, enum supervise_cause cause)
{
    emit(x, SUPERVISE_DO_STOP);
    enter(x, SNAPSHOT_FAILED, cause);
}

/* The supervisor starts it again unless it was told otherwise. */
static void start_again(struct step *x, enum supervise_cause cause)
{
    x->service->restarts++;
    if (!x->service->status.want_up) {
        wait_because(x, cause);
        return;
    }
    enter(x, SNAPSHOT_STARTING, cause);
    arm_ready(x);
}

static void back_off(struct step *x, enum supervise_cause cause)
{
    struct supervise_service *service = x->service;

    if (service->attempt == service->rules.attempts) {
        give_up(x, cause);
        return;
    }
    service->attempt++;
    service->restarts++;
    emit(x, SUPERVISE_DO_STOP);
    enter(x, SNAPSHOT_BACKOFF, cause);
    service->deadline_ns = later(x->now_ns, delay_ns(service));
}

/* A run ended that should not have: again at once, later, or not any more. */
static void judge_death(struct step *x, enum supervise_cause cause)
{
    struct supervise_service *service = x->service;

    record_death(x);
    if (service->rules.policy == SUPERVISE_NEVER_AGAIN)
        give_up(x, cause);
    else if (service->attempt > 0 || deaths_in_window(x) > service->rules.burst)
        back_off(x, cause);
    else
        start_again(x, cause);
}

static bool ended_well(const struct supervise_service *service)
{
    return service->status.end == SNAPSHOT_END_EXIT && service->status.code == 0;
}

/* The process of a service that was to run ended. */
static void ended(struct step *x)
{
    struct supervise_service *service = x->service;

    if (service->state == SNAPSHOT_READY &&
        later(service->ready_ns, service->rules.window_ns) <= x->now_ns)
        clean_record(service);
    if (service->rules.once && ended_well(service))
        enter(x, SNAPSHOT_DONE, SUPERVISE_BECAUSE_ENDED);
    else if (service->rules.policy != SUPERVISE_ALWAYS && ended_well(service))
        enter(x, SNAPSHOT_DOWN, SUPERVISE_BECAUSE_ENDED);
    else
        judge_death(x, SUPERVISE_BECAUSE_ENDED);
}

static void judge_hung(struct step *x)
{
    x->service->status.want_up = false; /* we said so */
    judge_death(x, SUPERVISE_BECAUSE_HUNG);
}

/* A service that was told to stop is down. */
static void apply_after(struct step *x)
{
    static void (*const actions[])(struct step * x) = {
        [SUPERVISE_AFTER_DOWN] = go_down,     [SUPERVISE_AFTER_START] = wait_anew,
        [SUPERVISE_AFTER_JUDGE] = judge_hung, [SUPERVISE_AFTER_OFF] = go_off,
        [SUPERVISE_AFTER_FORGET] = forget,
    };

    CHECK(x->service->state == SNAPSHOT_STOPPING);
    actions[x->service->after](x);
}

static void kill_it(struct step *x)
{
    emit(x, SUPERVISE_DO_KILL);
    x->service->deadline_ns =
        later(x->now_ns, later(x->service->rules.stop_within_ns, STOP_MARGIN_NS));
}

/* What was asked for last holds, but a removed service stays removed. */
static void change_after(struct step *x, enum supervise_after after)
{
    if (x->service->after == SUPERVISE_AFTER_FORGET)
        return;
    x->service->after = after;
    x->service->cause =
        after == SUPERVISE_AFTER_OFF ? SUPERVISE_BECAUSE_CONDITION : SUPERVISE_BECAUSE_ASKED;
}

static void then_down(struct step *x)
{
    change_after(x, SUPERVISE_AFTER_DOWN);
}

static void then_start(struct step *x)
{
    change_after(x, SUPERVISE_AFTER_START);
}

static void then_off(struct step *x)
{
    change_after(x, SUPERVISE_AFTER_OFF);
}

static void then_forget(struct step *x)
{
    change_after(x, SUPERVISE_AFTER_FORGET);
}

/* Its condition came back while it was on its way down for the lack of it. */
static void then_on(struct step *x)
{
    if (x->service->after == SUPERVISE_AFTER_OFF)
        change_after(x, SUPERVISE_AFTER_START);
}

typedef void (*action)(struct step *x);

/* clang-format off */
static const action table[SNAPSHOT_STATE_MAX_][TRIGGER_MAX_] = {
    /*                     GO              PROCESS        READY          ENDED
     *                     DEADLINE        START          STOP           RESTART
     *                     OFF             ON             REMOVE */
    [SNAPSHOT_OFF] =      { nothing,        stop_intruder, nothing,       nothing,
                            nothing,        nothing,       nothing,       nothing,
                            nothing,        wait_for_needs, forget },
    [SNAPSHOT_WAITING] =  { start,          stop_intruder, nothing,       nothing,
                            nothing,        nothing,       go_down,       nothing,
                            go_off,         nothing,       forget },
    [SNAPSHOT_STARTING] = { nothing,        come_up,       become_ready,  ended,
                            hung,           nothing,       stop_to_down,  stop_to_start,
                            stop_to_off,    nothing,       stop_to_forget },
    [SNAPSHOT_UP] =       { nothing,        nothing,       become_ready,  ended,
                            hung,           nothing,       stop_to_down,  stop_to_start,
                            stop_to_off,    nothing,       stop_to_forget },
    [SNAPSHOT_READY] =    { nothing,        nothing,       nothing,       ended,
                            nothing,        nothing,       stop_to_down,  stop_to_start,
                            stop_to_off,    nothing,       stop_to_forget },
    [SNAPSHOT_DONE] =     { nothing,        stop_intruder, nothing,       nothing,
                            nothing,        wait_anew,     go_down,       wait_anew,
                            go_off,         nothing,       forget },
    [SNAPSHOT_STOPPING] = { nothing,        nothing,       nothing,       apply_after,
                            kill_it,        then_start,    then_down,     then_start,
                            then_off,       then_on,       then_forget },
    [SNAPSHOT_DOWN] =     { nothing,        stop_intruder, nothing,       nothing,
                            nothing,        wait_anew,     nothing,       wait_anew,
                            go_off,         nothing,       forget },
    [SNAPSHOT_BACKOFF] =  { nothing,        stop_intruder, nothing,       nothing,
                            wait_for_needs, wait_anew,     go_down,       wait_anew,
                            go_off,         nothing,       forget },
    [SNAPSHOT_FAILED] =   { nothing,        stop_intruder, nothing,       nothing,
                            nothing,        wait_anew,     go_down,       wait_anew,
                            go_off,         nothing,       forget },
};
/* clang-format on */

static void fire(struct step *x, enum trigger trigger)
{
    CHECK(x->service->state < SNAPSHOT_STATE_MAX_ && trigger < TRIGGER_MAX_);
    if (x->service->used)
        table[x->service->state][trigger](x);
}

/* --- Events --- */

static bool is_runnable(enum snapshot_state state)
{
    return state == SNAPSHOT_STARTING || state == SNAPSHOT_UP || state == SNAPSHOT_READY;
}

static void end_process(struct step *x)
{
    x->service->last_end = x->service->status.end;
    x->service->last_code = x->service->status.code;
    fire(x, TRIGGER_ENDED);
}

/* Turns two looks at the supervisor into what happened between them. A process that began and ended
 * between two looks shows in the stamp only. */
static void see_status(struct step *x, const struct supervise_status *now)
{
    struct supervise_service *service = x->service;
    const struct supervise_status before = service->status;
    bool first = !service->supervised;
    bool same = before.pid != 0 && before.pid == now->pid;
    bool unseen = !first && before.pid == 0 && now->pid == 0 && before.stamp != now->stamp;

    service->supervised = true;
    service->status = *now;
    if (!same) {
        service->status.pid = 0;
        service->status.ready = false;
        if (unseen)
            fire(x, TRIGGER_PROCESS);
        if (unseen || before.pid != 0)
            end_process(x);
        service->status.pid = now->pid;
        service->status.ready = now->ready;
        if (now->pid != 0)
            fire(x, TRIGGER_PROCESS);
    }
    /* What runs to its end is not ready before it. */
    if (now->pid != 0 && now->ready && !(same && before.ready) && !service->rules.once)
        fire(x, TRIGGER_READY);
}

static void take_rules(struct step *x, const struct supervise_rules *rules)
{
    bool was_off = x->service->rules.off;

    CHECK(rules->burst <= SUPERVISE_BURST_MAX);
    x->service->rules = *rules;
    if (rules->off != was_off)
        fire(x, rules->off ? TRIGGER_OFF : TRIGGER_ON);
}

static void take_event(struct step *x, const struct supervise_event *event)
{
    static const enum trigger triggers[] = {
        [SUPERVISE_START] = TRIGGER_START,
        [SUPERVISE_STOP] = TRIGGER_STOP,
        [SUPERVISE_RESTART] = TRIGGER_RESTART,
        [SUPERVISE_REMOVE] = TRIGGER_REMOVE,
    };

    switch (event->kind) {
    case SUPERVISE_TIME:
        break;
    case SUPERVISE_STATUS:
        see_status(x, &event->status);
        break;
    case SUPERVISE_RULES:
        take_rules(x, &event->rules);
        break;
    case SUPERVISE_START:
    case SUPERVISE_STOP:
    case SUPERVISE_RESTART:
    case SUPERVISE_REMOVE:
        fire(x, triggers[event->kind]);
        break;
    }
}

static struct step step_for(struct supervise *s, size_t service, uint64_t now_ns,
                            struct supervise_effects *effects)
{
    CHECK(service < SUPERVISE_SERVICES_MAX);
    return (struct step){ .all = s,
                          .service = &s->services[service],
                          .index = service,
                          .now_ns = now_ns,
                          .effects = effects };
}

static void expire(struct supervise *s, uint64_t now_ns, struct supervise_effects *effects)
{
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        struct step x = step_for(s, i, now_ns, effects);

        if (!x.service->used || x.service->deadline_ns > now_ns)
            continue;
        x.service->deadline_ns = SUPERVISE_NEVER;
        fire(&x, TRIGGER_DEADLINE);
    }
}

static bool may_start(const struct supervise *s, size_t service)
{
    /* What still runs from before is on its way down; its end would look like a death. */
    return s->services[service].supervised && s->services[service].status.pid == 0 &&
           supervise_unmet(s, service) == 0;
}

/* A start satisfies nobody yet, so one pass is enough. */
static void settle(struct supervise *s, uint64_t now_ns, struct supervise_effects *effects)
{
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        struct step x = step_for(s, i, now_ns, effects);

        if (x.service->used && may_start(s, i))
            fire(&x, TRIGGER_GO);
    }
}

void supervise_step(struct supervise *s, const struct supervise_event *event,
                    struct supervise_effects *ret)
{
    ret->count = 0;
    if (event->kind != SUPERVISE_TIME) {
        struct step x = step_for(s, event->service, event->now_ns, ret);

        if (!x.service->used)
            return;
        take_event(&x, event);
    }
    expire(s, event->now_ns, ret);
    settle(s, event->now_ns, ret);
    CHECK(supervise_deadline_ns(s) > event->now_ns);
}

/* --- The machine --- */

void supervise_init(struct supervise *s)
{
    memset(s, 0, sizeof(*s));
}

void supervise_add(struct supervise *s, size_t service, const struct supervise_rules *rules,
                   uint64_t now_ns)
{
    CHECK(service < SUPERVISE_SERVICES_MAX && !s->services[service].used);
    CHECK(rules->burst <= SUPERVISE_BURST_MAX && rules->delay_max_ns > 0);
    s->services[service] = (struct supervise_service){
        .used = true,
        .state = rules->off ? SNAPSHOT_OFF : SNAPSHOT_WAITING,
        .cause = rules->off ? SUPERVISE_BECAUSE_CONDITION : SUPERVISE_BECAUSE_NONE,
        .rules = *rules,
        .since_ns = now_ns,
        .deadline_ns = SUPERVISE_NEVER,
    };
}

/* What an earlier life left as running, and what runs now. */
static void adopt_running(struct step *x, const struct snapshot_service *before)
{
    struct supervise_service *service = x->service;

    if (before->pid != 0 && before->pid != service->status.pid)
        service->restarts++;
    service->state = service->status.ready ? SNAPSHOT_READY : SNAPSHOT_UP;
    service->ready_ns = x->now_ns;
    if (service->state == SNAPSHOT_UP)
        arm_ready(x);
    if (service->rules.off)
        stop_to_off(x);
    else if (before->state == SNAPSHOT_STOPPING)
        stop_to_down(x);
}

static void adopt_down(struct step *x, const struct snapshot_service *before)
{
    struct supervise_service *service = x->service;

    if (service->rules.off)
        return;
    if (is_runnable(before->state) && service->rules.once && ended_well(service)) {
        service->state = SNAPSHOT_DONE;
    } else if (is_runnable(before->state) && service->status.want_up) {
        service->state = SNAPSHOT_STARTING;
        arm_ready(x);
    } else if (before->state == SNAPSHOT_STOPPING) {
        service->state = SNAPSHOT_DOWN;
    } else if (before->state == SNAPSHOT_DOWN || before->state == SNAPSHOT_FAILED ||
               (before->state == SNAPSHOT_DONE && service->rules.once)) {
        service->state = before->state;
    } else if (before->state == SNAPSHOT_BACKOFF) {
        service->state = before->state;
        service->attempt = 1;
        service->deadline_ns = later(x->now_ns, delay_ns(service));
    }
}

void supervise_adopt(struct supervise *s, size_t service, const struct supervise_rules *rules,
                     const struct supervise_adoption *adoption, struct supervise_effects *ret)
{
    struct step x = step_for(s, service, adoption->now_ns, ret);
    const struct snapshot_service *before = adoption->before;
    uint64_t since_ns;

    ret->count = 0;
    supervise_add(s, service, rules, x.now_ns);
    x.service->supervised = true;
    x.service->status = adoption->status;
    x.service->restarts = before->restarts;
    x.service->last_end = before->last_end;
    x.service->last_code = before->last_code;
    if (x.service->status.pid != 0)
        adopt_running(&x, before);
    else
        adopt_down(&x, before);
    if (x.service->state == before->state && x.service->status.pid == before->pid &&
        mul_ok(before->since_us, NS_PER_US, &since_ns) && since_ns < x.now_ns)
        x.service->since_ns = since_ns;
}

uint64_t supervise_deadline_ns(const struct supervise *s)
{
    uint64_t deadline_ns = SUPERVISE_NEVER;

    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        if (s->services[i].used && s->services[i].deadline_ns < deadline_ns)
            deadline_ns = s->services[i].deadline_ns;
    }
    return deadline_ns;
}

supervise_set supervise_unmet(const struct supervise *s, size_t service)
{
    supervise_set needs, unmet = 0;

    CHECK(service < SUPERVISE_SERVICES_MAX);
    needs = s->services[service].rules.needs;
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        supervise_set bit = UINT64_C(1) << i;

        if ((needs & bit) &&
            !(s->services[i].used && snapshot_state_satisfies(s->services[i].state)))
            unmet |= bit;
    }
    return unmet;
}

bool supervise_is_ready(const struct supervise *s)
{
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        const struct supervise_service *service = &s->services[i];

        if (service->used && service->rules.required && !snapshot_state_satisfies(service->state))
            return false;
    }
    return true;
}
