#include "disk/event_log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { ALGORITHM_SHA256 = 0x000b, SHA1_SIZE = 20, DIGEST_SIZE_MAX = 64, SIGNATURE_SIZE = 16 };

static int read_algorithms(struct cursor *c, struct event_log *log)
{
    bool found = false;

    log->algorithm_count = cursor_le32(c);
    if (c->failed || log->algorithm_count == 0)
        return -EBADMSG;
    if (log->algorithm_count > EVENT_LOG_ALGORITHMS_MAX)
        return -ERANGE;
    for (size_t i = 0; i < log->algorithm_count; i++) {
        log->algorithms[i].algorithm = cursor_le16(c);
        log->algorithms[i].size = cursor_le16(c);
        if (log->algorithms[i].size == 0 || log->algorithms[i].size > DIGEST_SIZE_MAX)
            return -EBADMSG;
        if (log->algorithms[i].algorithm != ALGORITHM_SHA256)
            continue;
        if (log->algorithms[i].size != EVENT_DIGEST_SIZE)
            return -EBADMSG;
        found = true;
    }
    cursor_skip(c, cursor_u8(c)); /* the vendor's */
    if (!cursor_finished(c))
        return -EBADMSG;
    return found ? 0 : -ENOENT;
}

static int read_header(struct event_log *log)
{
    struct cursor *c = &log->cursor, inner;
    const uint8_t *data, *signature;
    uint32_t pcr, type, size;

    pcr = cursor_le32(c);
    type = cursor_le32(c);
    cursor_skip(c, SHA1_SIZE);
    size = cursor_le32(c);
    data = cursor_take(c, size);
    if (!data || pcr != 0 || type != EVENT_NO_ACTION)
        return -EBADMSG;
    inner = cursor_make(data, size);
    signature = cursor_take(&inner, SIGNATURE_SIZE);
    if (!signature || memcmp(signature, "Spec ID Event03", SIGNATURE_SIZE) != 0)
        return -EBADMSG;
    cursor_skip(&inner, 8); /* class of the platform, versions, size of an address */
    return read_algorithms(&inner, log);
}

int event_log_open(const void *bytes, size_t size, struct event_log *ret)
{
    struct event_log log = { .cursor = cursor_make(bytes, size) };
    int r;

    if (size > EVENT_LOG_SIZE_MAX)
        return -ERANGE;
    r = read_header(&log);
    if (r == 0)
        *ret = log;
    return r;
}

/* 0 for an algorithm that the first event did not name. */
static size_t digest_size(const struct event_log *log, uint16_t algorithm)
{
    for (size_t i = 0; i < log->algorithm_count; i++) {
        if (log->algorithms[i].algorithm == algorithm)
            return log->algorithms[i].size;
    }
    return 0;
}

/* Exactly one of them is SHA-256. */
static int read_digests(struct event_log *log, const uint8_t **ret)
{
    const uint32_t count = cursor_le32(&log->cursor);
    const uint8_t *found = NULL;

    if (count > log->algorithm_count)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t algorithm = cursor_le16(&log->cursor);
        const size_t size = digest_size(log, algorithm);
        const uint8_t *digest = cursor_take(&log->cursor, size);

        if (size == 0 || !digest || (algorithm == ALGORITHM_SHA256 && found))
            return -EBADMSG;
        if (algorithm == ALGORITHM_SHA256)
            found = digest;
    }
    if (!found)
        return -EBADMSG;
    *ret = found;
    return 0;
}

int event_log_next(struct event_log *log, struct event *ret)
{
    struct event event = { .pcr = 0 };

    if (cursor_left(&log->cursor) == 0)
        return 0;
    if (log->events >= EVENT_LOG_EVENTS_MAX)
        return -ERANGE;
    event.pcr = cursor_le32(&log->cursor);
    event.type = cursor_le32(&log->cursor);
    if (read_digests(log, &event.digest) < 0)
        return -EBADMSG;
    event.size = cursor_le32(&log->cursor);
    event.data = cursor_take(&log->cursor, event.size);
    if (!event.data || log->cursor.failed)
        return -EBADMSG;
    log->events++;
    *ret = event;
    return 1;
}
