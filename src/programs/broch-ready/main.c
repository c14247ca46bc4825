/* Waits until every other service is ready, then says so once: the `broch ready` line, its record
 * in /run/broch/ready.json. Idles afterwards without a timer, so that its being up means "this
 * machine became ready". The count of attempts is ended by the verdict. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "node/facts.h"
#include "node/kernel_log.h"
#include "node/marker.h"
#include "node/notify.h"
#include "sys/file.h"
#include "work/await.h"

static const char own_service[] = "ready";

enum {
    TIMEOUT_S_DEFAULT = 60,
    TIMEOUT_S_MAX = 3600,
    RECORD_SIZE = 512,
};

/* Itself it cannot wait for. */
static bool others_are_ready(const struct snapshot *snapshot, void *context)
{
    return !snapshot_unready(snapshot, own_service);
}

/* Blocks until every required service is ready; -ETIMEDOUT after the deadline. */
static int wait_for_services(uint64_t timeout_s, struct failure *f)
{
    static struct snapshot snapshot;
    const struct await await = { .path = SNAPSHOT_PATH,
                                 .holds = others_are_ready,
                                 .timeout_ns = timeout_s * NS_PER_S };
    int r = await_snapshot(&await, &snapshot, f);

    if (r == -ETIMEDOUT)
        return failure_set(f, CODE_READY, r, "not all services are ready after %llu s",
                           (unsigned long long)timeout_s);
    return r;
}

static void warn(const char *step, const struct failure *f)
{
    char detail[FAILURE_TEXT_MAX + 64];

    (void)snprintf(detail, sizeof(detail), "%s (%s)", f->text, strerror(-f->cause));
    kernel_log_failure(KERNEL_LOG_WARNING, "ready", step, f->code, detail);
}

/* The marker comes first: it is what people and tests wait for, and its time is the boot's. After a
 * restart of this service the machine does not become ready a second time. */
static void announce(const struct facts *facts)
{
    char buffer[KERNEL_LOG_LINE_MAX], record[RECORD_SIZE];
    struct line l = line_make(buffer, sizeof(buffer));
    struct line r = line_make(record, sizeof(record));
    uint64_t now_us = kernel_log_now_us();
    struct failure f = FAILURE_NONE;

    if (file_exists(MARKER_RECORD_PATH))
        return;
    marker_ready_line(facts, now_us, &l);
    CHECK(!l.cut);
    kernel_log(KERNEL_LOG_WARNING, buffer);
    marker_ready_record(facts, now_us, &r);
    CHECK(!r.cut);
    if (file_write(MARKER_RECORD_PATH, record, r.length, 0644, &f) < 0)
        warn("record", &f);
}

static int serve(uint64_t timeout_s, uint64_t notify_fd, struct failure *f)
{
    struct facts facts;
    int r = facts_read(FACTS_PATH, &facts, f);

    if (r == 0)
        r = wait_for_services(timeout_s, f);
    if (r < 0) {
        warn("wait", f);
        return r;
    }
    announce(&facts);
    notify_ready(notify_fd);
    for (;;)
        (void)pause(); /* until the signal that ends the program */
}

static uint64_t arg_timeout_s = TIMEOUT_S_DEFAULT, arg_notify_fd = NOTIFY_FD_NONE;

static int run(const struct operands *operands, struct failure *f)
{
    (void)operands; /* there are none */
    return serve(arg_timeout_s, arg_notify_fd, f);
}

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        { "timeout", OPTION_NUMBER, &arg_timeout_s, "SECONDS", "how long to wait for the services",
          1, TIMEOUT_S_MAX },
        NOTIFY_OPTION(&arg_notify_fd),
    };
    const struct options options = {
        .program = "broch-ready",
        .synopsis = "[options]",
        .purpose = "Says on the console that this machine is ready.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };

    return options_main(&options, argc, argv, run);
}
