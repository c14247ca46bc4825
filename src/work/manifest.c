#include "work/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/siphash.h"
#include "base/text.h"
#include "sys/file.h"
#include "work/confine_names.h"

enum { PATH_LENGTH_MAX = 256, ARGUMENT_LENGTH_MAX = 1024, CPUS_MAX = 1024 };

#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

static bool holds_only(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

const char *service_name_judge(const char *text)
{
    if (text[0] < 'a' || text[0] > 'z' || !holds_only(text, LETTERS CAPITALS DIGITS "-_") ||
        strlen(text) > SERVICE_NAME_MAX)
        return "must begin with a small letter and hold up to 24 letters, digits, '-' and '_'";
    if (strcmp(text, "default") == 0)
        return "must not be 'default', which is the name of the set of all services";
    return NULL;
}

static const char *validate_need(const char *text)
{
    return strcmp(text, "*") == 0 ? NULL : service_name_judge(text);
}

static const char *validate_user(const char *text)
{
    bool begins_well = (text[0] >= 'a' && text[0] <= 'z') || text[0] == '_';

    if (!begins_well || !holds_only(text, LETTERS DIGITS "-_"))
        return "must be the name of a user: small letters, digits, '-' and '_'";
    return NULL;
}

/* Absolute, in its shortest form, and without what cannot stand in a message or a file of ours. */
static const char *validate_path(const char *text)
{
    static const char wrong[] = "must be an absolute path without '.', '..' or empty parts";
    const char *p = text;

    if (text[0] != '/' || text[1] == '\0')
        return wrong;
    while (*p) {
        const char *part = p + 1;
        size_t length = strcspn(part, "/");

        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return wrong;
        p = part + length;
    }
    for (p = text; *p; p++) {
        if (*p < ' ' || *p > '~')
            return "must hold printable characters only";
    }
    return NULL;
}

static const char *validate_device(const char *text)
{
    return strncmp(text, "/dev/", 5) == 0 ? validate_path(text) : "must be a path under /dev";
}

static const char *validate_argument(const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return "must not hold control characters";
    }
    return NULL;
}

static const char *validate_condition(const char *text)
{
    if (text[0] < 'a' || text[0] > 'z' || !holds_only(text, LETTERS DIGITS "_.") ||
        strstr(text, "..") || text[strlen(text) - 1] == '.')
        return "must be a key of the configuration such as 'admin.ssh_keys'";
    return NULL;
}

static const char *validate_syscall(const char *text)
{
    return confine_syscall_is_known(text)
               ? NULL
               : "must be a system call, or a group of them with '@', that docs/hardening.md names";
}

static const char *validate_listen(const char *text)
{
    struct service_port port;

    return service_port_parse(text, &port) ? NULL : "must be 'tcp/' or 'udp/' and a port";
}

/* "2", "0.5", "0.125": thousandths at most, so that no floating point is needed. */
static bool parse_cpus(const char *text, uint32_t *ret_thousandths)
{
    size_t whole = strcspn(text, "."), length = strlen(text);
    uint64_t units, parts = 0;

    if (number_parse(text, whole, CPUS_MAX, &units) < 0)
        return false;
    if (whole < length) {
        size_t digits = length - whole - 1;

        if (digits < 1 || digits > 3 || !holds_only(text + whole + 1, DIGITS))
            return false;
        for (size_t i = 0; i < 3; i++)
            parts = parts * 10 + (i < digits ? (uint64_t)(text[whole + 1 + i] - '0') : 0);
    }
    *ret_thousandths = (uint32_t)(units * 1000 + parts);
    return *ret_thousandths > 0;
}

static const char *validate_cpus(const char *text)
{
    uint32_t thousandths;

    return parse_cpus(text, &thousandths) ? NULL : "must be processors such as \"2\" or \"0.25\"";
}

