/* `broch support`: one file with what somebody who helps from afar wants to see, and nothing that
 * only this machine may know. Files under /etc/broch/secrets and environments are never opened;
 * everything else passes redact.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/options.h"
#include "node/config_text.h"
#include "node/facts.h"
#include "node/redact.h"
#include "node/tar.h"
#include "sys/attribute.h"
#include "sys/file.h"
#include "sys/spawn.h"

static const char program[] = "broch support";
static const char logs_folder[] = "/var/log/broch";

enum { PIECE_MAX = 256 * 1024, KERNEL_LOG_MAX = 1024 * 1024, NAME_SIZE_MAX = 64 };

/* What is read. */
static const struct {
    const char *name, *path;
} files[] = {
    { "boot.json", "/run/broch/boot.json" },
    { "ready.json", "/run/broch/ready.json" },
    { "services.json", "/run/broch/services.json" },
    { "events.jsonl", "/run/broch/events.jsonl" },
    { "events.1.jsonl", "/run/broch/events.jsonl.1" },
    { "os-release", "/etc/os-release" },
    { "boots", "/var/log/broch/boots" },
    { "cmdline", "/proc/cmdline" },
    { "mounts", "/proc/mounts" },
    { "meminfo", "/proc/meminfo" },
    { "cpuinfo", "/proc/cpuinfo" },
    { "modules", "/proc/modules" },
    { "resolv.conf", "/etc/resolv.conf" },
};

/* What is asked. No command line of a process is shown: secrets are given there, too. */
static const struct {
    const char *name;
    const char *arguments[6];
} commands[] = {
    { "status.txt", { "broch", "status" } },
    { "dmesg.txt", { "dmesg" } },
    { "df.txt", { "df", "-h" } },
    { "addresses.txt", { "ip", "address" } },
    { "routes.txt", { "ip", "route", "show", "table", "all" } },
    { "sockets.txt", { "ss", "-tuln" } },
    { "processes.txt", { "ps", "-eo", "pid,ppid,user,stat,rss,etime,comm" } },
    { "firewall.txt", { "nft", "list", "ruleset" } },
};

struct bundle {
    struct text tar;
    struct text missing; /* what is not in it, and why */
    uint64_t now_s;
    unsigned done, count;
};

/* One line that is written over, and only for people. */
static void show_progress(struct bundle *bundle, const char *name)
{
    bundle->done++;
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\x1b[Kcollecting %u: %s", bundle->done, name);
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\x1b[K", stderr);
}

static void put(struct bundle *bundle, const char *name, const char *bytes, size_t size)
{
    _cleanup_text_ struct text clean = TEXT_INIT;
    char full[TAR_NAME_MAX + 1];

    show_progress(bundle, name);
    (void)snprintf(full, sizeof(full), "broch-support/%s", name);
    redact_add(&clean, bytes, size);
    if (text_status(&clean) < 0)
        bundle->tar.failed = true;
    else
        tar_add_file(&bundle->tar, full, bundle->now_s, text_string(&clean), clean.length);
}

static void miss(struct bundle *bundle, const char *name, const char *why)
{
    text_addf(&bundle->missing, "%s: %s\n", name, why);
}

/* The last bytes of a file, from the beginning of a line. Files of /proc have no size: they are
 * read to their end. */
static void put_file(struct bundle *bundle, const char *name, const char *path)
{
    static char buffer[PIECE_MAX + 1];
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    size_t size = 0, start = 0;
    ssize_t got;

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        miss(bundle, name, fd < 0 ? strerror(errno) : "no file");
        return;
    }
    if (status.st_size > PIECE_MAX && lseek(fd, status.st_size - PIECE_MAX, SEEK_SET) >= 0)
        start = 1;
    while (size < PIECE_MAX && (got = read(fd, buffer + size, PIECE_MAX - size)) > 0)
        size += (size_t)got;
    if (start > 0) {
        const char *newline = memchr(buffer, '\n', size);

        start = newline ? (size_t)(newline - buffer) + 1 : 0;
    }
    put(bundle, name, buffer + start, size - start);
}

static void put_command(struct bundle *bundle, size_t index)
{
    struct arguments arguments = { .count = 0 };
    _cleanup_close_ int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct spawn spawn = { .arguments = &arguments, .any_status = true, SPAWN_FDS_NONE };
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    for (size_t i = 0; i < ARRAY_SIZE(commands[index].arguments) && commands[index].arguments[i];
         i++)
        arguments_add(&arguments, commands[index].arguments[i]);
    spawn.error_fd = nothing;
    if (spawn_capture(&spawn, KERNEL_LOG_MAX, &output, &size, &f) < 0)
        miss(bundle, commands[index].name, f.text);
    else
        put(bundle, commands[index].name, output, size);
}

static int put_log(const char *folder, const char *name, void *context, struct failure *f)
{
    struct bundle *bundle = context;
    _cleanup_free_ char *path = text_make("%s/%s/current", folder, name);
    char member[NAME_SIZE_MAX];

    (void)f;
    if (path && file_exists(path) && strlen(name) < NAME_SIZE_MAX - 16) {
        (void)snprintf(member, sizeof(member), "logs/%s.log", name);
        put_file(bundle, member, path);
    }
    return 0;
}

static void note_layer(const struct failure *f, void *context)
{
    text_addf(context, "# refused: %s\n", f->text);
}

/* What holds, not the files: what they say beyond the schema is nobody's business. */
static void put_configuration(struct bundle *bundle)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct config config;

    if (config_layers_read("", note_layer, &t, &layers, &f) < 0 ||
        config_layers_merge(&layers, CONFIG_LAYER_MACHINE, &config, &f) < 0) {
        miss(bundle, "config.toml", f.text);
        return;
    }
    config_text_add(&config, NULL, &layers, &t);
    put(bundle, "config.toml", text_string(&t), t.length);
    config_done(&config);
}

