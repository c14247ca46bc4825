/* What the parts of the sync module share: sync.c (turns), sync_find.c (sketch, sums and cells),
 * sync_want.c (who gives what), sync_descend.c (trie). */
#pragma once

#include "org/symbol.h"
#include "org/sync.h"

enum sync_kind {
    SYNC_ASK = SYNC_ELEMENT_KINDS,
    SYNC_OPEN,
    SYNC_OPEN_FRESH,
    SYNC_SAY_EQUAL,
    SYNC_SAY_REFUSED,
    SYNC_ESTIMATE,
    SYNC_CELLS,
    SYNC_SUMS,
    SYNC_TOO_FEW,
    SYNC_RANKS,
    SYNC_WANT,
    SYNC_GROUPS,
    SYNC_LIST,
    SYNC_END,
    SYNC_DONE,
    SYNC_KIND_END_,
};

enum { SYNC_ROOT_SIZE = 16, SYNC_DONE_SIZE = 8 };

/* What the session does next when it is asked to send, and what it may be told. */
enum sync_phase {
    PHASE_LISTEN,   /* responder, before ASK or OPEN */
    PHASE_ASK,      /* ASK not sent yet */
    PHASE_ASKED,    /* waiting for EQUAL, or to be responder */
    PHASE_OPEN,     /* initiator, OPEN not sent yet */
    PHASE_FIRST,    /* initiator, after OPEN: the answer may take any form */
    PHASE_ESTIMATE, /* responder, ESTIMATE not sent yet */
    PHASE_CELLS,    /* responder, sending cells until it is interrupted */
    PHASE_SUMS,     /* initiator, SUMS not sent yet */
    PHASE_SUMMED,   /* initiator, waiting for what they were good for */
    PHASE_MY_TURN,  /* sending what is queued, then END or DONE */
    PHASE_THEIRS,   /* waiting for the rest of the peer's turn */
    PHASE_CLOSING,  /* DONE sent, waiting for EQUAL or DONE */
    PHASE_OVER,
    PHASE_MAX_,
};

/* A place in the trie that we speak about in our turn. */
struct sync_prefix {
    struct digest key;
    uint8_t depth;
    uint8_t kind; /* SYNC_GROUPS or SYNC_LIST */
};

/* An element to give, and what it was when that was decided. */
struct sync_give {
    uint64_t id;
    uint32_t slot;
};

struct sync {
    struct sync_limits limits;
    struct sync_owner owner;
    struct symbol_stream *stream;
    struct symbol_decoder *decoder;
    struct sync_prefix *prefixes;
    struct sync_give *gives;
    uint32_t *slots; /* scratch of the descent */
    uint64_t *ids; /* by slot, when OPEN was sent or received: what sketch, cells, ranks speak of */
    uint64_t
        *order; /* the same without free slots, ever more sorted; 0 of them before RANKS came */
    uint64_t *found;  /* the difference, sorted */
    uint32_t *below;  /* for each of them, scratch of sync_use() */
    uint32_t *ranks;  /* to ask for */
    uint64_t *wants;  /* ids to ask for */
    uint64_t *theirs; /* ids that only the peer has, as far as known */
    struct symbol *cells;
    uint32_t found_max; /* of found, below, ranks and theirs */
    uint32_t id_slots, order_count;
    uint32_t prefix_count, prefix_sent;
    uint32_t give_count, give_sent;
    uint32_t put_off; /* gives[0..put_off) are for our next turn */
    uint32_t rank_count, rank_sent;
    uint32_t want_count, want_sent;
    uint32_t their_count;
    uint32_t cells_sent;
    uint32_t their_set;
    uint32_t sum_count; /* to be sent */
    uint32_t refusals;
    uint32_t messages;
    uint32_t want_messages;
    uint32_t turns; /* of the peer */
    uint64_t give_progress;
    uint64_t given; /* in the whole session */
    enum sync_phase phase;
    enum sync_state state;
    enum sync_state verdict; /* to be the state when our last DONE is out */
    enum sync_path path;
    bool abused; /* the peer made us give more than there is */
    bool fresh;
    bool allow_fresh;
    bool summed;  /* SUMS were sent or received: once is enough */
    bool too_few; /* to be said */
    bool decoding;
    bool insist; /* nothing may be put off any more */
    bool theirs_sorted;
    bool asked;               /* in this turn of ours */
    uint8_t reply;            /* EQUAL or REFUSED to be sent; 0: none */
    bool close;               /* answer a DONE */
    struct sketch difference; /* of OPEN and ours */
    uint8_t salt[DIGEST_SALT_SIZE];
};

uint64_t sync_id(const struct sync *s, uint32_t slot);
void sync_my_turn(struct sync *s);

/* sync_find.c: what the messages mean; 0 or -EBADMSG. */
int sync_on_ask(struct sync *s, struct cursor *c);
int sync_on_open(struct sync *s, struct cursor *c);
int sync_on_estimate(struct sync *s, struct cursor *c);
int sync_on_cells(struct sync *s, struct cursor *c);
int sync_on_sums(struct sync *s, struct cursor *c);
int sync_on_too_few(struct sync *s);
void sync_write_open(struct sync *s, struct output *o);
void sync_write_estimate(struct sync *s, struct output *o);
void sync_write_cells(struct sync *s, struct output *o);
void sync_write_sums(struct sync *s, struct output *o);

/* sync_want.c. sync_use() queues what follows from the difference in found[0..count). */
void sync_use(struct sync *s, uint32_t count);
void sync_queue_give(struct sync *s, uint32_t slot);
void sync_queue_want(struct sync *s, uint64_t id);
void sync_note_theirs(struct sync *s, uint64_t id);
int sync_on_ranks(struct sync *s, struct cursor *c);
int sync_on_want(struct sync *s, struct cursor *c);
void sync_write_ranks(struct sync *s, struct output *o);
void sync_write_want(struct sync *s, struct output *o);

/* sync_descend.c */
void sync_descend(struct sync *s); /* queues the groups of the root */
int sync_on_groups(struct sync *s, struct cursor *c);
int sync_on_list(struct sync *s, struct cursor *c);
void sync_write_prefix(struct sync *s, struct output *o);