static const char *const tiers[] = {
    [WORK_TIER_NODE] = "node",       [WORK_TIER_ORG_CONTAINER] = "org-container",
    [WORK_TIER_ORG_VM] = "org-vm",   [WORK_TIER_CONFIDENTIAL_VM] = "confidential-vm",
    [WORK_TIER_USER_VM] = "user-vm", NULL
};
static const char *const kinds[] = { "daemon", "once", NULL };
static const char *const ready_kinds[] = { "notify", "file", "start", NULL };
static const char *const policies[] = { "always", "on-failure", "never", NULL };
static const char *const signals[] = { "TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", NULL };
static const char *const classes[] = { "none", "ephemeral", "persistent", NULL };
static const char *const networks[] = { "none", "host", NULL };
static const char *const ooms[] = { "first", "normal", "last", NULL };
static const char *const levels[] = { "strict", "system", NULL };

/* capabilities(7) of Linux 6.12, all of them. */
static const char *const capabilities[] = { "audit_control",   "audit_read",   "audit_write",
                                            "block_suspend",   "bpf",          "checkpoint_restore",
                                            "chown",           "dac_override", "dac_read_search",
                                            "fowner",          "fsetid",       "ipc_lock",
                                            "ipc_owner",       "kill",         "lease",
                                            "linux_immutable", "mac_admin",    "mac_override",
                                            "mknod",           "net_admin",    "net_bind_service",
                                            "net_broadcast",   "net_raw",      "perfmon",
                                            "setfcap",         "setgid",       "setpcap",
                                            "setuid",          "sys_admin",    "sys_boot",
                                            "sys_chroot",      "sys_module",   "sys_nice",
                                            "sys_pacct",       "sys_ptrace",   "sys_rawio",
                                            "sys_resource",    "sys_time",     "sys_tty_config",
                                            "syslog",          "wake_alarm",   NULL };

#define PATTERN_PATH   "^/[ -~]+$"
#define DURATION_MAX   (24 * 3600 * NS_PER_S)
#define NOT_GIVEN(max) .fallback.choice = (max)

static const struct schema_key ready_keys[] = {
    { SCHEMA_CHOICE("kind", struct service_readiness, kind, ready_kinds),
      NOT_GIVEN(WORK_READY_MAX_),
      .help = "How it says that it serves: a newline on descriptor 3, a file that appears, or "
              "having been started (the default)." },
    { SCHEMA_TEXT("path", struct service_readiness, path, PATH_LENGTH_MAX),
      .validate = validate_path, .pattern = PATTERN_PATH, .help = "The file of kind \"file\"." },
    { SCHEMA_DURATION("within", struct service_readiness, within_ns, NS_PER_S, DURATION_MAX),
      .fallback.duration = 30 * NS_PER_S,
      .help = "Deadline; a service that is late is stopped and counts as ended." },
};
static const struct schema ready_schema =
    SCHEMA("ready", "When it counts as ready.", struct service_readiness, ready_keys);

static const struct schema_key restart_keys[] = {
    { SCHEMA_CHOICE("policy", struct service_restart, policy, policies),
      NOT_GIVEN(WORK_RESTART_MAX_),
      .help = "Which ends are followed by a new start: \"always\" for daemons, \"on-failure\" for "
              "once unless said." },
    { SCHEMA_INTEGER("burst", struct service_restart, burst, 1, 100), .fallback.integer = 5,
      .help = "Ends within the window that are followed by a start at once." },
    { SCHEMA_DURATION("window", struct service_restart, window_ns, NS_PER_S, DURATION_MAX),
      .fallback.duration = 60 * NS_PER_S, .help = "The time in which ends are counted." },
    { SCHEMA_DURATION("delay_max", struct service_restart, delay_max_ns, NS_PER_S, DURATION_MAX),
      .fallback.duration = 60 * NS_PER_S,
      .help = "Longest delay; it begins with one second after a burst and doubles." },
    { SCHEMA_INTEGER("attempts", struct service_restart, attempts, 0, 1000), .fallback.integer = 8,
      .help = "Delayed starts before the service counts as failed." },
};
static const struct schema restart_schema =
    SCHEMA("restart", "What follows its end.", struct service_restart, restart_keys);

