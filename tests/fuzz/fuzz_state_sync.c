/* A hostile peer of a reconciliation session. The first byte chooses the role; then two-byte sizes
 * cut the input into messages. Between two of them our side says what it has to say. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "org/sync.h"

enum { ELEMENTS = 120, SENDS_MAX = 40 };

static struct index *fuzz_index;
static struct sync *fuzz_session;
static const uint8_t salt[DIGEST_SALT_SIZE] = { 1 };

static int give(void *context, uint32_t slot, const struct sync_peer *peer, uint64_t *progress,
                struct output *o)
{
    CHECK(slot < index_slots(fuzz_index));
    if (slot % 7 == 0 && !peer->insist)
        return -EAGAIN;
    if (slot % 5 == 0 && *progress < 2) {
        ++*progress;
        output_u8(o, (uint8_t)*progress);
        return 1;
    }
    output_u8(o, 0);
    return 0;
}

/* Takes nothing, so that the index stays what it is and the session keeps no state. */
static int take(void *context, const uint8_t *bytes, size_t size)
{
    return size > 0 && bytes[0] == 'x' ? -EBADMSG : 0;
}

static void make_once(void)
{
    struct sync_limits limits = { ELEMENTS, 400, 40 };
    struct sync_owner owner = { .give = give, .take = take };

    if (fuzz_session)
        return;
    CHECK(index_new(ELEMENTS, salt, &fuzz_index) == 0);
    owner.index = fuzz_index;
    CHECK(sync_new(&limits, &owner, &fuzz_session) == 0);
    for (uint64_t i = 0; i < ELEMENTS - 20; i++) {
        struct digest key = digest_bytes(&i, sizeof(i));

        CHECK(index_put(fuzz_index, &key, &key) == 1);
    }
}

static void speak(void)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];

    for (unsigned i = 0; i < SENDS_MAX; i++) {
        struct output o = output_make(bytes, sizeof(bytes));

        if (sync_send(fuzz_session, &o) == 0)
            return;
        CHECK(o.size > 0 && output_fits(&o));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    make_once();
    if (data[0] & 1)
        sync_open(fuzz_session, salt, NULL);
    else if (data[0] & 4)
        sync_ask(fuzz_session, salt, data[0] & 2);
    else
        sync_listen(fuzz_session, salt, data[0] & 2);
    data++;
    size--;
    while (size >= 2 && sync_state(fuzz_session) == SYNC_RUNNING) {
        size_t length = (size_t)data[0] << 8 | data[1];
        int r;

        if ((data[0] & 0x40) == 0)
            speak();
        length &= 0x3fff;
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        r = sync_receive(fuzz_session, data, length);
        CHECK(r == 0 || (r == -EBADMSG && sync_state(fuzz_session) == SYNC_FAILED));
        data += length;
        size -= length;
    }
    speak();
    return 0;
}
