#include "work/report.h"

#include <string.h>

#include "base/line.h"
#include "base/number.h"

struct words {
    const struct supervise *s;
    size_t index;
    const struct supervise_service *service;
    const struct report_names *names;
    struct line *line;
};

static void add_end(const struct words *w)
{
    const struct supervise_service *service = w->service;

    if (service->last_end == SNAPSHOT_END_SIGNAL)
        line_addf(w->line, "ended by signal %llu", (unsigned long long)service->last_code);
    else
        line_addf(w->line, "ended with exit code %llu", (unsigned long long)service->last_code);
}

static void add_cause(const struct words *w)
{
    if (w->service->cause == SUPERVISE_BECAUSE_HUNG)
        line_addf(w->line, "was not ready within %llu s",
                  (unsigned long long)(w->service->rules.ready_within_ns / NS_PER_S));
    else
        add_end(w);
}

static bool is_trouble(const struct words *w)
{
    return w->service->cause == SUPERVISE_BECAUSE_ENDED ||
           w->service->cause == SUPERVISE_BECAUSE_HUNG;
}

static void word_off(const struct words *w)
{
    const char *why = w->names->off[w->index];

    line_add(w->line, why ? why : "its condition is not met");
}

static void word_waiting(const struct words *w)
{
    supervise_set unmet = supervise_unmet(w->s, w->index);
    const char *separator = "waits for ";

    if (is_trouble(w)) {
        add_cause(w);
        separator = ", waits for ";
    }
    if (w->service->supervised && w->service->status.pid != 0) {
        line_addf(w->line, "%sthe end of its last process", separator);
        separator = ", ";
    }
    for (size_t i = 0; i < SUPERVISE_SERVICES_MAX; i++) {
        if (!(unmet & (UINT64_C(1) << i)) || !w->names->names[i])
            continue;
        line_addf(w->line, "%s'%s' (%s)", separator, w->names->names[i],
                  snapshot_state_name(w->s->services[i].state));
        separator = ", ";
    }
    if (w->line->length == 0)
        line_add(w->line, "waits for its supervisor");
}

static void word_starting(const struct words *w)
{
    if (!is_trouble(w))
        return;
    add_cause(w);
    line_add(w->line, ", starts again");
}

static void word_nothing(const struct words *w)
{
    (void)w;
}

static void word_stopping(const struct words *w)
{
    if (is_trouble(w))
        add_cause(w);
}

static void word_down(const struct words *w)
{
    if (is_trouble(w))
        add_cause(w);
    else
        line_add(w->line, "stopped by request");
}

static void word_backoff(const struct words *w)
{
    const struct supervise_service *service = w->service;

    add_cause(w);
    line_addf(w->line, ", waits %llu s before attempt %u of %u",
              (unsigned long long)((service->deadline_ns - service->since_ns) / NS_PER_S),
              service->attempt, service->rules.attempts);
}

static void word_failed(const struct words *w)
{
    add_cause(w);
    line_addf(w->line, ", given up after %llu restarts", (unsigned long long)w->service->restarts);
}

static void (*const words_of[])(const struct words *w) = {
    [SNAPSHOT_OFF] = word_off,           [SNAPSHOT_WAITING] = word_waiting,
    [SNAPSHOT_STARTING] = word_starting, [SNAPSHOT_UP] = word_starting,
    [SNAPSHOT_READY] = word_nothing,     [SNAPSHOT_DONE] = word_nothing,
    [SNAPSHOT_STOPPING] = word_stopping, [SNAPSHOT_DOWN] = word_down,
    [SNAPSHOT_BACKOFF] = word_backoff,   [SNAPSHOT_FAILED] = word_failed,
};
_Static_assert(ARRAY_SIZE(words_of) == SNAPSHOT_STATE_MAX_, "every state is worded");

/* An earlier life of the program knew why; this one only sees that it is so. */
static bool knows_why(const struct supervise_service *service, const struct snapshot_service *ret)
{
    bool adopted = service->cause == SUPERVISE_BECAUSE_NONE && service->state == ret->state;

    return !adopted || ret->reason[0] == '\0' || service->state == SNAPSHOT_WAITING;
}

void report_service(const struct supervise *s, size_t service, const struct report_names *names,
                    struct snapshot_service *ret)
{
    const struct supervise_service *from = &s->services[service];
    char reason[SNAPSHOT_TEXT_SIZE];
    struct line l = line_make(reason, sizeof(reason));
    const struct words w = {
        .s = s, .index = service, .service = from, .names = names, .line = &l
    };

    if (knows_why(from, ret)) {
        words_of[from->state](&w);
        snapshot_set_text(ret->reason, sizeof(ret->reason), reason, l.length);
    }
    ret->state = from->state;
    ret->pid = from->status.pid;
    ret->since_us = from->since_ns / NS_PER_US;
    ret->restarts = from->restarts;
    ret->last_end = from->last_end;
    ret->last_code = from->last_code;
    if (from->state != SNAPSHOT_FAILED)
        ret->line_count = 0;
}
