/* QEMU's machine protocol: one JSON object per line. Pure: bytes in, messages out; commands as
 * text. The descriptor is the caller's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "base/text.h"

enum { QMP_MESSAGE_MAX = 4 << 20 };

enum qmp_kind {
    QMP_GREETING,
    QMP_EVENT,  /* qmp_event_name() */
    QMP_RETURN, /* the reply of the command with `id` */
    QMP_ERROR,  /* the refusal of the command with `id` */
};

struct qmp_message {
    enum qmp_kind kind;
    uint64_t id;         /* 0: none */
    json_object *object; /* the whole message, freed by qmp_message_done() */
};

struct qmp {
    struct text input; /* what has no newline yet */
    size_t position;   /* what lies before it was consumed */
};

#define QMP_INIT                                                                                   \
    {                                                                                              \
        .position = 0                                                                              \
    }

void qmp_done(struct qmp *q);

/* Returns 0, -EMSGSIZE for a line over QMP_MESSAGE_MAX, or -ENOMEM. */
MUST_USE int qmp_feed(struct qmp *q, const uint8_t *bytes, size_t size);

/* Takes the next complete message: 1 with *ret set, 0 when there is none yet, -EBADMSG for what is
 * no message (it was consumed). */
MUST_USE int qmp_next(struct qmp *q, struct qmp_message *ret);

void qmp_message_done(struct qmp_message *message);

/* The name of an event, and one text of its data ("" when it has none); borrowed. */
const char *qmp_event_name(const struct qmp_message *message);
const char *qmp_event_text(const struct qmp_message *message, const char *key);

/* QEMU's words in a QMP_ERROR; borrowed. */
const char *qmp_error_text(const struct qmp_message *message);

/* One command as a line. `arguments` may be NULL and stays the caller's. NULL when out of memory;
 * freed by the caller. */
MUST_USE char *qmp_command(const char *command, json_object *arguments, uint64_t id);
