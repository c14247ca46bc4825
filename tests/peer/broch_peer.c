/* broch-peer: the liveness core on a real UDP socket, one process for each member, all on loopback
 * addresses. It is what the daemon will do around the core, without tunnels: read the socket with
 * the kernel's receive time, step, write the incarnation, send, and wait for the deadline.
 *
 * Who sent a packet is told by its address here, which only holds among processes of one machine.
 * Keys are made from the member's number: nothing about them is secret. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/number.h"
#include "base/options.h"
#include "org/swim.h"
#include "recording.h"
#include "sys/event.h"

enum { PORT = 7946, PROOFS = 64, STATE_SIZE = 4, SWEEP_MAX = 64 };

static uint64_t arg_index;
static uint64_t arg_count = 32;
static uint64_t arg_port = PORT;
static const char *arg_state;
static const char *arg_record;

static const uint8_t salt[SIPHASH_KEY_SIZE] = "broch peers";

struct peer {
    int fd;
    int state_fd; /* -1: nothing is kept */
    FILE *record; /* NULL: none */
    struct event_loop *loop;
    struct event_source *timer;
    struct swim *core;
    struct swim_effects effects;
    struct swim_signer signer;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t keys[RECORDING_NODES_MAX][crypto_sign_PUBLICKEYBYTES];
    uint64_t ids[RECORDING_NODES_MAX];
    uint16_t slots[RECORDING_NODES_MAX];   /* of a member's number */
    uint16_t numbers[RECORDING_NODES_MAX]; /* of a slot */
    uint64_t packets, bytes, outer4;
    bool stopped;
};

static void make_keys(uint64_t number, uint8_t public[static crypto_sign_PUBLICKEYBYTES],
                      uint8_t secret[static crypto_sign_SECRETKEYBYTES])
{
    uint8_t seed[crypto_sign_SEEDBYTES] = "broch peer";

    seed[sizeof(seed) - 1] = (uint8_t)number;
    seed[sizeof(seed) - 2] = (uint8_t)(number >> 8);
    CHECK(crypto_sign_seed_keypair(public, secret, seed) == 0);
}

static void write_record(struct peer *p, bool good)
{
    if (!good || fflush(p->record) != 0) {
        (void)fprintf(stderr, "broch-peer: the recording ends here: %s\n", strerror(errno));
        (void)fclose(p->record);
        p->record = NULL;
    }
}

static void sign(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                 uint8_t ret_signature[static WIRE_SIGNATURE_SIZE])
{
    struct peer *p = context;

    CHECK(crypto_sign_detached(ret_signature, NULL, text, WIRE_ALIVE_TEXT_SIZE, p->secret) == 0);
    if (p->record)
        write_record(p, recording_put(p->record, 'S', ret_signature, WIRE_SIGNATURE_SIZE));
}

static bool verify(void *context, uint64_t id, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                   const uint8_t signature[static WIRE_SIGNATURE_SIZE])
{
    struct peer *p = context;
    uint8_t good = 0;

    for (uint64_t i = 0; i < arg_count; i++) {
        if (p->ids[i] == id)
            good =
                crypto_sign_verify_detached(signature, text, WIRE_ALIVE_TEXT_SIZE, p->keys[i]) == 0;
    }
    if (p->record)
        write_record(p, recording_put(p->record, 'V', &good, 1));
    return good;
}

static struct sockaddr_in address_of(uint64_t number)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)arg_port) };

    a.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)number);
    return a;
}

static void say(const struct peer *p, const struct swim_change *c, uint64_t now_ns)
{
    static const char *const names[] = { "alive", "unstable", "unreachable" };

    printf("%" PRIu64 " %" PRIu64 " holds %u %s %" PRIu32 "\n", now_ns, arg_index,
           p->numbers[c->slot], names[c->standing], c->incarnation);
}

static void send_one(struct peer *p, const struct swim_send *s)
{
    struct sockaddr_in to = address_of(p->numbers[s->to]);

    p->packets++;
    p->bytes += s->size;
    p->outer4 += wire_outer_size(s->size, false);
    /* Whom nobody listens for, or a full buffer, is loss: the protocol allows for it. */
    (void)sendto(p->fd, p->effects.bytes + s->offset, s->size, MSG_DONTWAIT, (struct sockaddr *)&to,
                 sizeof(to));
}

