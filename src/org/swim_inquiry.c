/* Inquiries: probes by several observers, reports to the one who asked, and the verdict. */
#include "org/swim_state.h"

#include <string.h>

#define TAKEOVER_NS (250 * NS_PER_MS) /* a helper hears the verdict by then, or asks itself */

enum {
    REPORT_FROM = 3, /* unanswered probes that make a vote */
    GIVE_UP_WINDOWS = 4,
    AGAIN = 2,
    FIRST_CALLS = 6,
    ASKED_MIN = 4,  /* calls that make silence mean something; all that a crowd allows */
    CROWD_OPEN = 3, /* inquiries at once */
    CROWD_GONE = 4, /* verdicts of late */
};

struct inquiry *inquiry_find(struct swim *s, uint16_t subject)
{
    for (size_t i = 0; i < POOL_MAX; i++) {
        if (s->pool[i].purposes != 0 && s->pool[i].subject == subject)
            return &s->pool[i];
    }
    return NULL;
}

static struct inquiry *find_free(struct swim *s, uint8_t purpose)
{
    struct inquiry *q = NULL;
    size_t helped = 0;

    for (size_t i = 0; i < POOL_MAX; i++) {
        if (s->pool[i].purposes == 0)
            q = &s->pool[i];
        else if (s->pool[i].purposes == PURPOSE_HELP)
            helped++;
    }
    /* What others ask for must not keep us from asking about our own subjects. */
    if (!q || (purpose == PURPOSE_HELP && helped >= HELPED_MAX)) {
        count(s, SWIM_COUNT_POOL_FULL);
        return NULL;
    }
    return q;
}

/* We ask about it ourselves just now: it is hardly the one to help. */
static bool is_doubted(struct swim *s, uint16_t slot)
{
    const struct inquiry *q = inquiry_find(s, slot);

    return q && q->purposes & PURPOSE_OPEN;
}

/* Much is asked at once, or many have just gone, as in a split: who goes on as if the only one
 * starves everybody. */
bool inquiry_is_crowded(const struct swim *s)
{
    size_t used = 0;

    if (s->gone_count >= CROWD_GONE)
        return true;
    for (size_t i = 0; i < POOL_MAX; i++)
        used += (s->pool[i].purposes & (PURPOSE_OPEN | PURPOSE_HELP)) != 0;
    return used >= CROWD_OPEN;
}

/* Reachable observers of the subject first; then, where there are few or none of them, neighbours
 * of ours, so that what one deaf node believes is never passed on unconfirmed. */
static size_t list_helpers(struct swim *s, const struct inquiry *q, uint16_t ret[REPORTS_MAX])
{
    const struct roster_member *m = roster_member(s->roster, q->subject);
    /* In a split most of the others who observe it may be gone with it. */
    bool near = q->second && inquiry_is_crowded(s);
    size_t helpers = 0, substitutes = 0;

    /* Nobody of ours: it has no observers to speak of, or we would not ask, and several of us look
     * after it. Were each to call four others, it could not answer them all. */
    if (!q->second && !edge_find(s, q->subject))
        return 0;
    for (uint8_t i = 0; m && !near && i < m->observer_count; i++) {
        uint16_t slot = m->observers[i];

        if (slot != s->self && s->members[slot].standing != WIRE_STANDING_UNREACHABLE &&
            (q->second || !is_doubted(s, slot)))
            ret[helpers++] = slot;
    }
    if (!q->second && !inquiry_is_crowded(s))
        return helpers;
    for (uint8_t i = 0; i < s->edge_count && substitutes < SUBSTITUTES_MAX; i++) {
        uint16_t slot = s->edges[i].slot;

        if (slot == q->subject || s->members[slot].standing == WIRE_STANDING_UNREACHABLE ||
            watch_is_doubted(s, i) || roster_adjacent(s->roster, q->subject, slot))
            continue;
        ret[helpers++] = slot;
        substitutes++;
    }
    CHECK(helpers <= REPORTS_MAX);
    return helpers;
}

static bool has_reported(const struct inquiry *q, uint16_t slot)
{
    for (uint8_t i = 0; i < q->report_count; i++) {
        if (q->reporters[i] == slot)
            return true;
    }
    return false;
}

