/* What the liveness core keeps, and what its parts offer each other. Private to swim*.c. */
#pragma once

#include "base/number.h"
#include "base/rng.h"
#include "org/swim.h"

enum {
    EDGES_MAX = ROSTER_OBSERVERS_MAX,
    POOL_MAX = 16,   /* open inquiries; ten subjects, and room for tries and checks */
    HELPED_MAX = 11, /* of these, at most so many by the wish of others */
    CALLERS_MAX = 4,
    REPORTS_MAX = 16,
    PROBES_MAX = 4,
    SUBSTITUTES_MAX = 4,
    STRIKES_MAX = 3,
    VERIFY_PER_S = 64,
    OPEN_USED_MAX = 9,         /* packets in the last second; above it our own inquiries wait */
    HELP_USED_MAX = 16,        /* and we help nobody new */
    FLUSH_EDGES = 5,           /* neighbours that are told at once */
    UNOBSERVED_CANDIDATES = 8, /* nodes that look after one unobserved member in one try period */
};

#define NEVER_NS      UINT64_MAX
#define REFRACTORY_NS NS_PER_S          /* after a refutation, news of a verdict wait so long */
#define FRESH_NS      (300 * NS_PER_MS) /* a verdict takes longer than this to reach anybody */
#define HEALTH_NS     (10 * NS_PER_S)   /* one step of own health is forgiven */
#define FLUSH_GAP_NS  (100 * NS_PER_MS) /* between news to some neighbours and to the others */
#define FLUSH_BUSY_NS (600 * NS_PER_MS) /* the same while there is much to say */
#define POSTPONE_NS   (20 * NS_PER_MS)  /* an inquiry that waits for the budget */
#define TENTH_NS      (100 * NS_PER_MS)

/* Purposes of one inquiry; several may meet in one. */
enum {
    PURPOSE_OPEN = 1 << 0,  /* ours: collect reports, give a verdict */
    PURPOSE_HELP = 1 << 1,  /* another's: report to the callers */
    PURPOSE_CHECK = 1 << 2, /* a verdict that a neighbour holds and we do not: take it if silent */
    PURPOSE_TRY = 1 << 3,   /* is an unreachable member back? */
};

struct inquiry {
    uint16_t subject;
    uint16_t number;
    uint8_t purposes; /* 0: free */
    uint8_t probes;   /* sent */
    uint8_t reported; /* probes that the callers were told of */
    uint8_t caller_count;
    uint8_t report_count;
    bool second;              /* window */
    uint8_t asked;            /* helpers, in this window */
    uint8_t first;            /* of the list of helpers that was called */
    uint8_t waiting;          /* helpers that are called with our second probe */
    bool taken;               /* over, from an asker that fell silent */
    bool denied;              /* the budget did not let us ask another */
    uint16_t voucher;         /* says the subject answered, and was the only one last time too */
    enum wire_standing claim; /* what our probes say the subject is held to be */
    uint32_t claim_incarnation;
    uint64_t start_ns;
    uint64_t next_ns;
    uint64_t window_ns;
    uint16_t callers[CALLERS_MAX];
    uint16_t caller_numbers[CALLERS_MAX];
    uint16_t reporters[REPORTS_MAX];
    uint8_t reports[REPORTS_MAX]; /* unanswered probes */
};

struct edge {
    uint16_t slot;
    uint8_t turn;   /* as of its last beat */
    uint8_t number; /* of its last beat */
    uint8_t health;
    uint8_t early;    /* probes of our own for the beat that is due */
    bool heard;       /* a beat, ever */
    bool voted;       /* for the verdict that holds or was refuted last */
    uint16_t voucher; /* who alone said that it answered, while we heard nothing; or ROSTER_NONE */
    uint8_t retries;  /* of inquiries that came to nothing */
    uint8_t widen;    /* its window is doubled so often */
    uint64_t due_ns;
    uint64_t hold_ns;  /* not overdue before; 0 when the grace alone decides */
    uint64_t heard_ns; /* any packet */
    uint64_t deviation_ns;
    uint64_t order; /* of our own beats: lowest goes next */
    uint64_t narrow_ns;
    uint64_t strikes_ns[STRIKES_MAX]; /* latest first; 0 none */
};

