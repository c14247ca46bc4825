/* A service, described by one file: /usr/lib/broch/services/NAME.toml of the image, or
 * /etc/broch/services/NAME.toml of the machine. The keys are the table in manifest.c, published as
 * docs/reference/service.schema.json and worded in docs/reference/service.md.
 *
 * The same reader serves the factory, which checks what the profile enables, and every program of
 * the machine that acts for a service. It checks each key alone and the keys against each other;
 * what other manifests say (does a dependency exist, is there a cycle) is graph.h's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/schema.h"

enum {
    SERVICE_NAME_MAX = 24,  /* bytes; "broch-NAME" is a user, whose name has at most 31 */
    SERVICES_MAX = 64,      /* manifests that one machine may have */
    SERVICE_EDGES_MAX = 32, /* entries of `needs` and of `before` */
};

/* Defaults of `user`: numbers that follow from the name, so that files under /var belong to the
 * same service in every generation. Beyond what Debian's own range for packages (100 to 999) and
 * people (from 1000) reach, below the blocks that containers take from. */
enum { SERVICE_UID_MIN = 70000, SERVICE_UID_MAX = 99999 };

enum work_tier {
    WORK_TIER_NODE,
    WORK_TIER_ORG_CONTAINER,
    WORK_TIER_ORG_VM,
    WORK_TIER_CONFIDENTIAL_VM,
    WORK_TIER_USER_VM,
};

enum work_kind {
    WORK_KIND_DAEMON, /* runs until it is stopped */
    WORK_KIND_ONCE,   /* done, and then as good as ready, when it exited with 0 */
};

enum work_ready {
    WORK_READY_NOTIFY, /* it writes a newline to descriptor 3 */
    WORK_READY_FILE,   /* a file appears: a PID file, a socket */
    WORK_READY_START,  /* it was started */
    WORK_READY_MAX_,
};

enum work_restart {
    WORK_RESTART_ALWAYS,
    WORK_RESTART_ON_FAILURE,
    WORK_RESTART_NEVER,
    WORK_RESTART_MAX_,
};

enum work_scratch { WORK_SCRATCH_NONE, WORK_SCRATCH_EPHEMERAL, WORK_SCRATCH_PERSISTENT };

enum work_network { WORK_NETWORK_NONE, WORK_NETWORK_HOST, WORK_NETWORK_MAX_ };

enum work_oom { WORK_OOM_FIRST, WORK_OOM_NORMAL, WORK_OOM_LAST };

enum work_confine {
    WORK_CONFINE_STRICT, /* own user, no new privileges, only what is listed */
    WORK_CONFINE_SYSTEM, /* a control group and nothing else: for what is the system itself */
};

struct service_readiness {
    enum work_ready kind;
    char *path; /* of WORK_READY_FILE, else NULL */
    uint64_t within_ns;
};

struct service_restart {
    enum work_restart policy;
    int64_t burst; /* this many ends within the window are restarted at once */
    uint64_t window_ns;
    uint64_t delay_max_ns; /* of the doubling delay after a burst, from one second */
    int64_t attempts;      /* delayed restarts before it counts as failed */
};

struct service_stop {
    char *signal; /* "TERM" */
    uint64_t within_ns;
};

struct service_scratch {
    enum work_scratch class;
    uint64_t size; /* bytes */
};

struct service_network {
    enum work_network mode;
    struct schema_list listen; /* "tcp/22" */
};

struct service_limits {
    char *cpus;      /* as written, or NULL: see cpus_thousandths */
    uint64_t memory; /* bytes; 0 is no limit, as for the others */
    int64_t tasks;
    int64_t files; /* open descriptors of a process */
    enum work_oom oom;
};

struct service_confinement {
    enum work_confine level;
    char *reason;                    /* why level is system, else NULL */
    struct schema_list capabilities; /* "net_bind_service": lower case, without cap_ */
    struct schema_list write;        /* absolute paths */
    struct schema_list devices;      /* absolute paths under /dev */
    struct schema_list syscalls;     /* names and @groups beyond the usual ones */
};