/* Of probes. Calls are worth more: who is called probes too. */
static enum send_class probe_class(const struct swim *s)
{
    return inquiry_is_crowded(s) ? SEND_CALL : SEND_INQUIRY;
}

/* Calls `limit` helpers, from this one of their list on. */
static void call_some(struct swim *s, struct inquiry *q, size_t start, size_t limit)
{
    struct wire_frame f = { .kind = WIRE_CALL };
    uint16_t helpers[REPORTS_MAX];
    size_t helper_count = list_helpers(s, q, helpers), called = 0;

    f.call.subject = roster_member(s->roster, q->subject)->id;
    f.call.number = q->number;
    f.call.window_ms = (uint16_t)(q->window_ns / NS_PER_MS);
    f.call.incarnation = s->members[q->subject].incarnation;
    for (size_t i = 0; i < helper_count && called < limit; i++) {
        uint16_t to = helpers[(start + i) % helper_count];

        if (has_reported(q, to))
            continue;
        if (frame_send(s, &f, to, SEND_CALL))
            called++;
        else
            q->denied = true;
    }
    q->asked = (uint8_t)(q->asked + called);
    q->waiting = (uint8_t)(helper_count > limit ? helper_count - limit : 0);
}

/* Six helpers are called at once, whose votes are enough, and the others when we probe
 * again: nine calls for every lost packet would leave nothing for those who ask about us. In a
 * crowd a few are asked, not always the same. */
static void call_helpers(struct swim *s, struct inquiry *q)
{
    bool crowded = inquiry_is_crowded(s), at_once = q->second || q->taken;
    size_t former = q->asked;

    q->asked = 0;
    q->denied = false;
    if (!q->second)
        q->first = (uint8_t)rng_below(&s->rng, REPORTS_MAX);
    call_some(s, q, q->second ? former : q->first,
              crowded   ? ASKED_MIN
              : at_once ? REPORTS_MAX
                        : FIRST_CALLS);
    if (crowded)
        q->waiting = 0;
}

static void call_waiting(struct swim *s, struct inquiry *q)
{
    if (!inquiry_is_crowded(s))
        call_some(s, q, q->first + q->asked, q->waiting);
    q->waiting = 0;
}

static void restart(struct swim *s, struct inquiry *q, uint64_t window_ns)
{
    q->number = s->number++;
    q->probes = 0;
    q->reported = 0;
    q->report_count = 0;
    q->second = false;
    q->voucher = ROSTER_NONE;
    q->start_ns = s->now_ns;
    q->next_ns = s->now_ns;
    q->window_ns = window_ns;
}

struct inquiry *inquiry_start(struct swim *s, uint16_t subject, uint8_t purpose, uint64_t window_ns)
{
    const struct member *m = &s->members[subject];
    struct inquiry *q = inquiry_find(s, subject);
    bool fresh = !q;

    CHECK(subject != s->self && roster_member(s->roster, subject));
    if (!q) {
        q = find_free(s, purpose);
        if (!q)
            return NULL;
        memset(q, 0, sizeof(*q));
        q->subject = subject;
        q->claim = (enum wire_standing)m->standing;
        q->claim_incarnation = m->incarnation;
    }
    if (fresh || (purpose == PURPOSE_OPEN && !(q->purposes & PURPOSE_OPEN)))
        restart(s, q, window_ns);
    if (purpose == PURPOSE_OPEN && !(q->purposes & PURPOSE_OPEN)) {
        count(s, SWIM_COUNT_INQUIRIES);
        call_helpers(s, q);
    }
    q->purposes |= purpose;
    return q;
}

static void report(struct swim *s, const struct inquiry *q, uint8_t unanswered)
{
    struct wire_frame f = { .kind = WIRE_REPORT };

    f.report.subject = roster_member(s->roster, q->subject)->id;
    f.report.unanswered = unanswered;
    for (uint8_t i = 0; i < q->caller_count; i++) {
        f.report.number = q->caller_numbers[i];
        (void)frame_send(s, &f, q->callers[i], SEND_REPORT); /* a lost report is allowed for */
    }
}

