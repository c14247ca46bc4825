#include "work/in_force.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "sys/attribute.h"
#include "sys/file.h"
#include "work/confine.h"
#include "work/confine_names.h"

enum { STATUS_SIZE = 8192, PATH_SIZE = 320, PIDS_SIZE = 8192 };

#define ALL_CAPABILITIES ((UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1)

/* The value behind "KEY:" and white space, up to the end of the line or the next white space. */
static const char *find_field(const char *text, const char *key, size_t *ret_length)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;

            value += strspn(value, " \t");
            *ret_length = strcspn(value, " \t\n");
            return value;
        }
    }
    return NULL;
}

static bool parse_number(const char *text, const char *key, uint64_t *ret)
{
    size_t length;
    const char *value = find_field(text, key, &length);

    return value && number_parse(value, length, UINT64_MAX, ret) == 0;
}

/* Sixteen hexadecimal digits, as the kernel writes a set of capabilities. */
static bool parse_set(const char *text, const char *key, uint64_t *ret)
{
    size_t length;
    const char *value = find_field(text, key, &length);
    uint64_t set = 0;

    if (!value || length != 16)
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, value[i]);

        if (!digit)
            return false;
        set = set << 4 | (uint64_t)(digit - digits);
    }
    *ret = set;
    return true;
}

int in_force_parse_status(const char *text, struct in_force *ret)
{
    uint64_t no_new;

    if (!parse_number(text, "Uid", &ret->uid) || !parse_set(text, "CapEff", &ret->capabilities) ||
        !parse_set(text, "CapBnd", &ret->bounding) || !parse_number(text, "NoNewPrivs", &no_new) ||
        !parse_number(text, "Seccomp_filters", &ret->filters))
        return -EBADMSG;
    ret->no_new_privileges = no_new != 0;
    return 0;
}

static int read_process(pid_t pid, const char *file, char *buffer, size_t size)
{
    char path[PATH_SIZE];
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    r = attribute_read(AT_FDCWD, path, buffer, size);
    if (r > 0 && buffer[r - 1] == '\n')
        buffer[r - 1] = '\0';
    return r < 0 ? r : 0;
}

/* Whether a namespace of the process is another one than PID 1's. */
static int differs(pid_t pid, const char *space, bool *ret)
{
    char path[PATH_SIZE], mine[64], first[64];
    ssize_t one, other;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, space);
    one = readlink(path, mine, sizeof(mine));
    if (one < 0)
        return -errno;
    (void)snprintf(path, sizeof(path), "/proc/1/ns/%s", space);
    other = readlink(path, first, sizeof(first));
    if (other < 0)
        return -errno;
    *ret = one != other || memcmp(mine, first, (size_t)one) != 0;
    return 0;
}

static int read_limit(const char *name, const char *file, char *ret)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/%s/%s", CONFINE_CGROUP_FOLDER, name, file);
    return attribute_read_line(AT_FDCWD, path, ret, IN_FORCE_TEXT_SIZE);
}

int in_force_read(const char *name, pid_t pid, struct in_force *ret, struct failure *f)
{
    struct in_force found = { .uid = 0 };
    char status[STATUS_SIZE];
    int r = read_process(pid, "status", status, sizeof(status));

    if (r == 0)
        r = in_force_parse_status(status, &found);
    if (r == 0)
        r = read_process(pid, "attr/current", found.profile, sizeof(found.profile));
    if (r == 0)
        r = read_process(pid, "oom_score_adj", found.oom_score, sizeof(found.oom_score));
    if (r == 0)
        r = differs(pid, "mnt", &found.own_root);
    if (r == 0)
        r = differs(pid, "net", &found.own_network);
    if (r == 0)
        r = read_limit(name, "memory.max", found.memory);
    if (r >= 0)
        r = read_limit(name, "pids.max", found.tasks);
    if (r < 0)
        return failure_set(f, CODE_CONFINE, r, "cannot tell what is in force for '%s'", name);
    *ret = found;
    return 0;
}

void in_force_add_capabilities(uint64_t set, struct text *t)
{
    const char *space = "";

    if (set == 0 || (set & ALL_CAPABILITIES) == ALL_CAPABILITIES) {
        text_add(t, set == 0 ? "none" : "all");
        return;
    }
    for (unsigned number = 0; number < 64; number++) {
        const char *name = confine_capability_name(number);

        if ((set >> number & 1) == 0)
            continue;
        text_addf(t, "%s%s", space, name ? name : "?");
        space = " ";
    }
}

static void add_row(const char *name, const struct in_force *in, struct text *t)
{
    text_addf(t, "| %s | %s | ", name, in->uid == 0 ? "root" : "own");
    in_force_add_capabilities(in->bounding, t);
    text_addf(t, " | %s | %s | %s | %s | %s | %s | %s | %s |\n",
              in->no_new_privileges ? "yes" : "no", in->filters > 0 ? "yes" : "no", in->profile,
              in->own_root ? "own" : "the machine's", in->own_network ? "none" : "the machine's",
              in->memory, in->tasks, in->oom_score);
}

/* The least of the users that the service's processes have: one that is root's makes it root's. */
static int find_user(const char *pids, uint64_t *ret_uid)
{
    uint64_t pid;

    for (const char *line = pids; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char status[STATUS_SIZE];
        struct in_force in;

        if (number_parse(line, strcspn(line, "\n"), INT32_MAX, &pid) < 0)
            return -EBADMSG;
        if (read_process((pid_t)pid, "status", status, sizeof(status)) == 0 &&
            in_force_parse_status(status, &in) == 0 && in.uid < *ret_uid)
            *ret_uid = in.uid;
    }
    return 0;
}

/* The first process of the group is the one that was executed: ids go up. */
static int add_service(const char *folder, const char *name, void *context, struct failure *f)
{
    char path[PATH_SIZE], pids[PIDS_SIZE];
    struct text *t = context;
    struct in_force in;
    uint64_t pid;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%s/cgroup.procs", folder, name);
    r = attribute_read(AT_FDCWD, path, pids, sizeof(pids));
    /* Files of the group itself, and services that do not run. */
    if (r <= 0 || number_parse(pids, strcspn(pids, "\n"), INT32_MAX, &pid) < 0)
        return 0;
    r = in_force_read(name, (pid_t)pid, &in, f);
    if (r == 0 && find_user(pids, &in.uid) == 0)
        add_row(name, &in, t);
    return r == -ENOENT ? 0 : r; /* it ended meanwhile */
}

int in_force_add_table(struct text *t, struct failure *f)
{
    text_add(t, "| Service | User | Capabilities | No new privileges | Filter | AppArmor | Root | "
                "Network | Memory | Tasks | Out of memory |\n"
                "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    return file_list(CONFINE_CGROUP_FOLDER, add_service, t, f);
}
