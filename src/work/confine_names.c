#include "work/confine_names.h"

#include <errno.h>
#include <string.h>

/* By number, as <linux/capability.h> has them. */
static const char *const capabilities[] = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};

int confine_capability_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
        if (strcmp(capabilities[i], name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

const char *confine_capability_name(unsigned capability)
{
    return capability < ARRAY_SIZE(capabilities) ? capabilities[capability] : NULL;
}

const struct confine_syscall_group *confine_syscall_group_by_name(const char *name)
{
    for (size_t i = 0; i < confine_syscall_group_count; i++) {
        if (strcmp(confine_syscall_groups[i].name, name) == 0)
            return &confine_syscall_groups[i];
    }
    return NULL;
}

void confine_syscall_add_table(struct text *t)
{
    text_add(t, "| Group | Allowed | What for |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < confine_syscall_group_count; i++) {
        const struct confine_syscall_group *group = &confine_syscall_groups[i];

        text_addf(t, "| `%s` | %s | %s |\n", group->name, group->always ? "always" : "when asked",
                  group->purpose);
    }
}

bool confine_syscall_is_known(const char *name)
{
    if (name[0] == '@')
        return confine_syscall_group_by_name(name) != NULL;
    for (size_t i = 0; i < confine_syscall_group_count; i++) {
        for (const char *const *call = confine_syscall_groups[i].calls; *call; call++) {
            if (strcmp(*call, name) == 0)
                return true;
        }
    }
    return false;
}
