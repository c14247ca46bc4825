/* PID 1 between stage 1 and the supervisor. Makes the running system's filesystems, folders,
 * identity and scan directory, then becomes s6-svscan. What the machine can live without is a
 * warning; what it cannot ends on one path: a line with a code in the kernel log, five seconds to
 * read it, restart. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "node/boots.h"
#include "node/cgroup.h"
#include "node/clock_floor.h"
#include "node/config_applied.h"
#include "node/facts.h"
#include "node/identity.h"
#include "node/kernel_log.h"
#include "node/mounts.h"
#include "node/os_release.h"
#include "node/policy.h"
#include "node/pstore.h"
#include "node/scan.h"
#include "node/skeleton.h"
#include "node/sysctl.h"
#include "sys/console.h"
#include "sys/file.h"

enum { FAILURE_PAUSE_MS = 5000 }; /* as long as panic=5 shows a panic */

static const char supervisor[] = "/usr/bin/s6-svscan";
static char *const supervisor_arguments[] = { (char[]){ "s6-svscan" }, (char[]){ SCAN_TARGET },
                                              NULL };
/* The kernel puts words of its command line into the environment; services get none of that. */
static char *const supervisor_environment[] = {
    (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin" },
    (char[]){ "LANG=C.UTF-8" },
    NULL,
};
static const char *current_step = "start";

__attribute__((noreturn)) static void give_up(void)
{
    kernel_log(KERNEL_LOG_CRITICAL, "broch init status=restart");
    (void)poll(NULL, 0, FAILURE_PAUSE_MS); /* cut short by a signal, the restart comes earlier */
    sync();
    (void)reboot(RB_AUTOBOOT); /* returns only on failure */
    for (;;)
        (void)pause();
}

static void fail(const struct failure *f)
{
    char detail[FAILURE_TEXT_MAX + 64];

    (void)snprintf(detail, sizeof(detail), "%s (%s)", f->text, strerror(-f->cause));
    kernel_log_failure(KERNEL_LOG_CRITICAL, "init", current_step, f->code, detail);
    give_up();
}

static void warn(const struct failure *f)
{
    char detail[FAILURE_TEXT_MAX + 64];

    (void)snprintf(detail, sizeof(detail), "%s (%s), going on", f->text, strerror(-f->cause));
    kernel_log_failure(KERNEL_LOG_WARNING, "init", current_step, f->code, detail);
}

/* Services write to the console until each has its log, and read nothing. */
static void set_up_descriptors(void)
{
    int r = console_standard();

    (void)close(STDIN_FILENO);
    /* The lowest free descriptor is the one that was just closed, and services inherit it. */
    if (r < 0 || open("/dev/null", O_RDONLY | O_NOCTTY | O_CLOEXEC) != STDIN_FILENO ||
        fcntl(STDIN_FILENO, F_SETFD, 0) < 0)
        kernel_log(KERNEL_LOG_WARNING, "broch init step=start status=fail detail=descriptors");
}

static int make_mounts(struct failure *f)
{
    for (size_t i = 0; i < mounts_table_count; i++) {
        const struct mounts_entry *entry = &mounts_table[i];
        int r = mounts_make(entry, f);

        if (r < 0 && entry->need == MOUNTS_NEEDED)
            return r;
        if (r < 0 && !(entry->need == MOUNTS_IF_THERE && mounts_error_is_absence(r)))
            warn(f);
    }
    return 0;
}

static int raise_clock(struct failure *f)
{
    bool raised;
    int r = clock_floor_raise(OS_RELEASE_PATH, &raised, f);

    if (r == 0 && raised)
        kernel_log(KERNEL_LOG_WARNING, "broch init step=clock status=raised to=image");
    return r;
}

static int set_kernel(struct failure *f)
{
    return sysctl_set(SYSCTL_PATH, "/proc/sys", warn, f);
}

static int load_policy(struct failure *f)
{
    return policy_load(POLICY_PATH, POLICY_LOAD_PATH, f);
}

static int make_cgroups(struct failure *f)
{
    return cgroup_set_up(CGROUP_ROOT, f);
}

/* Records leave the firmware's store only for a place that outlives this boot. */
static int collect_records(struct failure *f)
{
    struct statfs var;
    bool lasting = statfs("/var", &var) == 0 && var.f_type != TMPFS_MAGIC;
    struct failure writing = FAILURE_NONE;
    struct pstore_found found;
    char text[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(text, sizeof(text));
    int r = pstore_collect("/sys/fs/pstore", "/var/log/broch/pstore", lasting, &found, f);

    if (found.count > 0) {
        line_addf(&l, "broch init step=pstore records=%zu", found.count);
        if (found.panic[0])
            line_add_pair(&l, "panic", found.panic);
        kernel_log(KERNEL_LOG_WARNING, text);
    }
    if (found.panic[0] &&
        file_write(PSTORE_PANIC_PATH, found.panic, strlen(found.panic), 0644, &writing) < 0 &&
        r == 0) {
        *f = writing;
        r = f->cause;
    }
    return r;
}

static int make_skeleton(struct failure *f)
{
    return skeleton_make(SKELETON_PATH, warn, f);
}

/* /etc of the image cannot be written; what is of this machine shows through in one folder. */
static int bind_etc(struct failure *f)
{
    return mounts_bind("/var/lib/broch/etc", "/etc/broch", MS_NOSUID | MS_NODEV | MS_NOEXEC, f);
}

static void warn_of_layer(const struct failure *f, void *context)
{
    (void)context;
    warn(f);
}

/* Whatever is wrong with the configuration, the machine comes up with the rest of it. */
static int configure(struct failure *f)
{
    struct config config;
    int r = config_load(warn_of_layer, NULL, &config, f);

    if (r < 0)
        return r;
    if (identity_set_hostname(&config, f) < 0)
        warn(f);
    if (identity_set_timezone(&config, f) < 0)
        warn(f);
    r = config_applied_write(CONFIG_APPLIED_PATH, &config, f);
    config_done(&config);
    return r;
}

static int note_boot(struct failure *f)
{
    struct facts facts;
    int r = facts_read(FACTS_PATH, &facts, f);

    return r < 0 ? r : boots_note(facts.generation, f);
}

static int bring_up_loopback(struct failure *f)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot bring up the interface 'lo'");
    return 0;
}

/* One service, which starts all others. */
static int make_services(struct failure *f)
{
    return scan_make(SCAN_SOURCE, SCAN_TARGET, SCAN_FIRST, f);
}

/* Ctrl-Alt-Del becomes SIGINT to PID 1 instead of an immediate reset. */
static int take_keys(struct failure *f)
{
    if (reboot(RB_DISABLE_CAD) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot take over Ctrl-Alt-Del");
    return 0;
}

static const struct step {
    const char *name;
    int (*run)(struct failure *f);
    bool needed;
} steps[] = {
    { "mounts", make_mounts, true },
    { "clock", raise_clock, false }, /* before the first file gets a time */
    { "sysctl", set_kernel, false },
    { "policy", load_policy, false }, /* without it, strict services refuse to start */
    { "cgroups", make_cgroups, true },
    { "skeleton", make_skeleton, false },
    { "etc", bind_etc, false },
    { "configuration", configure, false },
    { "machine-id", identity_set_machine_id, false },
    { "boots", note_boot, false },
    { "loopback", bring_up_loopback, false },
    { "pstore", collect_records, false },
    { "services", make_services, true },
    { "keys", take_keys, false },
};

int main(void)
{
    struct failure f = FAILURE_NONE;

    if (getpid() != 1) {
        (void)fprintf(stderr, "broch-init: only the kernel starts this program, as PID 1\n");
        return EXIT_CODE_USAGE;
    }
    (void)check_set_hook(give_up); /* the default hook has no former one */
    (void)umask(022);
    if (chdir("/") < 0) /* stage 1 stands there already */
        kernel_log(KERNEL_LOG_WARNING, "broch init step=start status=fail detail=chdir");
    set_up_descriptors();
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        current_step = steps[i].name;
        if (steps[i].run(&f) < 0)
            (steps[i].needed ? fail : warn)(&f);
    }
    current_step = "supervisor";
    (void)execve(supervisor, supervisor_arguments, supervisor_environment);
    (void)failure_set(&f, CODE_INIT_SUPERVISOR, -errno, "cannot run '%s'", supervisor);
    fail(&f);
}
