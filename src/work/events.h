/* What happened to services, one JSON object a line, oldest first: /run/broch/events.jsonl.
 * Bounded: a full file becomes events.jsonl.1, in place of the one before. docs/reference/events.md
 * has the keys. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/failure.h"
#include "base/text.h"
#include "work/snapshot.h"

#define EVENTS_PATH "/run/broch/events.jsonl"

enum {
    EVENTS_FILE_SIZE_MAX = 256 * 1024,
    EVENTS_LINE_SIZE_MAX = 4096,
};

/* When: on the clock of the machine, and since the kernel's start. The caller reads both. */
struct events_moment {
    time_t seconds;
    uint64_t us;
};

/* Adds a line, with its newline. */
void events_add_change(const struct events_moment *moment, const struct snapshot_service *service,
                       enum snapshot_state from, struct text *t);
void events_add_request(const struct events_moment *moment, const char *request,
                        const char *service, uint64_t uid, struct text *t);
void events_add_complaint(const struct events_moment *moment, const char *service,
                          const struct failure *complaint, struct text *t);
/* "started", "started again": of the orchestrator itself. */
void events_add_note(const struct events_moment *moment, const char *what, struct text *t);

/* Appends lines to the file. */
MUST_USE int events_append(const char *path, const struct text *lines, struct failure *f);

/* Words a line of the file for people, with a newline; a line that is none of ours is added as it
 * is. */
void events_add_words(const char *line, size_t length, struct text *t);
