#include "sim_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/code.h"
#include "base/number.h"
#include "sim_world.h"

/* A session of kernel WireGuard is renewed every two minutes; the two sides share its cost. Outer
 * bytes on IPv4 of initiation, response and the first empty packet: 176 + 120 + 60. */
enum { SESSION_BYTES_4 = 356, SESSION_BYTES_6 = 416, SESSION_S = 120 };

struct scenario {
    const char *name;
    uint16_t nodes;
    uint16_t kills; /* in one world */
    uint16_t worlds;
    uint64_t rtt_ms;
    uint32_t loss_ppm;
    uint32_t slow_ppm; /* share of nodes that freeze again and again ... */
    uint64_t slow_ms;  /* ... for so long; 0: 0.5, 2, 8 and 32 s in turn */
    uint64_t minutes;
    uint64_t
        limit_ms; /* the 99th percentile, or the time to see a split, must not be above; 0 none */
    bool random;  /* targets, instead of the overlay */
};

/* What must hold whatever is simulated. */
#define IDLE_MAX_4     150.0 /* bytes a second and node */
#define IDLE_MAX_6     175.0
#define SLOW_MAX       12.0 /* verdicts about a slow node in an hour */
#define SLOW_BYTES_MAX 600.0
#define LOSS_QUIET_PPM 100000 /* up to this loss no verdict is false */

struct figures {
    const struct scenario *sc;
    struct rng rng;
    uint64_t *killed_ns; /* by slot; 0 never */
    uint64_t *known_ns;  /* when the last node heard */
    uint64_t *delays;    /* results */
    size_t delay_count, unknown;
    uint64_t false_verdicts, slow_verdicts;
    uint32_t *seen; /* incarnation + 1 of the last verdict counted for a subject */
    bool *is_slow;
};

static struct sim_world *make_world(struct figures *f, uint64_t seed)
{
    const struct scenario *sc = f->sc;
    struct sim_network net = { .rtt_ns = sc->rtt_ms * NS_PER_MS,
                               .jitter_ppm = 200000,
                               .loss_ppm = sc->loss_ppm };
    struct sim_world *w = sim_world_new(seed, sc->nodes, 0, &net);

    w->light = true;
    if (sc->random)
        w->parameters = &swim_parameters_random;
    for (uint16_t i = 0; i < sc->nodes; i++)
        sim_node_start(w, i);
    rng_seed(&f->rng, seed + 1);
    return w;
}

static void figures_init(struct figures *f, const struct scenario *sc)
{
    size_t kills = (size_t)sc->kills * sc->worlds + 1;

    memset(f, 0, sizeof(*f));
    f->sc = sc;
    f->killed_ns = calloc(sc->nodes, sizeof(uint64_t));
    f->known_ns = calloc(sc->nodes, sizeof(uint64_t));
    f->delays = calloc(kills, sizeof(uint64_t));
    f->seen = calloc(sc->nodes, sizeof(uint32_t));
    f->is_slow = calloc(sc->nodes, sizeof(bool));
    CHECK(f->killed_ns && f->known_ns && f->delays && f->seen && f->is_slow);
}

static void figures_done(struct figures *f)
{
    free(f->killed_ns);
    free(f->known_ns);
    free(f->delays);
    free(f->seen);
    free(f->is_slow);
}

/* A false positive is a verdict about a node that was neither stopped nor slowed. */
static void on_change(void *context, struct sim_world *w, const struct sim_change *c)
{
    struct figures *f = context;

    if (c->standing != WIRE_STANDING_UNREACHABLE)
        return;
    if (!w->nodes[c->subject].core) {
        if (!f->is_slow[c->node])
            f->known_ns[c->subject] = c->at_ns;
        return;
    }
    if (f->seen[c->subject] == c->incarnation + 1)
        return;
    f->seen[c->subject] = c->incarnation + 1;
    if (f->is_slow[c->subject])
        f->slow_verdicts++;
    else if (f->killed_ns[c->subject] == 0) /* a node that was restarted is told so */
        f->false_verdicts++;
}