static const struct schema_key stop_keys[] = {
    { SCHEMA_TEXT("signal", struct service_stop, signal, 8), .choices = signals,
      .fallback.text = "TERM", .help = "Signal that asks it to end." },
    { SCHEMA_DURATION("within", struct service_stop, within_ns, 100 * NS_PER_MS, 600 * NS_PER_S),
      .fallback.duration = 5 * NS_PER_S, .help = "Time to end before SIGKILL." },
};
static const struct schema stop_schema =
    SCHEMA("stop", "How it is ended.", struct service_stop, stop_keys);

static const struct schema_key scratch_keys[] = {
    { SCHEMA_CHOICE("class", struct service_scratch, class, classes),
      .fallback.choice = WORK_SCRATCH_NONE,
      .help = "Its own folder: ephemeral is /run/NAME, persistent /var/lib/NAME; $SCRATCH says." },
    { SCHEMA_SIZE("size", struct service_scratch, size, 64 * KIB, 1024 * GIB),
      .fallback.size = 16 * MIB, .help = "Room in it." },
};
static const struct schema scratch_schema =
    SCHEMA("scratch", "Its own folder.", struct service_scratch, scratch_keys);

static const struct schema_key network_keys[] = {
    { SCHEMA_CHOICE("mode", struct service_network, mode, networks), NOT_GIVEN(WORK_NETWORK_MAX_),
      .help = "No network but its own loopback, or the machine's; \"none\" unless the level is "
              "\"system\"." },
    { SCHEMA_LIST("listen", struct service_network, listen, 16, 16), .validate = validate_listen,
      .pattern = "^(tcp|udp)/[1-9][0-9]{0,4}$",
      .help = "Ports that the firewall opens for it; all others stay closed." },
};
static const struct schema network_schema =
    SCHEMA("network", "What it reaches and who reaches it.", struct service_network, network_keys);

static const struct schema_key limit_keys[] = {
    { SCHEMA_TEXT("cpus", struct service_limits, cpus, 8), .validate = validate_cpus,
      .pattern = "^(0|[1-9][0-9]{0,3})([.][0-9]{1,3})?$",
      .help = "Processors, in decimals; no limit unless said." },
    { SCHEMA_SIZE("memory", struct service_limits, memory, MIB, 1024 * GIB),
      .help = "Memory of all its processes; 128MiB unless said, none for level \"system\"." },
    { SCHEMA_INTEGER("tasks", struct service_limits, tasks, 1, 100000),
      .help = "Processes and threads; 64 unless said, none for level \"system\"." },
    { SCHEMA_INTEGER("files", struct service_limits, files, 16, 1048576), .fallback.integer = 1024,
      .help = "Open descriptors of each process." },
    { SCHEMA_CHOICE("oom", struct service_limits, oom, ooms), .fallback.choice = WORK_OOM_NORMAL,
      .help = "Who is killed when the machine has no memory left." },
};
static const struct schema limit_schema =
    SCHEMA("limits", "What it may use.", struct service_limits, limit_keys);

static const struct schema_key confine_keys[] = {
    { SCHEMA_CHOICE("level", struct service_confinement, level, levels),
      .fallback.choice = WORK_CONFINE_STRICT,
      .help = "\"system\" is for what is part of the system itself, and needs a reason." },
    { SCHEMA_TEXT("reason", struct service_confinement, reason, 256),
      .help = "Why the level is \"system\"." },
    { SCHEMA_LIST("capabilities", struct service_confinement, capabilities, 41, 32),
      .choices = capabilities, .help = "Capabilities that it keeps." },
    { SCHEMA_LIST("write", struct service_confinement, write, 16, PATH_LENGTH_MAX),
      .validate = validate_path, .pattern = PATTERN_PATH,
      .help = "Paths it may write beside its own folder." },
    { SCHEMA_LIST("devices", struct service_confinement, devices, 16, PATH_LENGTH_MAX),
      .validate = validate_device, .pattern = "^/dev/[ -~]+$",
      .help = "Devices beside null, zero, full, random, urandom and tty." },
    { SCHEMA_LIST("syscalls", struct service_confinement, syscalls, 64, 48),
      .validate = validate_syscall, .pattern = "^@?[a-z0-9_-]+$",
      .help = "System calls and groups of them beside the usual ones." },
};
static const struct schema confine_schema =
    SCHEMA("confine", "What it may do.", struct service_confinement, confine_keys);