/* In the order that swim.h asks for: write, send, tell, arm. */
static int carry_out(struct peer *p, uint64_t now_ns)
{
    const struct swim_effects *out = &p->effects;

    if (out->persist && p->state_fd >= 0) {
        uint8_t bytes[STATE_SIZE];

        for (int i = 0; i < STATE_SIZE; i++)
            bytes[i] = (uint8_t)(out->incarnation >> (8 * i));
        if (pwrite(p->state_fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
            return -errno;
    }
    for (size_t i = 0; i < out->send_count; i++)
        send_one(p, &out->sends[i]);
    for (size_t i = 0; i < out->change_count; i++)
        say(p, &out->changes[i], now_ns);
    if (out->change_count > 0)
        (void)fflush(stdout); /* whoever reads may be gone: that ends nothing */
    return event_timer_set(p->timer, out->deadline_ns);
}

static void write_effects(struct peer *p, int result)
{
    static uint8_t bytes[RECORDING_EFFECTS_MAX];

    write_record(
        p, recording_put(p->record, 'F', bytes, recording_effects(result, &p->effects, bytes)));
}

static int step(struct peer *p, struct swim_event *event)
{
    int r;

    event->now_ns = event_now_ns();
    if (event->received_ns > event->now_ns)
        event->received_ns = event->now_ns;
    if (p->record)
        write_record(p, recording_put_event(p->record, event));
    r = swim_step(p->core, event, &p->effects);
    if (p->record)
        write_effects(p, r);
    return carry_out(p, event->now_ns);
}

static int on_timer(struct event_source *source, void *context)
{
    struct swim_event event = { .kind = SWIM_EVENT_TIMER };

    return step(context, &event);
}

static uint64_t real_now_ns(void)
{
    struct timespec t;

    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The kernel stamps packets by the wall clock; the core wants monotonic time. */
static uint64_t received_ns(struct msghdr *m)
{
    uint64_t now_ns = event_now_ns(), real_ns = real_now_ns();

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct timespec t;
        uint64_t stamp_ns;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof(t));
        stamp_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
        if (stamp_ns < real_ns && real_ns - stamp_ns < now_ns)
            return now_ns - (real_ns - stamp_ns);
    }
    return now_ns;
}

/* One packet: 1, 0 when there is none, or an error. */
static int receive(struct peer *p)
{
    uint8_t bytes[WIRE_PACKET_MAX + 1], control[128];
    struct sockaddr_in from;
    struct iovec part = { bytes, sizeof(bytes) };
    struct msghdr m = { .msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control) };
    struct swim_event event = { .kind = SWIM_EVENT_PACKET };
    ssize_t size = recvmsg(p->fd, &m, MSG_DONTWAIT);
    uint64_t number;
    int r;

    if (size < 0)
        return errno == EAGAIN || errno == ECONNREFUSED || errno == EINTR ? 0 : -errno;
    number = (uint64_t)ntohl(from.sin_addr.s_addr) - 0x7f010001u;
    if (number >= arg_count)
        return 1; /* no member's address */
    event.from = p->slots[number];
    event.bytes = bytes;
    event.size = (size_t)size;
    event.received_ns = received_ns(&m);
    r = step(p, &event);
    return r < 0 ? r : 1;
}

static int on_packet(struct event_source *source, int fd, uint32_t events, void *context)
{
    int r = 1;

    for (int i = 0; i < SWEEP_MAX && r > 0; i++)
        r = receive(context);
    return r < 0 ? r : 0;
}

static int on_signal(struct event_source *source, int signal, void *context)
{
    struct peer *p = context;

    if (signal == SIGTERM) {
        p->stopped = true;
        return 0;
    }
    printf("traffic %" PRIu64 " packets %" PRIu64 " payload %" PRIu64 " outer4 %" PRIu64 "\n",
           arg_index, p->packets, p->bytes, p->outer4);
    (void)fflush(stdout); /* whoever reads may be gone: that ends nothing */
    return 0;
}

