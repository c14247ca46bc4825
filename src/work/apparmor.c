#include "work/apparmor.h"

#include <stdio.h>
#include <string.h>

/* What every service reads, and the places that its root has for itself. */
static const char common[] =
    "  # What the image has: programs run under this profile, whoever starts them.\n"
    "  / r,\n"
    "  /{etc,home,run,var,proc,sys,dev,tmp}/ r,\n"
    "  /usr/ r,\n"
    "  /usr/** mrix,\n"
    "  /opt/** mrix,\n"
    "  /etc/** r,\n"
    "  audit deny /etc/broch/secrets/{,**} rwklm,\n"
    "  audit deny /etc/{,g}shadow{,-} rwklm,\n"
    "  # What the kernel tells, and what a process may set of itself.\n"
    "  /proc/** r,\n"
    "  /proc/[0-9]*/{,task/[0-9]*/}comm w,\n"
    "  /proc/[0-9]*/oom_score_adj w,\n"
    "  /sys/** r,\n"
    "  # Its root: folders of the machine that are shown, and its own memory.\n"
    "  /{run,var}/** r,\n"
    "  /run/broch/syslog/log w,\n"
    "  /{tmp,var/tmp,dev/shm}/{,**} rwkl,\n"
    "  /dev/{null,zero,full,random,urandom} rw,\n"
    "  /dev/{fd,stdin,stdout,stderr,log} r,\n";

static const char common_network[] = "  network unix,\n"
                                     "  network netlink,\n"
                                     "  network inet stream,\n"
                                     "  network inet dgram,\n"
                                     "  network inet6 stream,\n"
                                     "  network inet6 dgram,\n";

/* Words of the manifest that AppArmor has rules of its own for. */
static const struct {
    const char *word;
    const char *rules;
} by_syscalls[] = {
    { "@packet", "  network,\n" },
    { "@mount", "  mount,\n  umount,\n  pivot_root,\n" },
    { "@namespaces", "  userns,\n" },
    { "@io-uring", "  io_uring,\n" },
    { "@debug", "  ptrace,\n" },
}, by_capability[] = {
    { "net_raw", "  network packet,\n  network inet raw,\n  network inet6 raw,\n" },
};

void apparmor_profile_name(const struct service_manifest *manifest,
                           char ret[static APPARMOR_NAME_SIZE])
{
    if (manifest->is_machines)
        (void)snprintf(ret, APPARMOR_NAME_SIZE, "%s", APPARMOR_LOCAL);
    else
        (void)snprintf(ret, APPARMOR_NAME_SIZE, "broch-%s", manifest->name);
}

static bool has(const struct schema_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], word) == 0)
            return true;
    }
    return false;
}

/* A path in quotes, where only the characters of patterns need an escape. */
static void add_path(struct text *t, const char *path, const char *ending, const char *permissions)
{
    text_add(t, "  \"");
    for (const char *c = path; *c; c++) {
        if (strchr("*?[]{}^\"\\", *c))
            text_add(t, "\\");
        text_add_bytes(t, c, 1);
    }
    text_addf(t, "%s\" %s,\n", ending, permissions);
}

/* Never executable: what a service wrote, no service runs. */
static void add_writable(struct text *t, const char *path)
{
    add_path(t, path, "", "rwkl");
    add_path(t, path, "/{,**}", "rwkl");
}

static void add_paths(struct text *t, const struct service_manifest *m)
{
    char scratch[64];

    text_add(t, "  # What its manifest adds.\n");
    if (strncmp(m->run.items[0], "/usr/", 5) != 0)
        add_path(t, m->run.items[0], "", "mrix");
    if (m->scratch.class != WORK_SCRATCH_NONE) {
        (void)snprintf(scratch, sizeof(scratch), "%s/%s",
                       m->scratch.class == WORK_SCRATCH_EPHEMERAL ? "/run" : "/var/lib", m->name);
        add_writable(t, scratch);
    }
    for (size_t i = 0; i < m->confine.write.count; i++)
        add_writable(t, m->confine.write.items[i]);
    for (size_t i = 0; i < m->confine.devices.count; i++)
        add_path(t, m->confine.devices.items[i], "", "rw");
}

static void add_rights(struct text *t, const struct service_manifest *m)
{
    for (size_t i = 0; i < m->confine.capabilities.count; i++)
        text_addf(t, "  capability %s,\n", m->confine.capabilities.items[i]);
    text_add(t, common_network);
    for (size_t i = 0; i < ARRAY_SIZE(by_capability); i++) {
        if (has(&m->confine.capabilities, by_capability[i].word))
            text_add(t, by_capability[i].rules);
    }
    for (size_t i = 0; i < ARRAY_SIZE(by_syscalls); i++) {
        if (has(&m->confine.syscalls, by_syscalls[i].word))
            text_add(t, by_syscalls[i].rules);
    }
}

/* Signals come from the supervisor, and go to its own processes; root's tools may look at it. */
static void add_processes(struct text *t, const char *name)
{
    text_addf(t, "  signal receive peer=unconfined,\n  signal (send, receive) peer=%s,\n", name);
    text_addf(t, "  ptrace (readby, tracedby) peer=unconfined,\n  ptrace (read, readby) peer=%s,\n",
              name);
}

/* attach_disconnected: descriptors from outside of its root, which the supervisor gave. */
static void begin(struct text *t, const char *name)
{
    text_addf(t, "profile %s flags=(attach_disconnected, mediate_deleted) {\n", name);
}

void apparmor_add_profile(const struct service_manifest *manifest, struct text *t)
{
    char name[APPARMOR_NAME_SIZE];

    apparmor_profile_name(manifest, name);
    begin(t, name);
    text_add(t, common);
    add_paths(t, manifest);
    add_rights(t, manifest);
    add_processes(t, name);
    text_add(t, "}\n");
}

void apparmor_add_local_profile(struct text *t)
{
    begin(t, APPARMOR_LOCAL);
    text_add(t, "  / r,\n"
                "  /** rwklmix,\n"
                "  audit deny /etc/broch/secrets/{,**} rwklm,\n"
                "  audit deny /etc/{,g}shadow{,-} rwklm,\n"
                "  audit deny /sys/kernel/security/{,**} wkl,\n"
                "  audit deny /proc/sys/kernel/{core_pattern,modprobe} wkl,\n"
                "  audit deny /proc/{sysrq-trigger,kcore,mem} rwklm,\n"
                "  capability,\n"
                "  audit deny capability mac_admin,\n"
                "  audit deny capability mac_override,\n"
                "  audit deny capability sys_module,\n"
                "  audit deny capability sys_rawio,\n"
                "  audit deny capability sys_boot,\n"
                "  audit deny capability bpf,\n"
                "  network,\n");
    add_processes(t, APPARMOR_LOCAL);
    text_add(t, "}\n");
}