static const struct schema_key log_keys[] = {
    { SCHEMA_SIZE("size", struct service_log, size, 256 * KIB, 256 * MIB), .fallback.size = MIB,
      .help = "Room of its log under /var/log/broch; the oldest lines go first." },
};
static const struct schema log_schema =
    SCHEMA("log", "What it says.", struct service_log, log_keys);

static const struct schema_key manifest_keys[] = {
    { SCHEMA_TEXT("name", struct service_manifest, name, SERVICE_NAME_MAX), .required = true,
      .validate = service_name_judge, .pattern = SERVICE_NAME_PATTERN,
      .help = "Name of the service, equal to the file's." },
    { SCHEMA_TEXT("description", struct service_manifest, description, 128), .required = true,
      .validate = validate_argument, .help = "What it does, in a few words." },
    { SCHEMA_CHOICE("tier", struct service_manifest, tier, tiers),
      .fallback.choice = WORK_TIER_NODE,
      .help = "What kind of silo it runs in; \"node\" is the only one so far." },
    { SCHEMA_LIST("run", struct service_manifest, run, 64, ARGUMENT_LENGTH_MAX), .required = true,
      .validate = validate_argument,
      .help = "The program as an absolute path, and its arguments; no shell reads them." },
    { SCHEMA_CHOICE("kind", struct service_manifest, kind, kinds),
      .fallback.choice = WORK_KIND_DAEMON,
      .help = "\"once\" has done its work when it exits with 0." },
    { SCHEMA_TEXT("user", struct service_manifest, user, 31), .validate = validate_user,
      .pattern = "^[a-z_][a-z0-9_-]*$",
      .help = "User it runs as; broch-NAME, its own, unless said." },
    { SCHEMA_LIST("needs", struct service_manifest, needs, SERVICE_EDGES_MAX, SERVICE_NAME_MAX),
      .validate = validate_need, .pattern = "^([*]|[a-z][A-Za-z0-9_-]{0,23})$",
      .help =
          "Services that are ready before it starts; \"*\" is everything else that is required." },
    { SCHEMA_LIST("before", struct service_manifest, before, SERVICE_EDGES_MAX, SERVICE_NAME_MAX),
      .validate = service_name_judge, .pattern = SERVICE_NAME_PATTERN,
      .help = "Services that start when it is ready, if they are there." },
    { SCHEMA_BOOLEAN("required", struct service_manifest, required), .fallback.boolean = true,
      .help = "Whether the machine is ready only with it; false unless said for a service in "
              "/etc/broch/services." },
    { SCHEMA_TEXT("condition", struct service_manifest, condition, 64),
      .validate = validate_condition, .pattern = "^[a-z][a-z0-9_.]*$",
      .help = "Key of the configuration without which the service is off." },
    { SCHEMA_LIST("checks", struct service_manifest, checks, 8, PATH_LENGTH_MAX),
      .validate = validate_path, .pattern = PATTERN_PATH,
      .help = "Programs that judge its health; exit code 0 is good." },
    { SCHEMA_TABLE("ready", struct service_manifest, ready, &ready_schema) },
    { SCHEMA_TABLE("restart", struct service_manifest, restart, &restart_schema) },
    { SCHEMA_TABLE("stop", struct service_manifest, stop, &stop_schema) },
    { SCHEMA_TABLE("scratch", struct service_manifest, scratch, &scratch_schema) },
    { SCHEMA_TABLE("network", struct service_manifest, network, &network_schema) },
    { SCHEMA_TABLE("limits", struct service_manifest, limits, &limit_schema) },
    { SCHEMA_TABLE("confine", struct service_manifest, confine, &confine_schema) },
    { SCHEMA_TABLE("log", struct service_manifest, log, &log_schema) },
};
const struct schema service_manifest_schema = SCHEMA(
    "service manifest", "A service of a Broch machine.", struct service_manifest, manifest_keys);

