#include "sim_cell.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const held_names[SIM_HELD_MAX_] = {
    [SIM_HELD_SELF] = "itself",
    [SIM_HELD_SELF_UNSTABLE] = "itself, unstable",
    [SIM_HELD_ALIVE] = "alive",
    [SIM_HELD_UNSTABLE] = "unstable",
    [SIM_HELD_UNREACHABLE] = "unreachable",
    [SIM_HELD_NOBODY] = "nobody",
};

/* Whom a frame is about, and so which states it can meet. */
enum about { ABOUT_UNUSED, ABOUT_SENDER, ABOUT_RECEIVER, ABOUT_NAMED };

static const struct {
    const char *name;
    enum about about;
} kinds[WIRE_KIND_MAX_] = {
    [WIRE_BEAT] = { "beat", ABOUT_SENDER },
    [WIRE_PROBE] = { "probe", ABOUT_RECEIVER },
    [WIRE_ANSWER] = { "answer", ABOUT_SENDER },
    [WIRE_CALL] = { "call", ABOUT_NAMED },
    [WIRE_REPORT] = { "report", ABOUT_NAMED },
    [WIRE_UNREACHABLE] = { "unreachable", ABOUT_NAMED },
    [WIRE_SIGNED] = { "signed", ABOUT_NAMED },
    [WIRE_UNSTABLE] = { "unstable", ABOUT_NAMED },
    [WIRE_SUMMARY] = { "summary", ABOUT_SENDER },
    [WIRE_HELD] = { "held", ABOUT_NAMED },
    [WIRE_SUSPECT] = { "suspect", ABOUT_UNUSED }, /* of random targets */
};

static bool is_possible(enum wire_kind kind, enum sim_held held)
{
    bool self = held == SIM_HELD_SELF || held == SIM_HELD_SELF_UNSTABLE;

    switch (kinds[kind].about) {
    case ABOUT_SENDER: /* never ourselves, and a stranger's packet is refused as a whole */
        return !self && held != SIM_HELD_NOBODY;
    case ABOUT_RECEIVER:
        return self;
    case ABOUT_NAMED:
        return true;
    case ABOUT_UNUSED:
    default:
        return false;
    }
}

static uint16_t find_subject(const struct swim *core, const struct roster *roster, uint16_t from,
                             const struct wire_frame *f)
{
    switch (f->kind) {
    case WIRE_CALL:
        return roster_find(roster, f->call.subject);
    case WIRE_REPORT:
        return roster_find(roster, f->report.subject);
    case WIRE_UNREACHABLE:
        return roster_find(roster, f->unreachable.subject);
    case WIRE_SIGNED:
        return roster_find(roster, f->proved.subject);
    case WIRE_UNSTABLE:
        return roster_find(roster, f->unstable.subject);
    case WIRE_HELD:
        return roster_find(roster, f->held.subject);
    case WIRE_PROBE:
        return swim_self(core);
    case WIRE_BEAT:
    case WIRE_ANSWER:
    case WIRE_SUMMARY:
    case WIRE_SUSPECT:
    case WIRE_KIND_MAX_:
    default:
        return from;
    }
}

static enum sim_held held_of(const struct swim *core, uint16_t slot)
{
    enum wire_standing standing;

    if (slot == ROSTER_NONE)
        return SIM_HELD_NOBODY;
    standing = swim_standing(core, slot);
    if (slot == swim_self(core))
        return standing == WIRE_STANDING_UNSTABLE ? SIM_HELD_SELF_UNSTABLE : SIM_HELD_SELF;
    if (standing == WIRE_STANDING_UNREACHABLE)
        return SIM_HELD_UNREACHABLE;
    return standing == WIRE_STANDING_UNSTABLE ? SIM_HELD_UNSTABLE : SIM_HELD_ALIVE;
}

bool sim_cells_note(uint64_t cells[static SIM_CELLS], const struct swim *core,
                    const struct roster *roster, uint16_t from, const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    struct wire_frame f;

    if (swim_self(core) == ROSTER_NONE || from == swim_self(core) || !roster_member(roster, from) ||
        wire_check(bytes, size) < 0)
        return false;
    while (wire_next(&c, &f) == 1) {
        enum sim_held held = held_of(core, find_subject(core, roster, from, &f));

        CHECK(is_possible(f.kind, held));
        cells[f.kind * SIM_HELD_MAX_ + held]++;
    }
    return true;
}

unsigned int sim_cells_print(const uint64_t cells[static SIM_CELLS])
{
    unsigned int missing = 0;

    printf("what was heard about whom a node holds to be:\n  %12s", "");
    for (int held = 0; held < SIM_HELD_MAX_; held++)
        printf(" %16s", held_names[held]);
    printf("\n");
    for (int kind = WIRE_BEAT; kind < WIRE_KIND_MAX_; kind++) {
        if (kinds[kind].about == ABOUT_UNUSED)
            continue;
        printf("  %12s", kinds[kind].name);
        for (int held = 0; held < SIM_HELD_MAX_; held++) {
            uint64_t count = cells[kind * SIM_HELD_MAX_ + held];

            if (!is_possible((enum wire_kind)kind, (enum sim_held)held)) {
                printf(" %16s", "-");
                continue;
            }
            printf(" %16" PRIu64, count);
            missing += count == 0;
        }
        printf("\n");
    }
    return missing;
}
