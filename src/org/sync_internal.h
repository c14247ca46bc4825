/* What the parts of the sync module share: sync.c (turns), sync_find.c (sketch and cells),
 * sync_descend.c (trie). */
#pragma once

#include "org/symbol.h"
#include "org/sync.h"

enum sync_kind {
    SYNC_OPEN = 1,
    SYNC_SAY_EQUAL,
    SYNC_SAY_REFUSED,
    SYNC_WANT,
    SYNC_ELEMENT,
    SYNC_CELLS,
    SYNC_GROUPS,
    SYNC_LIST,
    SYNC_END,
    SYNC_DONE,
    SYNC_KIND_MAX_,
};

/* What the session does next when it is asked to send, and what it may be told. */
enum sync_phase {
    PHASE_LISTEN,  /* responder, before OPEN */
    PHASE_OPEN,    /* initiator, OPEN not sent yet */
    PHASE_FIRST,   /* initiator, after OPEN: the answer may take any form */
    PHASE_CELLS,   /* responder, sending cells until it is interrupted */
    PHASE_MY_TURN, /* sending what is queued, then END or DONE */
    PHASE_THEIRS,  /* waiting for the rest of the peer's turn */
    PHASE_CLOSING, /* DONE sent, waiting for DONE */
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
    uint32_t *slots;  /* scratch of the descent */
    uint64_t *wants;  /* ids to ask for, or the halves that the peer asks for */
    uint64_t *theirs; /* ids that only the peer has, as far as known */
    struct symbol *cells;
    uint32_t prefix_count, prefix_sent;
    uint32_t give_count, give_sent;
    uint32_t put_off; /* gives[0..put_off) are for our next turn */
    uint32_t want_count, want_sent;
    uint32_t their_count;
    uint32_t cells_sent;
    uint32_t their_set;
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
    bool insist; /* nothing may be put off any more */
    bool theirs_sorted;
    bool asked;    /* in this turn of ours */
    uint8_t reply; /* EQUAL or REFUSED to be sent; 0: none */
    bool close;    /* answer a DONE */
    uint8_t salt[DIGEST_SALT_SIZE];
};

uint64_t sync_id(const struct sync *s, uint32_t slot);
void sync_queue_give(struct sync *s, uint32_t slot);
void sync_queue_want(struct sync *s, uint64_t id);
void sync_my_turn(struct sync *s);

/* sync_find.c: what the messages mean; 0 or -EBADMSG. */
int sync_on_open(struct sync *s, struct cursor *c);
int sync_on_cells(struct sync *s, struct cursor *c);
int sync_on_want(struct sync *s, struct cursor *c);
void sync_write_open(struct sync *s, struct output *o);
void sync_write_cells(struct sync *s, struct output *o);
void sync_write_want(struct sync *s, struct output *o);

/* sync_descend.c */
void sync_descend(struct sync *s); /* queues the groups of the root */
int sync_on_groups(struct sync *s, struct cursor *c);
int sync_on_list(struct sync *s, struct cursor *c);
void sync_write_prefix(struct sync *s, struct output *o);