void service_manifest_done(struct service_manifest *manifest)
{
    free(manifest->path);
    manifest->path = NULL;
    schema_free(&service_manifest_schema, manifest);
}

/* Where in the document a message points: the key, else its table, else the first line. */
struct judge {
    const struct toml *document;
    struct failure *failure;
};

static unsigned line_of(const struct judge *judge, const char *table, const char *key)
{
    const struct toml_value *root = toml_root(judge->document);
    const struct toml_value *place = table ? toml_get(root, table) : root;
    const struct toml_value *value = place ? toml_get(place, key) : NULL;

    return value ? toml_line(value) : place ? toml_line(place) : 1;
}

static int refuse(const struct judge *judge, const char *table, const char *key, const char *wrong)
{
    return failure_set(judge->failure, CODE_SCHEMA, -EBADMSG, "%s:%u: '%s%s%s' %s",
                       toml_name(judge->document), line_of(judge, table, key), table ? table : "",
                       table ? "." : "", key, wrong);
}

static int judge_name(const struct judge *judge, const char *name, const struct service_manifest *m)
{
    if (strcmp(m->name, name) != 0)
        return failure_set(judge->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: 'name' is '%s', but the file is '%s.toml'",
                           toml_name(judge->document), line_of(judge, NULL, "name"), m->name, name);
    return 0;
}

static int judge_tier(const struct judge *judge, const struct service_manifest *m)
{
    if (m->tier == WORK_TIER_NODE)
        return 0;
    return failure_set(judge->failure, CODE_SERVICE_TIER, -ENOTSUP,
                       "%s:%u: 'tier' is '%s', which does not run yet: only 'node' does",
                       toml_name(judge->document), line_of(judge, NULL, "tier"), tiers[m->tier]);
}

static int judge_run(const struct judge *judge, const struct service_manifest *m)
{
    const char *wrong;

    if (m->run.count == 0)
        return refuse(judge, NULL, "run", "is empty, it must begin with a program");
    wrong = validate_path(m->run.items[0]);
    if (wrong)
        return failure_set(judge->failure, CODE_SCHEMA, -EBADMSG,
                           "%s:%u: 'run' begins with '%s', it %s", toml_name(judge->document),
                           line_of(judge, NULL, "run"), m->run.items[0], wrong);
    return 0;
}

/* Names of other services, each once. */
static int judge_edges(const struct judge *judge, const char *key, const struct schema_list *names,
                       const char *self)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];

        if (strcmp(name, self) == 0)
            return refuse(judge, NULL, key, "names the service itself");
        if (strcmp(name, "*") == 0 && names->count > 1)
            return refuse(judge, NULL, key, "has '*' beside other names, which it includes");
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names->items[j], name) == 0)
                return failure_set(judge->failure, CODE_SCHEMA, -EBADMSG,
                                   "%s:%u: '%s' names '%s' twice", toml_name(judge->document),
                                   line_of(judge, NULL, key), key, name);
        }
    }
    return 0;
}

static int judge_ready(const struct judge *judge, struct service_manifest *m)
{
    bool is_said = m->ready.kind != WORK_READY_MAX_;

    if (is_said && m->kind == WORK_KIND_ONCE)
        return refuse(judge, "ready", "kind", "has no meaning for kind \"once\"");
    if (!is_said)
        m->ready.kind = WORK_READY_START;
    if (m->ready.kind == WORK_READY_FILE && !m->ready.path)
        return refuse(judge, "ready", "path", "is missing, kind \"file\" needs it");
    if (m->ready.kind != WORK_READY_FILE && m->ready.path)
        return refuse(judge, "ready", "path", "needs kind \"file\"");
    return 0;
}

