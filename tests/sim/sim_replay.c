#include "sim_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../peer/recording.h"
#include "base/code.h"

enum { FILE_MAX = 256 * 1024 * 1024 };

struct replay {
    struct cursor left; /* of the recording */
    struct roster *roster;
    void *memory;
    struct swim *core;
    struct swim_effects effects;
    uint64_t now_ns;
    uint64_t events, signatures;
    bool other; /* the core asked its signer for something else than it did then */
};

/* The next record, which must have this tag and size. */
static bool take(struct replay *r, uint8_t tag, size_t size, struct record *ret)
{
    struct cursor before = r->left;

    if (recording_next(&r->left, ret) == 1 && ret->tag == tag && ret->value.size == size) {
        r->signatures++;
        return true;
    }
    r->left = before;
    r->other = true;
    return false;
}

static void sign(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                 uint8_t ret_signature[static WIRE_SIGNATURE_SIZE])
{
    struct record record;

    memset(ret_signature, 0, WIRE_SIGNATURE_SIZE);
    if (take(context, 'S', WIRE_SIGNATURE_SIZE, &record))
        memcpy(ret_signature, record.value.bytes, WIRE_SIGNATURE_SIZE);
}

static bool verify(void *context, uint64_t id, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                   const uint8_t signature[static WIRE_SIGNATURE_SIZE])
{
    struct record record;

    return take(context, 'V', 1, &record) && record.value.bytes[0] == 1;
}

/* 1 when what the core did is what the next record says; 0 at a recording's end. */
static int compare(struct replay *r, int result)
{
    static uint8_t bytes[RECORDING_EFFECTS_MAX];
    size_t size = recording_effects(result, &r->effects, bytes);
    struct record record;
    int more = recording_next(&r->left, &record);

    if (more <= 0)
        return more;
    if (r->other || record.tag != 'F' || record.value.size != size ||
        memcmp(record.value.bytes, bytes, size) != 0)
        return -EILSEQ;
    return 1;
}

static int start(struct replay *r, const struct swim_signer *signer)
{
    struct recording_start s;
    struct swim_config config = { .parameters = &swim_parameters_overlay, .signer = signer };
    uint16_t slot;

    if (recording_take_start(&r->left, &s) < 0)
        return -EBADMSG;
    r->roster = roster_init(malloc(roster_size(s.capacity)), s.capacity, s.salt);
    for (uint16_t i = 0; i < s.count; i++) {
        if (roster_add(r->roster, s.ids[i], &slot) < 0)
            return -EBADMSG;
    }
    roster_seal(r->roster);
    config.roster = r->roster;
    config.id = s.id;
    config.seed = s.seed;
    config.incarnation = s.incarnation;
    config.proofs = s.proofs;
    r->now_ns = s.now_ns;
    r->memory = malloc(swim_size(s.capacity, s.proofs));
    CHECK(r->memory);
    r->core = swim_init(r->memory, &config, s.now_ns, &r->effects.deadline_ns);
    return compare(r, 0);
}

static int replay_event(struct replay *r, const struct record *record)
{
    struct swim_event event;

    if (record->tag != 'E' || recording_take_event(record, &event) < 0 || event.now_ns < r->now_ns)
        return -EBADMSG;
    r->now_ns = event.now_ns;
    r->events++;
    return compare(r, swim_step(r->core, &event, &r->effects));
}

static int replay_all(struct replay *r)
{
    const struct swim_signer signer = { r, sign, verify };
    int result = start(r, &signer);
    struct record record;

    while (result == 1) {
        result = recording_next(&r->left, &record);
        if (result == 1)
            result = replay_event(r, &record);
    }
    return result;
}

static uint8_t *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = malloc(FILE_MAX);

    *ret_size = file && bytes ? fread(bytes, 1, FILE_MAX, file) : 0;
    if (file)
        (void)fclose(file); /* only read */
    return bytes;
}

int sim_replay(const char *path)
{
    struct replay r = { .events = 0 };
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    int result;

    r.left = cursor_make(bytes, size);
    result = replay_all(&r);
    if (result == -EILSEQ)
        printf("%s: DIFFERS in event %" PRIu64 " at %.6f s\n", path, r.events,
               (double)r.now_ns / 1e9);
    else if (result < 0 || r.events == 0)
        printf("%s: is no recording, or a damaged one (event %" PRIu64 ")\n", path, r.events);
    else
        printf("%s: %" PRIu64 " events, the same effects; %" PRIu64 " answers of the signer\n",
               path, r.events, r.signatures);
    free(r.memory);
    free(r.roster);
    free(bytes);
    return result < 0 || r.events == 0 ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}
