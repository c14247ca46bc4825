/* A liveness core fed by members that send anything at any time. The input is a list of events: who
 * (u8; 0: a timer), how much later (u8, in 8 ms), how long the packet waited in the socket (u8, in
 * 8 ms), its size (u8), its bytes. Whatever comes in, the core keeps its bounds. */
#include <string.h>

#include "base/cursor.h"
#include "base/number.h"
#include "fuzz.h"
#include "org/swim.h"

enum { MEMBERS = 14, CAPACITY = 16, PROOFS = 4, EVENTS_MAX = 64, CHECK_EVERY = 16 };

#define UNIT_NS (8 * NS_PER_MS)

static _Alignas(16) uint8_t roster_memory[8192], core_memory[65536];
static struct swim_effects effects;
static const uint8_t salt[SIPHASH_KEY_SIZE] = { 3 };

static void sign(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                 uint8_t ret_signature[static WIRE_SIGNATURE_SIZE])
{
    memset(ret_signature, 0, WIRE_SIGNATURE_SIZE);
}

/* Signatures of zeros are good, so that refutations get through. */
static bool verify(void *context, uint64_t id, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                   const uint8_t signature[static WIRE_SIGNATURE_SIZE])
{
    return signature[0] == 0;
}

static const struct swim_signer signer = { NULL, sign, verify };

/* Nobody writes to the roster: it is made once for all inputs. */
static const struct roster *the_roster(void)
{
    static const struct roster *made;
    struct roster *r;
    uint16_t slot;

    if (made)
        return made;
    CHECK(roster_size(CAPACITY) <= sizeof(roster_memory));
    r = roster_init(roster_memory, CAPACITY, salt);
    for (uint64_t id = 1; id <= MEMBERS; id++)
        CHECK(roster_add(r, id, &slot) == 0);
    roster_seal(r);
    made = r;
    return made;
}

static struct swim *make_core(uint64_t now_ns)
{
    struct swim_config config = { .parameters = &swim_parameters_overlay,
                                  .signer = &signer,
                                  .roster = the_roster(),
                                  .id = 1,
                                  .seed = 1,
                                  .proofs = PROOFS };

    CHECK(swim_size(CAPACITY, PROOFS) <= sizeof(core_memory));
    return swim_init(core_memory, &config, now_ns, &effects.deadline_ns);
}

/* The last packets of a second, as somebody outside counts them. */
struct window {
    uint64_t sent_ns[SWIM_PACKETS_PER_S];
    uint32_t count;
};

static void check_effects(struct window *w, uint64_t now_ns)
{
    CHECK(effects.deadline_ns > now_ns);
    for (size_t i = 0; i < effects.send_count; i++) {
        const struct swim_send *s = &effects.sends[i];
        uint64_t *oldest_ns = &w->sent_ns[w->count % SWIM_PACKETS_PER_S];

        CHECK(s->to > 0 && s->to < MEMBERS);
        CHECK(wire_check(effects.bytes + s->offset, s->size) == 0);
        CHECK(w->count < SWIM_PACKETS_PER_S || now_ns - *oldest_ns >= NS_PER_S);
        *oldest_ns = now_ns;
        w->count++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_make(data, size);
    uint64_t now_ns = 1000 * NS_PER_S;
    struct swim *core = make_core(now_ns);
    struct window window = { .count = 0 };

    for (unsigned int i = 0; i < EVENTS_MAX && cursor_left(&c) >= 4; i++) {
        struct swim_event event = { .from = cursor_u8(&c) };
        uint64_t later_ns = cursor_u8(&c) * UNIT_NS, waited_ns = cursor_u8(&c) * UNIT_NS;
        size_t length = cursor_u8(&c);

        now_ns += later_ns;
        event.kind = event.from == 0 ? SWIM_EVENT_TIMER : SWIM_EVENT_PACKET;
        event.now_ns = now_ns;
        event.received_ns = now_ns - waited_ns;
        event.size = length < cursor_left(&c) ? length : cursor_left(&c);
        event.bytes = cursor_take(&c, event.size);
        if (swim_step(core, &event, &effects) == 0)
            check_effects(&window, now_ns);
        if (i % CHECK_EVERY == 0)
            swim_check(core);
    }
    swim_check(core);
    return 0;
}
