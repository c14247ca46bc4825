/* The future of a simulated world: events ordered by time, then by the order of their making. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
    SIM_TIMER,
    SIM_PACKET,
    SIM_FAULT_START,
    SIM_FAULT_END,
    SIM_ROSTER,
    SIM_CALL,
    SIM_TICK,  /* a node stamps an entry */
    SIM_STAMP, /* another's stamped entry, by its number, comes to a node */
};

enum { SIM_INLINE_MAX = 24 };

struct sim_event {
    uint64_t at_ns;
    uint64_t received_ns; /* packets: when the kernel had it, local clock of the receiver */
    enum sim_event_kind kind;
    uint32_t life; /* of the node: events of a former life are dropped */
    uint16_t node;
    uint16_t from;
    uint16_t size;
    uint32_t argument;
    uint8_t small[SIM_INLINE_MAX];
    uint8_t *large; /* owned by the event; NULL when the bytes are in `small` */
};

struct sim_queue;

struct sim_queue *sim_queue_new(void);
struct sim_queue *sim_queue_free(struct sim_queue *q);

/* Adds a copy of the event; takes over `large`. */
void sim_queue_push(struct sim_queue *q, const struct sim_event *event);

/* Takes the first event; false when there is none. The caller frees `large`. */
bool sim_queue_pop(struct sim_queue *q, struct sim_event *ret);

/* When the first event is due, or UINT64_MAX. */
uint64_t sim_queue_next(const struct sim_queue *q);

static inline const uint8_t *sim_event_bytes(const struct sim_event *e)
{
    return e->large ? e->large : e->small;
}
