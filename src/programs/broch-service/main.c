/* `broch service`, `broch logs` and `broch events`: what services do, what they say, and what
 * happened to them. Reading is everybody's as far as the files allow; changes go to the
 * orchestrator, which asks the kernel who wants them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/options.h"
#include "node/service_view.h"
#include "programs/broch-service/output.h"
#include "programs/broch-service/said.h"
#include "work/control.h"
#include "work/logs.h"

static const char program[] = "broch";

enum { LINES_DEFAULT = 10, LINES_MAX = 100000 };

static bool arg_json;
static uint64_t arg_lines = LINES_DEFAULT;

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t); /* never fails for this clock */
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / NS_PER_US;
}

/* A large structure, of which there is one. */
static int read_snapshot(const struct snapshot **ret, struct failure *f)
{
    static struct snapshot snapshot;

    *ret = &snapshot;
    return snapshot_read(SNAPSHOT_PATH, &snapshot, f);
}

static int refuse_unknown(const struct snapshot *snapshot, const char *name, struct failure *f)
{
    const char *names[SNAPSHOT_SERVICES_MAX], *nearest;

    for (size_t i = 0; i < snapshot->count; i++)
        names[i] = snapshot->services[i].name;
    nearest = nearest_name(name, names, snapshot->count);
    return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT, "there is no service '%s'%s%s%s", name,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static int find(const char *name, const struct snapshot_service **ret, struct failure *f)
{
    const struct snapshot *snapshot;
    int r = read_snapshot(&snapshot, f);

    if (r < 0)
        return r;
    *ret = snapshot_find(snapshot, name);
    return *ret ? 0 : refuse_unknown(snapshot, name, f);
}

static int run_list(const char *name, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const struct snapshot *snapshot;
    int r = read_snapshot(&snapshot, f);

    (void)name;
    if (r < 0)
        return r;
    if (arg_json)
        snapshot_add_json(snapshot, &t);
    else
        service_view_add_list(snapshot, now_us(), &t);
    return output_text(&t, f);
}

static int run_status(const char *name, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const struct snapshot_service *service = NULL;
    int r = find(name, &service, f);

    if (r < 0)
        return r;
    CHECK(service);
    if (arg_json) {
        snapshot_add_service(service, &t);
        text_add(&t, "\n");
        return output_text(&t, f);
    }
    service_view_add_status(service, now_us(), &t);
    text_add(&t, "\n");
    r = output_text(&t, f);
    return r < 0 ? r : said_tail(name, arg_lines, f);
}

static int run_describe(const char *name, struct failure *f)
{
    static const struct service_folders folders = { .image = SERVICE_FOLDER_IMAGE,
                                                    .machine = SERVICE_FOLDER_MACHINE };
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    _cleanup_text_ struct text t = TEXT_INIT;
    const struct snapshot_service *service = NULL;
    struct in_force in_force;
    int r = service_manifest_load(&folders, name, &manifest, f);

    if (r == 0)
        r = find(name, &service, f);
    if (r < 0)
        return r;
    CHECK(service);
    service_view_add_manifest(&manifest, &t);
    if (service->pid == 0)
        text_add(&t, "\nNothing runs, so nothing is in force.\n");
    else if (geteuid() != 0)
        text_add(&t, "\nWhat is in force in its process is shown to root.\n");
    else if (in_force_read(name, (pid_t)service->pid, &in_force, f) < 0)
        return f->cause;
    else {
        text_addf(&t, "\nIn force in process %llu, asked from the kernel:\n",
                  (unsigned long long)service->pid);
        service_view_add_in_force(&in_force, &t);
    }
    return output_text(&t, f);
}

static int ask(enum control_verb verb, const char *name, struct failure *f)
{
    struct control_request request = { .verb = verb };
    _cleanup_text_ struct text t = TEXT_INIT;
    struct json_object *reply = NULL;
    bool whole = true;
    int r;

    if (name && strlen(name) >= sizeof(request.service))
        return failure_set(f, CODE_SERVICE_UNKNOWN, -ENOENT, "no service has a name that long");
    if (name)
        memcpy(request.service, name, strlen(name) + 1);
    r = control_call(CONTROL_PATH, &request, &reply, f);
    if (r < 0)
        return r;
    if (arg_json)
        text_addf(&t, "%s\n", json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN));
    if (verb == CONTROL_RELOAD) {
        _cleanup_text_ struct text words = TEXT_INIT;

        whole = service_view_add_reload(reply, &words);
        if (!arg_json)
            text_add(&t, text_string(&words));
    }
    (void)json_object_put(reply);
    r = output_text(&t, f);
    if (r == 0 && !whole)
        r = failure_set(f, CODE_SERVICE_LEFT_OUT, -EBADMSG, "a file was left out, see above");
    return r;
}