static void slow_some(struct figures *f, struct sim_world *w, uint64_t until_ns)
{
    static const uint64_t ms[] = { 500, 2000, 8000, 32000 };
    uint32_t count = (uint32_t)((uint64_t)f->sc->nodes * f->sc->slow_ppm / 1000000);

    for (uint32_t i = 0; i < count; i++) {
        uint16_t slot = (uint16_t)(i * (f->sc->nodes / count));
        uint64_t for_ms = f->sc->slow_ms ? f->sc->slow_ms : ms[i % ARRAY_SIZE(ms)];

        f->is_slow[slot] = true;
        sim_node_slow(w, slot, for_ms * NS_PER_MS, until_ns);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t first, second;

    memcpy(&first, a, sizeof(first));
    memcpy(&second, b, sizeof(second));
    return first < second ? -1 : first > second;
}

static double percentile(const struct figures *f, size_t per_thousand)
{
    size_t at = f->delay_count * per_thousand / 1000;

    if (f->delay_count == 0)
        return 0;
    return (double)f->delays[at < f->delay_count ? at : f->delay_count - 1] / 1e9;
}

/* All nodes that are up and not slow themselves: who is frozen cannot know anything. */
static bool everybody_knows(const struct figures *f, const struct sim_world *w, uint16_t victim)
{
    for (uint16_t i = 0; i < w->capacity; i++) {
        const struct sim_node *n = &w->nodes[i];

        if (n->core && !f->is_slow[i] &&
            swim_standing(n->core, victim) != WIRE_STANDING_UNREACHABLE)
            return false;
    }
    return true;
}

static uint16_t pick_victim(struct figures *f)
{
    uint16_t slot;

    do
        slot = (uint16_t)rng_below(&f->rng, f->sc->nodes);
    while (f->killed_ns[slot] != 0 || f->is_slow[slot]);
    return slot;
}

/* Kills one node after another at uniform moments, each node once, and restarts it when all know.
 */
static void kill_some(struct figures *f, struct sim_world *w)
{
    for (uint16_t i = 0; i < f->sc->kills; i++) {
        uint16_t victim = pick_victim(f);
        unsigned int looks = 0;

        (void)sim_world_run(w, w->now_ns + 30 * NS_PER_S + rng_below(&f->rng, 950 * NS_PER_MS));
        f->killed_ns[victim] = w->now_ns;
        sim_node_crash(w, victim, false);
        do
            (void)sim_world_run(w, w->now_ns + NS_PER_S / 2);
        while (!everybody_knows(f, w, victim) && ++looks < 60);
        if (looks == 60)
            f->unknown++;
        else
            f->delays[f->delay_count++] = f->known_ns[victim] - f->killed_ns[victim];
        sim_node_start(w, victim);
    }
}

static bool no_violation(const struct sim_world *w)
{
    if (w->violation)
        printf("  VIOLATION: node %u %s\n", w->violation_node, w->violation);
    return !w->violation;
}

static bool kills(const struct scenario *sc)
{
    struct figures f;
    bool good = true;

    figures_init(&f, sc);
    for (uint16_t world = 0; world < sc->worlds; world++) {
        struct sim_world *w = make_world(&f, 1000 + world);

        memset(f.killed_ns, 0, sc->nodes * sizeof(uint64_t));
        memset(f.seen, 0, sc->nodes * sizeof(uint32_t));
        w->hooks = (struct sim_hooks){ .context = &f, .changed = on_change };
        slow_some(&f, w, UINT64_MAX / 4);
        (void)sim_world_run(w, 20 * NS_PER_S);
        kill_some(&f, w);
        good &= no_violation(w);
        sim_world_free(w);
    }
    qsort(f.delays, f.delay_count, sizeof(uint64_t), by_size);
    printf("  %-34s %6u nodes %5zu kills: all know p50 %.2f p99 %.2f max %.2f s; %zu not known, "
           "%" PRIu64 " false\n",
           sc->name, sc->nodes, f.delay_count, percentile(&f, 500), percentile(&f, 990),
           percentile(&f, 1000), f.unknown, f.false_verdicts);
    (void)fflush(stdout); /* for whoever watches */
    if (sc->limit_ms > 0 && (f.unknown > 0 || f.false_verdicts > 0 ||
                             percentile(&f, 990) * 1000 > (double)sc->limit_ms))
        good = false;
    figures_done(&f);
    return good;
}

struct traffic {
    uint64_t packets, payload, outer4, outer6;
};

static struct traffic traffic_sum(const struct sim_world *w)
{
    struct traffic t = { 0 };

    for (uint16_t i = 0; i < w->capacity; i++) {
        t.packets += w->nodes[i].packets;
        t.payload += w->nodes[i].payload_bytes;
        t.outer4 += w->nodes[i].outer4_bytes;
        t.outer6 += w->nodes[i].outer6_bytes;
    }
    return t;
}

static double observers_mean(const struct sim_world *w)
{
    double sum = 0;

    for (uint16_t i = 0; i < w->capacity; i++)
        sum += roster_member(sim_world_roster(w), i)->observer_count;
    return sum / w->capacity;
}

static bool idle(const struct scenario *sc)
{
    struct figures f;
    struct sim_world *w;
    struct traffic before, after;
    double seconds = (double)sc->minutes * 60, sessions, node_s = seconds * sc->nodes, outer4,
           outer6;
    clock_t start;
    bool good;

    figures_init(&f, sc);
    w = make_world(&f, 1);
    w->hooks = (struct sim_hooks){ .context = &f, .changed = on_change };
    (void)sim_world_run(w, 30 * NS_PER_S);
    before = traffic_sum(w);
    start = clock();
    (void)sim_world_run(w, w->now_ns + sc->minutes * SIM_MINUTE_NS);
    start = clock() - start;
    after = traffic_sum(w);
    sessions = observers_mean(w) / 2 / SESSION_S; /* renewals a second, our half */
    outer4 = (double)(after.outer4 - before.outer4) / node_s + sessions * SESSION_BYTES_4;
    outer6 = (double)(after.outer6 - before.outer6) / node_s + sessions * SESSION_BYTES_6;
    printf("  %-34s %6u nodes %.0f min: IPv4 %.1f, IPv6 %.1f B/s with handshakes (%.1f and %.1f "
           "without), payload %.1f B/s, %.2f packets/s, %" PRIu64 " verdicts; %.0f node-s/s\n",
           sc->name, sc->nodes, seconds / 60, outer4, outer6,
           (double)(after.outer4 - before.outer4) / node_s,
           (double)(after.outer6 - before.outer6) / node_s,
           (double)(after.payload - before.payload) / node_s,
           (double)(after.packets - before.packets) / node_s, f.false_verdicts,
           node_s * CLOCKS_PER_SEC / (double)(start > 0 ? start : 1));
    good = no_violation(w) && f.false_verdicts == 0 &&
           (sc->random || (outer4 <= IDLE_MAX_4 && outer6 <= IDLE_MAX_6));
    sim_world_free(w);
    figures_done(&f);
    return good;
}

/* Counts after the first ten minutes, in which damping learns who is slow. */
static bool falsely(const struct scenario *sc)
{
    struct figures f;
    struct sim_world *w;
    struct traffic before, after;
    uint64_t early_slow, slow_nodes = (uint64_t)sc->nodes * sc->slow_ppm / 1000000;
    double hours = (double)sc->minutes / 60, per_hour, bytes;
    bool good;

    figures_init(&f, sc);
    w = make_world(&f, 7 + sc->worlds);
    w->hooks = (struct sim_hooks){ .context = &f, .changed = on_change };
    if (slow_nodes > 0)
        slow_some(&f, w, UINT64_MAX / 4);
    (void)sim_world_run(w, 10 * SIM_MINUTE_NS);
    early_slow = f.slow_verdicts;
    before = traffic_sum(w);
    (void)sim_world_run(w, w->now_ns + sc->minutes * SIM_MINUTE_NS);
    after = traffic_sum(w);
    per_hour = slow_nodes ? (double)(f.slow_verdicts - early_slow) / (double)slow_nodes / hours : 0;
    bytes = (double)(after.outer4 - before.outer4) / sc->nodes / hours / 3600;
    printf("  %-34s %6u nodes %.0f node-hours: %" PRIu64 " false; slow nodes %.1f verdicts each "
           "in the first 10 min, then %.2f per hour; %.0f B/s on IPv4\n",
           sc->name, sc->nodes, (hours + 1.0 / 6) * (double)(sc->nodes - slow_nodes),
           f.false_verdicts, slow_nodes ? (double)early_slow / (double)slow_nodes : 0, per_hour,
           bytes);
    (void)fflush(stdout); /* for whoever watches */
    good = no_violation(w);
    if (!sc->random) /* whose figures are shown, not judged */
        good &= per_hour <= SLOW_MAX && bytes < SLOW_BYTES_MAX &&
                (sc->loss_ppm > LOSS_QUIET_PPM || f.false_verdicts == 0);
    sim_world_free(w);
    figures_done(&f);
    return good;
}

static bool sides_know(const struct sim_world *w, double *ret_share)
{
    uint64_t known = 0, all = 0;

    for (uint16_t i = 0; i < w->capacity; i++) {
        for (uint16_t j = 0; j < w->capacity; j++) {
            if (w->nodes[i].group == w->nodes[j].group)
                continue;
            all++;
            known += swim_standing(w->nodes[i].core, j) == WIRE_STANDING_UNREACHABLE;
        }
    }
    *ret_share = (double)known / (double)all;
    return known == all;
}

static bool split(const struct scenario *sc)
{
    struct figures f;
    struct sim_world *w;
    uint64_t start_ns, know_ns = 0, heal_ns;
    const char *why;
    uint16_t node, subject;
    double share = 0;
    bool good;

    figures_init(&f, sc);
    w = make_world(&f, 3 + sc->worlds);
    (void)sim_world_run(w, 30 * NS_PER_S);
    start_ns = w->now_ns;
    for (uint16_t i = 0; i < sc->nodes; i++)
        w->nodes[i].group = (uint16_t)(rng_mix(i) % 2);
    while (w->now_ns < start_ns + 120 * NS_PER_S && know_ns == 0) {
        (void)sim_world_run(w, w->now_ns + NS_PER_S / 10);
        if (sides_know(w, &share))
            know_ns = w->now_ns;
        if ((w->now_ns - start_ns) % (5 * NS_PER_S) == 0)
            printf("    after %2.0f s: %.4f of all pairs\n", (double)(w->now_ns - start_ns) / 1e9,
                   share);
    }
    for (uint16_t i = 0; i < sc->nodes; i++)
        w->nodes[i].group = 0;
    heal_ns = w->now_ns;
    do
        (void)sim_world_run(w, w->now_ns + NS_PER_S);
    while (!sim_world_converged(w, &why, &node, &subject) && w->now_ns < heal_ns + 600 * NS_PER_S);
    printf("  %-34s %6u nodes: both sides know all after %.1f s, agree again %.0f s after "
           "healing\n",
           sc->name, sc->nodes, know_ns ? (double)(know_ns - start_ns) / 1e9 : -1.0,
           (double)(w->now_ns - heal_ns) / 1e9);
    good = no_violation(w) && know_ns != 0 && w->now_ns < heal_ns + 600 * NS_PER_S;
    if (sc->limit_ms > 0 && know_ns - start_ns > sc->limit_ms * NS_PER_MS)
        good = false;
    sim_world_free(w);
    figures_done(&f);
    return good;
}

/* All nodes of the second half crash and come back within seconds, for minutes. Nobody exceeds its
 * bounds meanwhile (the world counts), nobody of the first half is accused, and all agree soon
 * after. */
static bool flap(const struct scenario *sc)
{
    struct figures f;
    struct sim_world *w;
    struct traffic before, after;
    uint64_t start_ns, end_ns, flaps = 0;
    double bytes;
    const char *why;
    uint16_t node, subject;
    bool good, agreed = false;

    figures_init(&f, sc);
    w = make_world(&f, 21);
    w->hooks = (struct sim_hooks){ .context = &f, .changed = on_change };
    for (uint16_t i = sc->nodes / 2; i < sc->nodes; i++)
        f.killed_ns[i] = 1; /* what is said about them is true now and then */
    (void)sim_world_run(w, 20 * NS_PER_S);
    before = traffic_sum(w);
    start_ns = w->now_ns;
    end_ns = start_ns + sc->minutes * SIM_MINUTE_NS;
    while (w->now_ns < end_ns && !w->violation) {
        uint16_t slot = (uint16_t)(sc->nodes / 2 + rng_below(&f.rng, (sc->nodes + 1u) / 2));

        (void)sim_world_run(w, w->now_ns + 10 * NS_PER_S / sc->nodes);
        if (w->nodes[slot].core)
            sim_node_crash(w, slot, false);
        else
            sim_node_start(w, slot);
        flaps++;
    }
    after = traffic_sum(w);
    bytes =
        (double)(after.outer4 - before.outer4) / sc->nodes / (double)(w->now_ns - start_ns) * 1e9;
    for (uint16_t i = 0; i < sc->nodes; i++)
        sim_node_start(w, i);
    while (w->now_ns < end_ns + 600 * NS_PER_S && !w->violation && !agreed) {
        (void)sim_world_run(w, w->now_ns + 5 * NS_PER_S);
        agreed = sim_world_converged(w, &why, &node, &subject);
    }
    printf("  %-34s %6u nodes %" PRIu64 " stops and starts in %" PRIu64 " min: %" PRIu64
           " verdicts about the others, %.0f B/s on IPv4, agree %.0f s after the last\n",
           sc->name, sc->nodes, flaps, sc->minutes, f.false_verdicts, bytes,
           (double)(w->now_ns - end_ns) / 1e9);
    good = no_violation(w) && agreed;
    sim_world_free(w);
    figures_done(&f);
    return good;
}

struct frozen_count {
    const struct figures *f;
    uint64_t stopped, others; /* verdicts, each counted at everybody who took it */
    bool *subjects;
};

static void on_frozen_change(void *context, struct sim_world *w, const struct sim_change *c)
{
    struct frozen_count *count = context;

    if (c->standing != WIRE_STANDING_UNREACHABLE || w->nodes[c->node].frozen_ns > w->now_ns)
        return;
    count->subjects[c->subject] = true;
    if (count->f->is_slow[c->subject])
        count->stopped++;
    else
        count->others++;
}

static uint64_t count_subjects(const struct frozen_count *count, bool stopped)
{
    uint64_t found = 0;

    for (uint16_t i = 0; i < count->f->sc->nodes; i++)
        found += count->subjects[i] && count->f->is_slow[i] == stopped;
    return found;
}

/* The second half of tests/peer/run.py: three members stopped at once, then a fifth of all packets
 * lost. */
static bool peers(const struct scenario *sc)
{
    static const uint64_t seconds[] = { 1, 2, 5, 10, 30 };
    struct figures f;
    struct frozen_count count = { .f = &f };
    struct sim_world *w;
    bool good;

    figures_init(&f, sc);
    w = make_world(&f, 77);
    count.subjects = calloc(sc->nodes, sizeof(bool));
    CHECK(count.subjects);
    w->hooks = (struct sim_hooks){ .context = &count, .changed = on_frozen_change };
    (void)sim_world_run(w, 30 * NS_PER_S);
    for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
        memset(f.is_slow, 0, sc->nodes * sizeof(bool));
        memset(count.subjects, 0, sc->nodes * sizeof(bool));
        count.stopped = count.others = 0;
        (void)sim_world_run(w, w->now_ns + 10 * NS_PER_S);
        for (int j = 0; j < 3; j++) {
            uint16_t slot = pick_victim(&f);

            f.is_slow[slot] = true;
            sim_node_freeze(w, slot, seconds[i] * NS_PER_S);
        }
        (void)sim_world_run(w, w->now_ns + (seconds[i] + 20) * NS_PER_S);
        printf("  3 stopped for %" PRIu64 " s: %" PRIu64 " of them called failed (%" PRIu64
               " times by somebody); %" PRIu64 " others (%" PRIu64 " times)\n",
               seconds[i], count_subjects(&count, true), count.stopped,
               count_subjects(&count, false), count.others);
    }
    memset(f.is_slow, 0, sc->nodes * sizeof(bool));
    memset(count.subjects, 0, sc->nodes * sizeof(bool));
    count.others = 0;
    w->net.loss_ppm = 200000;
    (void)sim_world_run(w, w->now_ns + sc->minutes * SIM_MINUTE_NS);
    printf("  20 %% loss: %" PRIu64 " members called failed (%" PRIu64
           " times by somebody) in %.2f "
           "node-hours\n",
           count_subjects(&count, false), count.others, (double)sc->minutes * sc->nodes / 60);
    good = no_violation(w);
    sim_world_free(w);
    free(count.subjects);
    figures_done(&f);
    return good;
}