static int judge_restart(const struct judge *judge, struct service_manifest *m)
{
    if (m->restart.policy == WORK_RESTART_MAX_)
        m->restart.policy =
            m->kind == WORK_KIND_ONCE ? WORK_RESTART_ON_FAILURE : WORK_RESTART_ALWAYS;
    if (m->kind == WORK_KIND_ONCE && m->restart.policy == WORK_RESTART_ALWAYS)
        return refuse(judge, "restart", "policy", "must not be \"always\" for kind \"once\"");
    return 0;
}

static int judge_network(const struct judge *judge, struct service_manifest *m)
{
    if (m->network.mode == WORK_NETWORK_MAX_)
        m->network.mode =
            m->confine.level == WORK_CONFINE_SYSTEM ? WORK_NETWORK_HOST : WORK_NETWORK_NONE;
    if (m->network.mode == WORK_NETWORK_NONE && m->network.listen.count > 0)
        return refuse(judge, "network", "listen", "needs mode \"host\"");
    return 0;
}

static int judge_confine(const struct judge *judge, const struct service_manifest *m)
{
    bool has_reason = m->confine.reason && m->confine.reason[0] != '\0';

    if (m->confine.level == WORK_CONFINE_SYSTEM && !has_reason)
        return refuse(judge, "confine", "reason", "is missing, level \"system\" needs it");
    if (m->confine.level != WORK_CONFINE_SYSTEM && m->confine.reason)
        return refuse(judge, "confine", "reason", "needs level \"system\"");
    return 0;
}

/* A service that is part of the system has the limits that its manifest says and no others: a login
 * shell runs whatever a person starts there. */
static void complete_limits(struct service_manifest *m)
{
    if (m->limits.cpus)
        (void)parse_cpus(m->limits.cpus, &m->cpus_thousandths); /* the schema did it before */
    if (m->confine.level == WORK_CONFINE_SYSTEM)
        return;
    if (m->limits.memory == 0)
        m->limits.memory = 128 * MIB;
    if (m->limits.tasks == 0)
        m->limits.tasks = 64;
}