void inquiry_heard(struct swim *s, uint16_t subject, uint64_t received_ns)
{
    struct inquiry *q = inquiry_find(s, subject);

    if (!q || received_ns < q->start_ns)
        return;
    if (s->members[subject].standing == WIRE_STANDING_UNREACHABLE)
        return; /* it is back, but has not said so yet: go on telling it */
    if (q->purposes & PURPOSE_HELP)
        report(s, q, 0);
    if (q->purposes & PURPOSE_OPEN && !edge_find(s, subject))
        repair_adopt(s, subject, NULL);
    count(s, SWIM_COUNT_ANSWERED);
    q->purposes = 0;
}

/* Observers that must be silent for a verdict at the end of the first window: six of ten. Who is
 * itself held unreachable can say nothing and is not counted: in a split, half of them. */
static size_t votes_needed(const struct swim *s, uint16_t subject)
{
    const struct roster_member *m = roster_member(s->roster, subject);
    size_t able = 0;

    for (uint8_t i = 0; i < m->observer_count; i++)
        able += s->members[m->observers[i]].standing != WIRE_STANDING_UNREACHABLE;
    able = (able * 6u + 9) / 10;
    return able < 2 && m->observer_count > 1 ? 2 : able;
}

static size_t votes(const struct inquiry *q)
{
    size_t silent = q->probes >= REPORT_FROM; /* ourselves */

    for (uint8_t i = 0; i < q->report_count; i++)
        silent += q->reports[i] >= REPORT_FROM;
    return silent;
}

static void verdict(struct swim *s, const struct inquiry *q)
{
    size_t silent = votes(q), observers = roster_member(s->roster, q->subject)->observer_count;
    /* In an org of two there is nobody to ask and nobody to tell. */
    bool alone = silent < 2 && observers > 1;

    if (alone)
        count(s, SWIM_COUNT_VERDICTS_ALONE);
    else
        count(s, silent >= votes_needed(s, q->subject) ? SWIM_COUNT_VERDICTS_STRONG
                                                       : SWIM_COUNT_VERDICTS_WEAK);
    news_verdict(s, q->subject, !alone);
}

/* Silence of few is evidence only when the budget let us ask more than a few. */
static bool could_ask(const struct inquiry *q)
{
    return !q->denied || q->asked >= ASKED_MIN;
}

/* Of the second window. In a crowd the helpers' budgets delay their probes, and so their reports:
 * who has none yet waits for another window. */
static uint64_t end_ns(const struct swim *s, const struct inquiry *q)
{
    return q->start_ns + (votes(q) <= 1 && inquiry_is_crowded(s) ? 3 : 2) * q->window_ns;
}

/* Ours has had its window, or a report came after it. True when it is over. */
static bool settle(struct swim *s, struct inquiry *q)
{
    if (votes(q) < votes_needed(s, q->subject)) {
        if (!q->second) {
            count(s, SWIM_COUNT_SECOND_WINDOWS);
            q->second = true;
            q->next_ns = end_ns(s, q);
            if (votes(q) < 2 || !inquiry_is_crowded(s))
                call_helpers(s, q);
            return false;
        }
        q->next_ns = end_ns(s, q);
        if (s->now_ns < q->next_ns)
            return false;
        /* Alone we judge only when we are cut off from everybody. While others are heard, silence
         * of all whom we asked is loss, and we ask again soon. */
        if ((votes(q) <= 1 && s->heard_ns >= q->start_ns) ||
            ((votes(q) <= 1 || q->taken) && !could_ask(q))) {
            count(s, SWIM_COUNT_INCONCLUSIVE);
            watch_retry(s, q->subject);
            return true;
        }
    }
    verdict(s, q);
    return true;
}

/* Opens what was over for two more probes: who was busy answers one of them. */
static void probe_again(struct swim *s, struct inquiry *q)
{
    uint64_t step_ns = q->window_ns / PROBES_MAX;

    q->second = false;
    q->probes = PROBES_MAX - AGAIN;
    q->next_ns = s->now_ns;
    q->start_ns = s->now_ns - (PROBES_MAX - AGAIN) * step_ns;
}

/* The subject is silent towards us, and whoever asked has our report. Should the asker fall silent
 * too, one of us asks in its place: at different times, so that one does it for all, and with the
 * probes that we sent already, so that a round trip decides. True when it is under way. */