static const struct table {
    const char *name;
    bool (*run)(const struct scenario *sc); /* false: something that must not be */
    struct scenario scenarios[8];           /* ends with nodes == 0 */
} tables[] = {
    /* In seconds, for tests: fewer kills, so that the 99th percentile is the slowest. */
    { "check-kills",
      kills,
      { { "RTT 1 ms", 32, 32, 2, 1, 0, 0, 0, 0, 2000 },
        { "RTT 5 ms, 10 % loss", 100, 50, 1, 5, 100000, 0, 0, 0, 2200 },
        { "RTT 100 ms, 5 % loss", 100, 50, 1, 100, 50000, 0, 0, 0, 3500 },
        { "5 % slow (0.5 to 32 s), RTT 1 ms", 100, 50, 1, 1, 0, 50000, 0, 0, 3000 } } },
    { "check-idle", idle, { { "idle", 32, 0, 1, 1, 0, 0, 0, 60 } } },
    { "check-false",
      falsely,
      { { "10 % loss", 100, 0, 1, 1, 100000, 0, 0, 60 },
        { "5 % slow, 10 % loss", 100, 0, 1, 1, 100000, 50000, 0, 60 } } },
    { "check-split",
      split,
      { { "clean split in halves", 100, 0, 0, 1, 0, 0, 0, 0, 10000 },
        { "of more", 300, 0, 1, 1, 0, 0, 0, 0, 9000 } } },
    { "check-flap", flap, { { "half of all", 60, 0, 0, 1, 0, 0, 0, 3 } } },
    { "kills-32",
      kills,
      { { "RTT 1 ms", 32, 32, 32, 1 }, { "RTT 5 ms, 10 % loss", 32, 32, 32, 5, 100000 } } },
    { "kills-1000",
      kills,
      { { "RTT 1 ms", 1000, 250, 4, 1 },
        { "RTT 5 ms", 1000, 250, 4, 5 },
        { "RTT 5 ms, 10 % loss", 1000, 250, 4, 5, 100000 },
        { "RTT 100 ms, 5 % loss", 1000, 250, 4, 100, 50000 },
        { "5 % slow (0.5 to 32 s), RTT 1 ms", 1000, 250, 4, 1, 0, 50000 } } },
    { "kills-loss", kills, { { "RTT 5 ms, 10 % loss", 1000, 100, 2, 5, 100000 } } },
    { "kills-far", kills, { { "RTT 100 ms, 5 % loss", 1000, 100, 2, 100, 50000 } } },
    { "kills-slow", kills, { { "5 % slow, RTT 1 ms", 1000, 100, 2, 1, 0, 50000 } } },
    { "kills-10000", kills, { { "RTT 5 ms, 10 % loss", 10000, 100, 1, 5, 100000 } } },
    { "idle",
      idle,
      { { "idle", 32, 0, 1, 1, 0, 0, 0, 60 }, { "idle", 1000, 0, 1, 1, 0, 0, 0, 10 } } },
    { "false",
      falsely,
      { { "no loss", 1000, 0, 1, 1, 0, 0, 0, 60 },
        { "10 % loss", 1000, 0, 1, 1, 100000, 0, 0, 60 },
        { "5 % slow", 1000, 0, 1, 1, 0, 50000, 0, 60 },
        { "5 % slow, 10 % loss", 1000, 0, 1, 1, 100000, 50000, 0, 60 } } },
    { "false-loss", falsely, { { "25 % loss", 1000, 0, 1, 1, 250000, 0, 0, 20 } } },
    /* What tests/peer/run.py does with processes. */
    { "peers-kills",
      kills,
      { { "overlay", 32, 25, 2, 1, .limit_ms = 2000 },
        { "random targets", 32, 25, 2, 1, .random = true } } },
    { "peers-idle",
      idle,
      { { "overlay", 32, 0, 1, 1, .minutes = 10 },
        { "random targets", 32, 0, 1, 1, .minutes = 10, .random = true } } },
    { "peers-frozen",
      peers,
      { { "overlay", 32, 0, 1, 1, .minutes = 2 },
        { "random targets", 32, 0, 1, 1, .minutes = 2, .random = true } } },
    { "random",
      kills,
      { { "random targets, RTT 1 ms", 100, 50, 1, 1, .random = true },
        { "random targets, RTT 1 ms", 1000, 50, 1, 1, .random = true } } },
    { "idle-day", idle, { { "idle, 24 hours", 2000, 0, 1, 1, 0, 0, 0, 1440 } } },
    { "flap", flap, { { "half of all", 4000, 0, 0, 1, 0, 0, 0, 5 } } },
    { "split",
      split,
      { { "clean split in halves", 1000, 0, 0, 1 },
        { "another org", 1000, 0, 1, 1 },
        { "a third", 1000, 0, 2, 1 },
        { "a fourth", 1000, 0, 3, 1 },
        { "a fifth", 1000, 0, 4, 1 },
        { "a sixth", 1000, 0, 5, 1 },
        { "a seventh", 1000, 0, 6, 1 } } },
};