struct member {
    uint32_t incarnation;
    uint16_t tell; /* edges that this news still goes to */
    uint16_t next; /* in the list of news */
    uint32_t changed_tenths;
    uint8_t standing;
    bool listed;
};

_Static_assert(sizeof(struct member) + sizeof(struct roster_member) <= 64, "a member is 64 bytes");

struct proof {
    uint16_t slot; /* ROSTER_NONE: empty */
    uint32_t incarnation;
    uint8_t signature[WIRE_SIGNATURE_SIZE];
};

enum { SUSPECTS_MAX = 64, CONFIRMATIONS_MAX = 2, HELPS_MAX = 16 };

struct suspect {
    uint16_t slot; /* ROSTER_NONE: free */
    uint16_t accusers[CONFIRMATIONS_MAX + 1];
    uint8_t accuser_count;
    uint32_t incarnation;
    uint64_t start_ns;
};

/* A probe for somebody else. */
struct help {
    uint16_t subject; /* ROSTER_NONE: free */
    uint16_t caller;
    uint16_t number;
    bool told; /* that it has not answered so far */
    uint64_t start_ns;
};

/* What random targets need: swim_random.c. */
struct random_set {
    uint16_t *order; /* of probes: every member once, then anew */
    uint16_t order_count, order_at;
    uint16_t target;        /* of the probe under way; ROSTER_NONE */
    uint16_t number;        /* of its calls */
    uint8_t called, silent; /* helpers, and those that said that they heard nothing */
    bool indirect;
    uint8_t awareness;
    uint64_t asked_ns, probe_ns, gossip_ns, exchange_ns;
    struct suspect suspects[SUSPECTS_MAX];
    struct help helps[HELPS_MAX];
};

struct budget {
    uint64_t sent_ns[SWIM_PACKETS_PER_S];
    uint16_t sizes[SWIM_PACKETS_PER_S];
    uint8_t head; /* the oldest */
    uint8_t count;
    uint32_t bytes;
};

/* From what may always go to what waits: each class may use the window up to its own mark. */
enum send_class {
    SEND_BEAT,
    SEND_ANSWER,
    SEND_VERDICT,
    SEND_REPORT,
    SEND_CALL, /* and in a crowd, probes */
    SEND_INQUIRY,
    SEND_NEWS,
    SEND_REPAIR,
    SEND_CLASS_MAX_
};

struct swim {
    const struct swim_parameters *p;
    const struct swim_signer *signer;
    const struct roster *roster;
    uint64_t id;
    uint64_t root;
    struct rng rng;
    uint64_t now_ns;
    uint64_t deadline_ns;
    uint16_t self;
    uint16_t capacity;
    uint16_t number; /* of the next inquiry */

    uint8_t edge_count;
    uint8_t beat_number;
    uint64_t beat_ns; /* when the next beat goes */
    uint64_t order;
    struct edge edges[EDGES_MAX];

    struct inquiry pool[POOL_MAX];

    uint16_t news_head, news_tail; /* slots, ROSTER_NONE when empty */
    uint64_t flush_ns;
    uint64_t flushed_ns; /* 0 never */
    uint8_t flush_edge;  /* whose turn it is */
    bool verdict;        /* our own waits among the news */

    uint8_t health;
    uint64_t health_ns;
    uint64_t voided_ns; /* 0 never */
    uint64_t heard_ns;  /* any packet of anybody */
    uint8_t gone_count; /* verdicts taken of late; one is forgotten each second */
    uint64_t gone_ns;   /* the first of them */
    uint64_t sweep_ns;  /* looks at the next subject out of its turn; NEVER_NS */