static bool take_over(struct swim *s, struct inquiry *q)
{
    if (!edge_find(s, q->subject) || q->purposes != PURPOSE_HELP)
        return false;
    if (!q->second) {
        q->second = true;
        q->next_ns = s->now_ns + TAKEOVER_NS + rng_below(&s->rng, TAKEOVER_NS);
        return true;
    }
    if (inquiry_is_crowded(s))
        return false;
    count(s, SWIM_COUNT_TAKEN_OVER);
    q->purposes = PURPOSE_OPEN;
    q->number = s->number++;
    q->report_count = 0;
    q->taken = true;
    probe_again(s, q);
    call_helpers(s, q);
    return true;
}

static void finish(struct swim *s, struct inquiry *q)
{
    struct edge *e = edge_find(s, q->subject);

    if (take_over(s, q))
        return;
    if (q->purposes & PURPOSE_OPEN && !settle(s, q))
        return;
    if (e && q->purposes & (PURPOSE_OPEN | PURPOSE_HELP))
        e->voted = true;
    if (q->purposes & PURPOSE_CHECK && !(q->purposes & PURPOSE_OPEN) &&
        record_is_news(s, q->subject, q->claim_incarnation, WIRE_STANDING_UNREACHABLE)) {
        count(s, SWIM_COUNT_CHECKS_SILENT);
        record_set(s, q->subject, q->claim_incarnation, WIRE_STANDING_UNREACHABLE);
    }
    q->purposes = 0;
}

static void probe(struct swim *s, struct inquiry *q)
{
    struct wire_frame f;
    struct packet p;

    packet_start(&p);
    /* Should the subject have lost what it once signed, it gets it back. */
    if (q->purposes & PURPOSE_TRY && news_signed_frame(s, q->subject, &f))
        CHECK(packet_add(&p, &f));
    memset(&f, 0, sizeof(f));
    f.kind = WIRE_PROBE;
    f.probe.standing = q->claim;
    f.probe.incarnation = q->claim_incarnation;
    CHECK(packet_add(&p, &f));
    /* Denied by the budget, the probe is not sent and not counted, and the inquiry takes longer. */
    if (packet_send(s, &p, q->subject, probe_class(s)))
        q->probes++;
}

/* The window is over and the others have voted, although the budget denied some probes of ours. */
static bool has_enough_votes(const struct swim *s, const struct inquiry *q)
{
    return q->purposes & PURPOSE_OPEN && s->now_ns >= q->start_ns + q->window_ns &&
           votes(q) >= votes_needed(s, q->subject);
}

static void run_one(struct swim *s, struct inquiry *q)
{
    uint64_t step_ns = q->window_ns / PROBES_MAX;

    if (q->second) {
        finish(s, q);
        return;
    }
    if (s->now_ns - q->start_ns > GIVE_UP_WINDOWS * q->window_ns) {
        q->purposes = 0; /* our budget starved it: no evidence of anything */
        watch_retry(s, q->subject);
        return;
    }
    /* Once for each probe: reports that repeat while a probe is denied would use up the budget that
     * the probe waits for. */
    if (q->purposes & PURPOSE_HELP && q->probes >= REPORT_FROM && q->probes > q->reported) {
        report(s, q, q->probes);
        q->reported = q->probes;
    }
    if (q->probes == PROBES_MAX || has_enough_votes(s, q) ||
        (q->purposes == PURPOSE_HELP && q->probes == REPORT_FROM && inquiry_is_crowded(s))) {
        finish(s, q);
        return;
    }
    if (q->waiting > 0 && s->now_ns >= q->start_ns + step_ns)
        call_waiting(s, q);
    probe(s, q);
    q->next_ns += step_ns;
    if (q->next_ns <= s->now_ns)
        q->next_ns = s->now_ns + step_ns;
}

void inquiry_run(struct swim *s)
{
    for (size_t i = 0; i < POOL_MAX; i++) {
        struct inquiry *q = &s->pool[i];

        if (q->purposes != 0 && s->now_ns >= q->next_ns)
            run_one(s, q);
    }
}

uint64_t inquiry_deadline(const struct swim *s)
{
    uint64_t next_ns = NEVER_NS;

    for (size_t i = 0; i < POOL_MAX; i++) {
        if (s->pool[i].purposes != 0)
            next_ns = earlier(next_ns, s->pool[i].next_ns);
    }
    return next_ns;
}