static int run_start(const char *name, struct failure *f)
{
    return ask(CONTROL_START, name, f);
}

static int run_stop(const char *name, struct failure *f)
{
    return ask(CONTROL_STOP, name, f);
}

static int run_restart(const char *name, struct failure *f)
{
    return ask(CONTROL_RESTART, name, f);
}

static int run_reload(const char *name, struct failure *f)
{
    (void)name;
    return ask(CONTROL_RELOAD, NULL, f);
}

/* The options that an action takes, as bits. */
enum { TAKES_JSON = 1, TAKES_LINES = 2 };

static const struct action {
    const char *name;
    int (*run)(const char *name, struct failure *f);
    bool wants_name;
    unsigned takes;
    const char *purpose;
} actions[] = {
    { "list", run_list, false, TAKES_JSON, "Lists all services and what they do right now." },
    { "status", run_status, true, TAKES_JSON | TAKES_LINES,
      "Shows one service, and the last lines that it said." },
    { "describe", run_describe, true, 0,
      "Shows what the manifest says and, for root, what the kernel enforces." },
    { "start", run_start, true, TAKES_JSON, "Starts a service that is down or has failed." },
    { "stop", run_stop, true, TAKES_JSON, "Stops a service until it is started again." },
    { "restart", run_restart, true, TAKES_JSON, "Ends a service and starts it again." },
    { "reload", run_reload, false, TAKES_JSON,
      "Reads /etc/broch/services and the configuration anew, and applies what changed." },
};

static void print_actions(FILE *stream)
{
    (void)fprintf(stream, "usage: broch service ACTION [SERVICE] [options]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        (void)fprintf(stream, "  %-9s%-8s %s\n", actions[i].name,
                      actions[i].wants_name ? "SERVICE" : "", actions[i].purpose);
    (void)fprintf(stream, "  %-9s%-8s %s\n", "logs", "SERVICE",
                  "The same as 'broch logs SERVICE'.");
    (void)fprintf(stream, "\nexample: broch service status time\n");
}

static int run_action(const struct action *action, int argc, char **argv, struct failure *f)
{
    char title[64], example[64];
    struct option_spec specs[2];
    struct options options = { .program = title,
                               .synopsis = action->wants_name ? "SERVICE [options]" : "[options]",
                               .purpose = action->purpose,
                               .example = example,
                               .specs = specs,
                               .operand_min = action->wants_name,
                               .operand_max = action->wants_name };
    struct operands operands;
    int r;

    (void)snprintf(title, sizeof(title), "broch service %s", action->name);
    (void)snprintf(example, sizeof(example), "broch service %s%s", action->name,
                   action->wants_name ? " time" : "");
    if (action->takes & TAKES_JSON)
        specs[options.spec_count++] =
            (struct option_spec){ "json", OPTION_FLAG, &arg_json, NULL, "one JSON object" };
    if (action->takes & TAKES_LINES)
        specs[options.spec_count++] = (struct option_spec){ "lines", OPTION_NUMBER, &arg_lines, "N",
                                                            "lines of its log (default: 10)" };
    r = options_parse(&options, argc, argv, &operands, f);
    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    if (arg_lines > LINES_MAX)
        return failure_set(f, CODE_USAGE, -ERANGE, "--lines is at most %d", LINES_MAX);
    return action->run(action->wants_name ? operands.list[0] : NULL, f);
}

static int run_service(int argc, char **argv, struct failure *f)
{
    const char *names[ARRAY_SIZE(actions) + 1], *nearest;

    if (argc < 2) {
        print_actions(stderr);
        return failure_set(f, CODE_USAGE, -EINVAL, "name an action");
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_actions(stdout);
        return 0;
    }
    if (strcmp(argv[1], "logs") == 0)
        return said_logs(argc - 1, argv + 1, f);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(argv[1], actions[i].name) == 0)
            return run_action(&actions[i], argc - 1, argv + 1, f);
        names[i] = actions[i].name;
    }
    names[ARRAY_SIZE(actions)] = "logs";
    nearest = nearest_name(argv[1], names, ARRAY_SIZE(names));
    return failure_set(f, CODE_USAGE, -EINVAL, "unknown action '%s'%s%s%s", argv[1],
                       nearest ? ", did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct failure *f);
} verbs[] = {
    { "service", run_service },
    { "logs", said_logs },
    { "events", said_events },
};

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;
    int r = -EINVAL;

    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            r = verbs[i].run(argc - 1, argv + 1, &f);
            return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
        }
    }
    (void)failure_set(&f, CODE_USAGE, r, "start this program as 'broch service'");
    return (int)failure_print(&f, program, stderr);
}