struct service_log {
    uint64_t size; /* of what is kept beside the file that is written */
};

struct service_lines {
    unsigned run, user, needs, before, checks;
};

struct service_manifest {
    char *name; /* equal to the file's */
    char *description;
    enum work_tier tier;
    struct schema_list run; /* argv; run.items[0] is an absolute path */
    enum work_kind kind;
    char *user;                /* never NULL: "broch-NAME" when the file has none */
    struct schema_list needs;  /* names, or "*" alone: everything else that is required */
    struct schema_list before; /* names */
    bool required;             /* `broch ready` waits for it; see service_manifest_load() */
    char *condition;           /* key of the configuration, or NULL */
    struct schema_list checks; /* absolute paths of programs that judge its health */

    struct service_readiness ready;
    struct service_restart restart;
    struct service_stop stop;
    struct service_scratch scratch;
    struct service_network network;
    struct service_limits limits;
    struct service_confinement confine;
    struct service_log log;

    /* Not of the file. */
    char *path;                 /* of the file, as it was given */
    uint32_t cpus_thousandths;  /* of one processor; 0 is no limit */
    bool user_is_own;           /* the file has no `user` */
    struct service_lines lines; /* where keys stand, for messages of those who know more */
    bool required_is_said;      /* the file has `required` */
    bool is_machines;           /* from the machine's folder, not from the image's */
};

extern const struct schema service_manifest_schema;

/* Accepts a zeroed structure. */
void service_manifest_done(struct service_manifest *manifest);
#define _cleanup_service_manifest_ __attribute__((cleanup(service_manifest_done)))

#define SERVICE_NAME_PATTERN "^[a-z][A-Za-z0-9_-]{0,23}$"

/* NULL when `text` can be a service's name, else what it must be. */
const char *service_name_judge(const char *text);

/* Reads a manifest from bytes; `path` is for messages, `name` what the file's name says. Pure.
 * Returns 0, and the caller releases *ret with service_manifest_done(). Otherwise *ret is untouched
 * and *f says "PATH:LINE: ...": CODE_SYNTAX, CODE_SCHEMA, CODE_SERVICE_TIER (-ENOTSUP). */
MUST_USE int service_manifest_parse(const char *path, const char *name, const void *bytes,
                                    size_t size, struct service_manifest *ret, struct failure *f);

/* Where manifests are. Either may be NULL; both are borrowed. */
struct service_folders {
    const char *image;   /* SERVICE_FOLDER_IMAGE, or that of a tree */
    const char *machine; /* SERVICE_FOLDER_MACHINE: never takes a name that the image has */
};
#define SERVICE_FOLDER_IMAGE   "/usr/lib/broch/services"
#define SERVICE_FOLDER_MACHINE "/etc/broch/services"

/* Reads the manifest of one service, from the image's folder if it is there, else from the
 * machine's, where `required` is false unless said: what somebody tries out on a machine must not
 * cost it its generation. Errors of service_manifest_parse(), CODE_SERVICE_UNKNOWN (-ENOENT, with
 * the nearest name), CODE_IO. */
MUST_USE int service_manifest_load(const struct service_folders *folders, const char *name,
                                   struct service_manifest *ret, struct failure *f);

/* The names of the manifests in one folder, sorted. A folder that does not exist holds none. */
struct service_names {
    char names[SERVICES_MAX][SERVICE_NAME_MAX + 1];
    size_t count;
};
MUST_USE int service_names_list(const char *folder, struct service_names *ret, struct failure *f);

/* User and group number of a service without a `user` of its own. */
uint32_t service_manifest_uid(const char *name);

/* Takes "tcp/22" apart. False for anything else. */
struct service_port {
    bool is_udp;
    uint16_t number;
};
bool service_port_parse(const char *text, struct service_port *ret);
