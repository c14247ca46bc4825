/* What every service of this machine does right now: one JSON file, written by the orchestrator
 * after each change and read by everybody who shows it (docs/reference/services-json.md). Whoever
 * reads it sees a whole state, because it is replaced by rename. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

#define SNAPSHOT_PATH "/run/broch/services.json"

enum {
    SNAPSHOT_SERVICES_MAX = 64,
    SNAPSHOT_NAME_SIZE = 64, /* with the terminating zero, like all sizes here */
    SNAPSHOT_TEXT_SIZE = 192,
    SNAPSHOT_LINES_MAX = 5, /* of the log of a failed service */
    SNAPSHOT_LINE_SIZE = 256,
    SNAPSHOT_FILE_SIZE_MAX = 1024 * 1024,
};

enum snapshot_state {
    SNAPSHOT_OFF,      /* its condition is not met; satisfies its dependants */
    SNAPSHOT_WAITING,  /* a service that it needs is not ready */
    SNAPSHOT_STARTING, /* the supervisor was told to start it */
    SNAPSHOT_UP,       /* runs, has not said that it is ready */
    SNAPSHOT_READY,    /* runs and serves */
    SNAPSHOT_DONE,     /* runs once, and ended well; satisfies its dependants */
    SNAPSHOT_STOPPING, /* was told to end */
    SNAPSHOT_DOWN,     /* stopped because somebody asked for it */
    SNAPSHOT_BACKOFF,  /* died too often; its next start is later */
    SNAPSHOT_FAILED,   /* given up, until somebody asks for another start */
    SNAPSHOT_STATE_MAX_,
};

/* How the last run of a service ended. */
enum snapshot_end {
    SNAPSHOT_END_NONE, /* it has not ended yet */
    SNAPSHOT_END_EXIT,
    SNAPSHOT_END_SIGNAL,
};

struct snapshot_service {
    char name[SNAPSHOT_NAME_SIZE];
    char description[SNAPSHOT_TEXT_SIZE];
    enum snapshot_state state;
    bool required;     /* the machine is not ready without it */
    bool local;        /* the machine's own, from /etc/broch/services */
    uint64_t pid;      /* 0 when nothing runs */
    uint64_t since_us; /* when the state began, since the kernel's start */
    uint64_t restarts; /* starts after a death, in this boot */
    enum snapshot_end last_end;
    uint64_t last_code;              /* exit code or signal number */
    char reason[SNAPSHOT_TEXT_SIZE]; /* why it is not ready, in words; "" when there is none */
    char lines[SNAPSHOT_LINES_MAX][SNAPSHOT_LINE_SIZE]; /* oldest first; of a failed service */
    size_t line_count;
};

struct snapshot {
    uint64_t written_us; /* since the kernel's start */
    bool ready;          /* every required service is ready, done or off */
    struct snapshot_service services[SNAPSHOT_SERVICES_MAX]; /* in the order of their start */
    size_t count;
};

/* "off", "waiting", ... as in the file. */
const char *snapshot_state_name(enum snapshot_state state);

/* Whether a service in this state lets the services start that need it. */
bool snapshot_state_satisfies(enum snapshot_state state);

/* The first required service that is not ready, but for the one called `except` (NULL: for none);
 * NULL when all are. Where no service is known nothing is ready: then it is "any". */
const char *snapshot_unready(const struct snapshot *snapshot, const char *except);

/* NULL when there is no such service. */
const struct snapshot_service *snapshot_find(const struct snapshot *snapshot, const char *name);

/* Copies text from outside into a field of `size` bytes: what does not fit is cut, control
 * characters become spaces, and bytes that are not UTF-8 become '?'. */
void snapshot_set_text(char *field, size_t size, const char *bytes, size_t length);

/* Adds one service as a JSON object, or the whole file with a newline. Running out of memory is
 * remembered in the text. */
void snapshot_add_service(const struct snapshot_service *service, struct text *t);
void snapshot_add_json(const struct snapshot *snapshot, struct text *t);

/* Parses the file. Unknown keys are left alone. Returns 0; -EBADMSG (CODE_SNAPSHOT) for anything
 * else than such a file, -ENOMEM. *ret is then undefined. */
MUST_USE int snapshot_parse(const void *bytes, size_t size, struct snapshot *ret,
                            struct failure *f);

/* Reads and parses. -ENOENT (CODE_SNAPSHOT) when the orchestrator has not written it yet. */
MUST_USE int snapshot_read(const char *path, struct snapshot *ret, struct failure *f);

/* Replaces the file, readable to all. */
MUST_USE int snapshot_write(const char *path, const struct snapshot *snapshot, struct failure *f);