/* As long as asked for, or as the table says. */
static bool run_scenario(const struct table *t, const struct scenario *sc, uint64_t minutes)
{
    struct scenario longer = *sc;

    if (minutes > 0 && sc->minutes > 0)
        longer.minutes = minutes;
    return t->run(&longer);
}

int sim_figures(const char *const *names, size_t count, uint64_t minutes)
{
    size_t found = 0;
    bool good = true;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        bool wanted = count == 0;

        for (size_t j = 0; j < count; j++)
            wanted |= strcmp(names[j], tables[i].name) == 0 ||
                      (strcmp(names[j], "check") == 0 && strncmp(tables[i].name, "check-", 6) == 0);
        if (!wanted)
            continue;
        found++;
        printf("%s\n", tables[i].name);
        for (const struct scenario *sc = tables[i].scenarios; sc->nodes > 0; sc++)
            good &= run_scenario(&tables[i], sc, minutes);
    }
    if (found > 0 && (count == 0 || found >= count))
        return good ? EXIT_CODE_DONE : EXIT_CODE_ERROR;
    (void)fprintf(stderr, "broch-sim: figures are");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        (void)fprintf(stderr, " %s", tables[i].name);
    (void)fprintf(stderr, "\n");
    return EXIT_CODE_USAGE;
}