static uint32_t read_state(struct peer *p)
{
    uint8_t bytes[STATE_SIZE];
    uint32_t incarnation = 0;

    if (p->state_fd < 0 || pread(p->state_fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
        return 0; /* its first start */
    for (int i = 0; i < STATE_SIZE; i++)
        incarnation |= (uint32_t)bytes[i] << (8 * i);
    return incarnation <= WIRE_INCARNATION_MAX ? incarnation : 0;
}

static struct roster *make_roster(struct peer *p)
{
    uint16_t capacity = (uint16_t)arg_count;
    void *memory = malloc(roster_size(capacity));
    struct roster *r;

    CHECK(memory);
    r = roster_init(memory, capacity, salt);
    for (uint64_t i = 0; i < arg_count; i++) {
        uint8_t other[crypto_sign_SECRETKEYBYTES];

        make_keys(i, p->keys[i], i == arg_index ? p->secret : other);
        memcpy(&p->ids[i], p->keys[i], sizeof(p->ids[i]));
        CHECK(roster_add(r, p->ids[i], &p->slots[i]) == 0);
        p->numbers[p->slots[i]] = (uint16_t)i;
    }
    roster_seal(r);
    return r;
}

static int start_core(struct peer *p)
{
    struct recording_start start = { .capacity = (uint16_t)arg_count,
                                     .count = (uint16_t)arg_count,
                                     .proofs = PROOFS };
    const struct roster *roster = make_roster(p);
    struct swim_config config = { .parameters = &swim_parameters_overlay,
                                  .signer = &p->signer,
                                  .roster = roster,
                                  .id = p->ids[arg_index],
                                  .incarnation = read_state(p),
                                  .proofs = PROOFS };
    void *memory = malloc(swim_size((uint16_t)arg_count, PROOFS));

    CHECK(memory);
    p->signer = (struct swim_signer){ p, sign, verify };
    randombytes_buf(&config.seed, sizeof(config.seed));
    start.now_ns = event_now_ns();
    memcpy(start.salt, salt, sizeof(salt));
    memcpy(start.ids, p->ids, sizeof(start.ids));
    start.id = config.id;
    start.seed = config.seed;
    start.incarnation = config.incarnation;
    if (arg_record) {
        p->record = fopen(arg_record, "we");
        if (!p->record || !recording_put_start(p->record, &start))
            return -errno;
    }
    p->core = swim_init(memory, &config, start.now_ns, &p->effects.deadline_ns);
    if (p->record)
        write_effects(p, 0);
    return 0;
}

static int open_socket(struct peer *p)
{
    struct sockaddr_in own = address_of(arg_index);
    int on = 1;

    p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
        setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
        return -errno;
    p->state_fd = -1;
    if (!arg_state)
        return 0;
    p->state_fd = open(arg_state, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return p->state_fd < 0 ? -errno : 0;
}

static int prepare(struct peer *p, struct failure *failure)
{
    struct event_source *source;
    int r = event_loop_new(&p->loop);

    if (r == 0)
        r = open_socket(p);
    if (r < 0)
        return failure_set(failure, CODE_IO, r, "its socket or its state cannot be opened");
    r = start_core(p);
    if (r < 0)
        return failure_set(failure, CODE_IO, r, "no recording in '%s'", arg_record);
    r = event_add_timer(p->loop, p->effects.deadline_ns, on_timer, p, &p->timer);
    if (r == 0)
        r = event_add_fd(p->loop, p->fd, EPOLLIN, on_packet, p, &source);
    if (r == 0)
        r = event_add_signal(p->loop, SIGTERM, on_signal, p, &source);
    if (r == 0)
        r = event_add_signal(p->loop, SIGUSR1, on_signal, p, &source);
    if (r < 0)
        return failure_set(failure, CODE_INTERNAL, r, "the event loop takes no more sources");
    return 0;
}

static int run(const struct operands *operands, struct failure *failure)
{
    static struct peer p; /* ends with the process */
    int r;

    if (arg_index >= arg_count)
        return failure_set(failure, CODE_USAGE, -EINVAL, "--index must be below --count");
    if (sodium_init() < 0)
        return failure_set(failure, CODE_INTERNAL, -EIO, "libsodium does not start");
    r = prepare(&p, failure);
    if (r < 0)
        return r;
    printf("ready %" PRIu64 "\n", arg_index);
    (void)fflush(stdout); /* whoever reads may be gone: that ends nothing */
    while (!p.stopped) {
        r = event_loop_step(p.loop, EVENT_NEVER);
        if (r < 0)
            return failure_set(failure, CODE_IO, r, "the loop of member %" PRIu64 " ended",
                               arg_index);
    }
    if (p.record && fclose(p.record) != 0)
        return failure_set(failure, CODE_IO, -errno, "the recording is not whole");
    return 0;
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        { "index", OPTION_NUMBER, &arg_index, "N", "which member this is, from 0 on", .max = 255 },
        { "count", OPTION_NUMBER, &arg_count, "N", "members of the org (32)", 1, 256 },
        { "port", OPTION_NUMBER, &arg_port, "N", "UDP port of all of them (7946)", 1, 65535 },
        { "state", OPTION_TEXT, &arg_state, "FILE", "keeps the incarnation over restarts" },
        { "record", OPTION_TEXT, &arg_record, "FILE", "writes events and effects for replaying" },
    };
    const struct options options = {
        .program = "broch-peer",
        .synopsis = "--index N [options]",
        .purpose = "Runs one member's liveness core on a loopback address, for tests.",
        .example = "broch-peer --index 3 --count 5",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