    uint64_t bumped_ns; /* own incarnation; 0 never */
    uint64_t refuted_ns[STRIKES_MAX];
    uint64_t quiet_ns;     /* the spell that we owe */
    uint64_t quiet_end_ns; /* NEVER_NS while we are stable */
    struct proof own;      /* incarnation 0 needs none */

    uint16_t unreachable_count;
    uint64_t try_ns, try_interval_ns;
    uint64_t orphans_ns; /* looks for members whose observers are gone; NEVER_NS */
    uint64_t changed_ns; /* our view */
    uint64_t summary_ns; /* our last comparison */
    uint64_t repair_interval_ns;
    uint64_t answered_ns; /* the last comparison that we answered */
    uint64_t digest;
    uint32_t sums[WIRE_BUCKETS];

    uint64_t verify_start_ns;
    uint32_t verify_count;
    uint16_t proof_count;
    struct budget budget;
    struct random_set random;
    uint64_t counters[SWIM_COUNT_MAX_];

    struct member *members;
    struct proof *proofs;
    struct swim_effects *out; /* of the running step */
};

static inline void count(struct swim *s, enum swim_count which)
{
    s->counters[which]++;
}

static inline bool swim_is_random(const struct swim *s)
{
    return s->p->period_ns != 0;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* swim_budget.c: sends go through here. */
struct packet {
    uint8_t bytes[WIRE_PACKET_MAX];
    struct wire_writer writer;
};

/* A packet with nothing in it. */
void packet_start(struct packet *p);
/* Adds a frame; false when it does not fit. */
bool packet_add(struct packet *p, const struct wire_frame *frame);
/* Sends what is in it, if anything, to a member; false when the budget denied it. */
bool packet_send(struct swim *s, struct packet *p, uint16_t to, enum send_class class);
/* One frame in a packet of its own. */
bool frame_send(struct swim *s, const struct wire_frame *frame, uint16_t to, enum send_class class);
/* Packets sent in the last second. */
uint8_t budget_used(struct swim *s);
/* When a packet of this class and any size may go next; now_ns when at once. */
uint64_t budget_next(struct swim *s, enum send_class class);

/* swim_watch.c: edges and beats. */
struct edge *edge_find(struct swim *s, uint16_t slot);
void edges_rebuild(struct swim *s);
void watch_heard(struct swim *s, uint16_t slot, uint64_t received_ns);
void watch_beat(struct swim *s, uint16_t from, const struct wire_beat *beat, uint64_t received_ns);
void watch_run(struct swim *s);
uint64_t watch_deadline(const struct swim *s);
/* A beat is overdue, or it is being asked about. */
bool watch_is_doubted(struct swim *s, uint8_t edge);
void watch_gone(struct swim *s);
void watch_retry(struct swim *s, uint16_t slot);
/* A verdict that we voted for was refuted. */
void watch_strike(struct swim *s, struct edge *e);
void watch_shift(struct swim *s, uint64_t late_ns);
uint64_t watch_window(const struct swim *s, const struct edge *e);

/* swim_inquiry.c */
struct inquiry *inquiry_find(struct swim *s, uint16_t subject);
/* Starts, or adds the purpose to the one that is there; NULL when the pool is full. */
struct inquiry *inquiry_start(struct swim *s, uint16_t subject, uint8_t purpose,
                              uint64_t window_ns);
void inquiry_heard(struct swim *s, uint16_t subject, uint64_t received_ns);
void inquiry_call(struct swim *s, uint16_t from, const struct wire_call *call);
void inquiry_report(struct swim *s, uint16_t from, const struct wire_report *report);
void inquiry_run(struct swim *s);
uint64_t inquiry_deadline(const struct swim *s);
void inquiry_void(struct swim *s);
void inquiry_close(struct swim *s, uint16_t subject);
/* True when we have probed the subject often enough to have a vote. */
bool inquiry_is_crowded(const struct swim *s);
bool inquiry_is_helping(struct swim *s, uint16_t subject);
bool inquiry_voted(struct swim *s, uint16_t subject);

/* swim_news.c: what is held about members. */
enum { TELL_NOBODY = 0xfe, TELL_ALL = 0xff }; /* else the slot of an edge that knows already */
/* True when this beats what we hold: a higher incarnation, or a graver standing in the same one. */
bool record_is_news(const struct swim *s, uint16_t slot, uint32_t incarnation,
                    enum wire_standing standing);
/* Holds it, which must be news; says so in the effects. */
void record_set(struct swim *s, uint16_t slot, uint32_t incarnation, enum wire_standing standing);
void news_tell(struct swim *s, uint16_t slot, uint16_t except);
void news_tell_one(struct swim *s, uint16_t slot, uint16_t to);
void news_verdict(struct swim *s, uint16_t slot, bool tell);
void news_unreachable(struct swim *s, uint16_t from, uint64_t id, uint32_t incarnation);
void news_unstable(struct swim *s, uint16_t from, uint64_t id, uint32_t incarnation);
void news_signed(struct swim *s, uint16_t from, const struct wire_signed *proved);
void news_owner_word(struct swim *s, uint16_t slot, uint32_t incarnation);
bool news_frame(struct swim *s, uint16_t slot, struct wire_frame *ret);
/* What we hold with the owner's signed word for it, whatever the standing. */
bool news_has_proof(const struct swim *s, uint16_t slot);
bool news_signed_frame(struct swim *s, uint16_t slot, struct wire_frame *ret);
void news_flush(struct swim *s);
void news_drop_edges(struct swim *s);

void list_add(struct swim *s, uint16_t slot);
void list_drop_told(struct swim *s);

/* swim_random.c: random targets; nothing of it runs with the overlay's parameters. */
void random_join(struct swim *s);
void random_run(struct swim *s);
uint64_t random_deadline(const struct swim *s);
void random_answered(struct swim *s, uint16_t from);
void random_call(struct swim *s, uint16_t from, const struct wire_call *call);
void random_report(struct swim *s, const struct wire_report *report);
void random_suspect(struct swim *s, uint16_t from, const struct wire_suspect *suspect);
/* The record of this member changed, or it is gone. */
void random_clear(struct swim *s, uint16_t slot);
/* Passes on what is held about this member. */
void random_tell(struct swim *s, uint16_t slot);
/* Adds news to a packet that goes out anyway. */
void random_piggyback(struct swim *s, struct packet *p);

/* swim_self.c: our own standing. */
void self_claimed(struct swim *s, uint32_t incarnation, enum wire_standing standing);
void self_probed(struct swim *s, uint16_t from, const struct wire_probe *probe);
void self_gap(struct swim *s);
void self_sign(struct swim *s);
void self_run(struct swim *s);

/* swim.c */
void records_rehash(struct swim *s);

/* swim_repair.c */
uint64_t record_hash(uint64_t id, uint32_t incarnation, enum wire_standing standing);
uint8_t record_bucket(uint64_t id);
uint8_t digest_short(uint64_t digest, uint8_t number);
void repair_digest(struct swim *s, uint16_t from, const struct wire_beat *beat);
void repair_summary(struct swim *s, uint16_t from, const struct wire_summary *summary);
/* A neighbour holds what we do not; `proved`: the owner's word for the incarnation came with it. */
void repair_held(struct swim *s, uint16_t from, const struct wire_held *held, bool proved);
/* `summary`: of `to`, or NULL. */
void repair_adopt(struct swim *s, uint16_t to, const struct wire_summary *summary);
void repair_ask(struct swim *s, uint16_t slot, uint16_t from);
void repair_run(struct swim *s);
/* Compares views with this member. */
void repair_exchange(struct swim *s, uint16_t with);
void repair_seen(struct swim *s, uint16_t slot);
void repair_beat(struct swim *s, uint16_t slot, uint32_t incarnation);