static int collect(struct bundle *bundle, struct failure *f)
{
    struct failure ignored = FAILURE_NONE;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        put_file(bundle, files[i].name, files[i].path);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        put_command(bundle, i);
    put_configuration(bundle);
    if (file_list(logs_folder, put_log, bundle, &ignored) < 0)
        miss(bundle, "logs", ignored.text);
    put(bundle, "missing.txt", text_string(&bundle->missing), bundle->missing.length);
    tar_add_end(&bundle->tar);
    if (text_status(&bundle->tar) < 0 || text_status(&bundle->missing) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return 0;
}

/* "broch-support-NAME-YYYYmmddTHHMMSSZ.tar" in the working folder. */
static char *default_name(uint64_t now_s)
{
    char host[NAME_SIZE_MAX] = "machine", when[32] = "";
    time_t now = (time_t)now_s;
    struct tm parts;

    if (gethostname(host, sizeof(host)) < 0 || host[0] == '.')
        (void)snprintf(host, sizeof(host), "machine");
    host[sizeof(host) - 1] = '\0';
    if (gmtime_r(&now, &parts))
        (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &parts);
    return text_make("broch-support-%s-%s.tar", host, when);
}

static int run(const char *out, struct failure *f)
{
    struct bundle bundle = { .now_s = (uint64_t)time(NULL) };
    _cleanup_free_ char *name = out ? strdup(out) : default_name(bundle.now_s);
    int r;

    if (!file_exists(FACTS_PATH))
        return failure_set(f, CODE_VERB_ELSEWHERE, -EINVAL, "this is not a running Broch machine");
    if (geteuid() != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot read the logs");
    if (!name)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = collect(&bundle, f);
    end_progress();
    if (r == 0)
        r = file_write(name, bundle.tar.data, bundle.tar.length, 0600, f);
    if (r == 0)
        (void)printf("%s\n", name);
    text_done(&bundle.tar);
    text_done(&bundle.missing);
    return r;
}

int main(int argc, char **argv)
{
    const char *out = NULL;
    const struct option_spec specs[] = {
        { "out", OPTION_TEXT, &out, "FILE", "where it is written" },
    };
    const struct options options = {
        .program = program,
        .synopsis = "[options]",
        .purpose = "Collects what helps to find a fault into one tar file, without secrets.",
        .example = "doas broch support --out /tmp/support.tar",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = argc > 1 ? options_parse(&options, argc - 1, argv + 1, &operands, &f)
                     : failure_set(&f, CODE_USAGE, -EINVAL, "usage: broch support");

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0)
        r = run(out, &f);
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