static int complete_texts(const struct judge *judge, struct service_manifest *m)
{
    m->path = strdup(toml_name(judge->document));
    m->user_is_own = !m->user;
    if (!m->user)
        m->user = text_make("broch-%s", m->name);
    return m->user && m->path
               ? 0
               : failure_set(judge->failure, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int judge_whole(const struct judge *judge, const char *name, struct service_manifest *m)
{
    int r = judge_name(judge, name, m);

    if (r == 0)
        r = judge_tier(judge, m);
    if (r == 0)
        r = judge_run(judge, m);
    if (r == 0)
        r = judge_edges(judge, "needs", &m->needs, m->name);
    if (r == 0)
        r = judge_edges(judge, "before", &m->before, m->name);
    if (r == 0)
        r = judge_ready(judge, m);
    if (r == 0)
        r = judge_restart(judge, m);
    if (r == 0)
        r = judge_confine(judge, m);
    if (r == 0)
        r = judge_network(judge, m);
    if (r == 0)
        r = complete_texts(judge, m);
    if (r == 0)
        complete_limits(m);
    m->required_is_said = toml_get(toml_root(judge->document), "required") != NULL;
    m->lines =
        (struct service_lines){ line_of(judge, NULL, "run"), line_of(judge, NULL, "user"),
                                line_of(judge, NULL, "needs"), line_of(judge, NULL, "before"),
                                line_of(judge, NULL, "checks") };
    return r;
}

int service_manifest_parse(const char *path, const char *name, const void *bytes, size_t size,
                           struct service_manifest *ret, struct failure *f)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct service_manifest manifest = { .name = NULL };
    struct judge judge;
    int r = toml_parse(path, bytes, size, &document, f);

    if (r == 0)
        r = schema_bind(&service_manifest_schema, document, &manifest, f);
    if (r < 0)
        return r;
    judge = (struct judge){ document, f };
    r = judge_whole(&judge, name, &manifest);
    if (r < 0)
        service_manifest_done(&manifest);
    else
        *ret = manifest;
    return r;
}

/* The name of a manifest, from its file's: false for anything else that lies in the folder. */
static bool name_of_file(const char *file, char ret[static SERVICE_NAME_MAX + 1])
{
    size_t length = strlen(file), suffix = strlen(".toml");

    if (length <= suffix || length - suffix > SERVICE_NAME_MAX ||
        strcmp(file + length - suffix, ".toml") != 0)
        return false;
    memcpy(ret, file, length - suffix);
    ret[length - suffix] = '\0';
    return service_name_judge(ret) == NULL;
}

static int collect_name(const char *folder, const char *file, void *context, struct failure *f)
{
    struct service_names *names = context;
    char name[SERVICE_NAME_MAX + 1];

    if (!name_of_file(file, name))
        return 0;
    if (names->count == SERVICES_MAX)
        return failure_set(f, CODE_SCHEMA, -ERANGE, "'%s' holds more than %d manifests", folder,
                           SERVICES_MAX);
    memcpy(names->names[names->count++], name, sizeof(name));
    return 0;
}

int service_names_list(const char *folder, struct service_names *ret, struct failure *f)
{
    struct service_names names = { .count = 0 };
    int r = file_exists(folder) ? file_list(folder, collect_name, &names, f) : 0;

    if (r == 0)
        *ret = names;
    return r;
}

static int refuse_unknown(const struct service_folders *folders, const char *name,
                          struct failure *f)
{
    const char *const places[] = { folders->image, folders->machine };
    const char *nearest = NULL;
    struct service_names names;

    for (size_t i = 0; i < ARRAY_SIZE(places) && !nearest; i++) {
        const char *list[SERVICES_MAX];

        if (!places[i] || service_names_list(places[i], &names, f) < 0)
            continue;
        for (size_t j = 0; j < names.count; j++)
            list[j] = names.names[j];
        nearest = nearest_name(name, list, names.count);
    }
    return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT, "there is no service '%s'%s%s%s", name,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static int load(const char *path, const char *name, struct service_manifest *ret, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = file_read(path, TOML_SIZE_MAX, &bytes, &size, f);

    return r < 0 ? r : service_manifest_parse(path, name, bytes, size, ret, f);
}

int service_manifest_load(const struct service_folders *folders, const char *name,
                          struct service_manifest *ret, struct failure *f)
{
    const char *const places[] = { folders->image, folders->machine };

    if (service_name_judge(name))
        return refuse_unknown(folders, name, f);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *path = places[i] ? text_make("%s/%s.toml", places[i], name) : NULL;
        int r;

        if (places[i] && !path)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (!path || !file_exists(path))
            continue;
        r = load(path, name, ret, f);
        if (r < 0)
            return r;
        ret->is_machines = places[i] == folders->machine;
        if (ret->is_machines && !ret->required_is_said)
            ret->required = false;
        return 0;
    }
    return refuse_unknown(folders, name, f);
}

/* The key is a constant of the format: other numbers would give files under /var to others. */
uint32_t service_manifest_uid(const char *name)
{
    static const uint8_t key[SIPHASH_KEY_SIZE] = "broch service id";
    uint64_t hash = siphash(key, name, strlen(name));

    return SERVICE_UID_MIN + (uint32_t)(hash % (SERVICE_UID_MAX - SERVICE_UID_MIN + 1));
}

bool service_port_parse(const char *text, struct service_port *ret)
{
    bool is_udp = strncmp(text, "udp/", 4) == 0;
    uint64_t number;

    if (!is_udp && strncmp(text, "tcp/", 4) != 0)
        return false;
    if (number_parse_text(text + 4, UINT16_MAX, &number) < 0 || number == 0)
        return false;
    *ret = (struct service_port){ is_udp, (uint16_t)number };
    return true;
}