static void add_caller(struct inquiry *q, uint16_t from, uint16_t number)
{
    for (uint8_t i = 0; i < q->caller_count; i++) {
        if (q->callers[i] == from) {
            q->caller_numbers[i] = number;
            return;
        }
    }
    if (q->caller_count == CALLERS_MAX)
        return; /* the others carry the verdict */
    q->callers[q->caller_count] = from;
    q->caller_numbers[q->caller_count++] = number;
}

/* Somebody asks about us. */
static void answer_for_self(struct swim *s, uint16_t from, const struct wire_call *call)
{
    struct wire_frame f = { .kind = WIRE_REPORT };

    f.report.subject = call->subject;
    f.report.number = call->number;
    (void)frame_send(s, &f, from, SEND_REPORT); /* it probes us as well */
}

void inquiry_call(struct swim *s, uint16_t from, const struct wire_call *call)
{
    uint16_t subject = roster_find(s->roster, call->subject);
    const struct edge *e;
    struct inquiry *q;
    uint64_t window_ns;

    if (subject == ROSTER_NONE)
        return; /* the rosters differ for a while */
    if (subject == s->self) {
        answer_for_self(s, from, call);
        return;
    }
    if (!roster_adjacent(s->roster, subject, from) && !edge_find(s, from)) {
        count(s, SWIM_COUNT_CALLS_REFUSED);
        return;
    }
    if (s->members[subject].standing == WIRE_STANDING_UNREACHABLE &&
        s->members[subject].incarnation >= call->incarnation) {
        news_tell_one(s, subject, from);
        return;
    }
    e = edge_find(s, subject);
    window_ns = e ? watch_window(s, e) : s->p->window_ns;
    if (window_ns < call->window_ms * NS_PER_MS)
        window_ns = earlier(call->window_ms * NS_PER_MS, s->p->window_max_ns);
    if (!inquiry_find(s, subject) && budget_used(s) > HELP_USED_MAX)
        return;
    q = inquiry_start(s, subject, PURPOSE_HELP, window_ns);
    if (!q)
        return;
    add_caller(q, from, call->number);
    if (!q->second)
        return;
    report(s, q, q->probes);
    if (q->purposes == PURPOSE_HELP)
        probe_again(s, q);
}

/* One voice may end an inquiry, but not every inquiry: a liar, or the one observer that a subject
 * still answers, is heard again only beside another. */
static void vouched(struct swim *s, struct inquiry *q, uint16_t from)
{
    struct edge *e = edge_find(s, q->subject);

    if (e && (e->voucher == from || q->voucher == from)) {
        q->voucher = from;
        return;
    }
    if (e)
        e->voucher = from;
    count(s, SWIM_COUNT_ANSWERED_ELSEWHERE);
    q->purposes &= (uint8_t)~PURPOSE_OPEN;
}

void inquiry_report(struct swim *s, uint16_t from, const struct wire_report *report)
{
    uint16_t subject = roster_find(s->roster, report->subject);
    struct inquiry *q = subject == ROSTER_NONE ? NULL : inquiry_find(s, subject);
    uint8_t at = 0;

    if (!q || !(q->purposes & PURPOSE_OPEN) || report->number != q->number)
        return;
    if (!roster_adjacent(s->roster, subject, from) && !edge_find(s, from) && from != subject)
        return;
    if (report->unanswered == 0) {
        vouched(s, q, from);
        return;
    }
    while (at < q->report_count && q->reporters[at] != from)
        at++;
    if (at == REPORTS_MAX)
        return;
    if (at == q->report_count) {
        q->reporters[at] = from;
        q->reports[at] = 0;
        q->report_count++;
    }
    if (report->unanswered > q->reports[at])
        q->reports[at] = report->unanswered;
    if (q->second)
        finish(s, q);
}

void inquiry_void(struct swim *s)
{
    for (size_t i = 0; i < POOL_MAX; i++)
        s->pool[i].purposes = 0;
}

void inquiry_close(struct swim *s, uint16_t subject)
{
    struct inquiry *q = inquiry_find(s, subject);

    if (q)
        q->purposes = 0;
}

bool inquiry_is_helping(struct swim *s, uint16_t subject)
{
    const struct inquiry *q = inquiry_find(s, subject);

    return q && q->purposes & PURPOSE_HELP;
}

bool inquiry_voted(struct swim *s, uint16_t subject)
{
    const struct inquiry *q = inquiry_find(s, subject);

    return q && q->probes >= REPORT_FROM;
}
