/* `broch disk` and `broch recovery`: how the encrypted disk opens, and whether somebody has its
 * recovery key. Nothing here changes the disk: only stage 1 has the volume key. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "base/options.h"
#include "base/text.h"
#include "disk/recovery_key.h"
#include "disk/volume.h"
#include "programs/broch-disk/state.h"

static bool arg_json;

static int need_root(struct failure *f)
{
    return geteuid() == 0 ? 0 : failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot look at the disk");
}

/* The header of the disk that is open. */
static int look(const struct state *s, struct volume **ret, struct failure *f)
{
    int r;

    if (!s->open)
        return failure_set(f, CODE_PERSIST_HEADER, -ENOENT, "this machine has no encrypted disk");
    r = volume_open(s->partition, ret, f);
    if (r == 0 && strcmp(volume_uuid(*ret), s->uuid) != 0)
        r = failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED, "%s is not the disk that is open",
                        s->partition);
    return r;
}

/* --- status --- */

static const char *route_words(const struct state *s)
{
    static const char *const words[][2] = { { "tpm", "the TPM" },
                                            { "recovery", "the recovery key" },
                                            { "new", "nobody: it was made in this start" } };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(s->route, words[i][0]) == 0)
            return words[i][1];
    }
    return "unknown";
}

static void add_table(const struct state *s, const struct volume_slots *slots, struct text *t)
{
    text_addf(t, "disk          %s on %s, %s\n", s->device, s->partition, s->uuid);
    text_addf(t, "opened by     %s\n", route_words(s));
    if (s->refusal[0])
        text_addf(t, "TPM refused   %s\n", s->refusal);
    text_addf(t, "TPM           %u way%s\n", slots->tpm, slots->tpm == 1 ? "" : "s");
    text_addf(t, "recovery key  %s\n",
              slots->recovery == 0 ? "none"
              : s->confirmed       ? "confirmed"
                                   : "unconfirmed: type it back with 'broch recovery verify'");
    if (slots->other > 0)
        text_addf(t, "other keys    %u, which Broch did not make\n", slots->other);
    if (slots->tpm == 0) {
        text_add(t, "a thief       reads nothing without the recovery key\n");
        return;
    }
    text_add(t,
             "bound to      this TPM, Secure Boot's keys, boot files that were signed for it, and "
             "an epoch\n"
             "a thief       of the whole machine starts it as it is, and gets no further than "
             "its login; of the disk alone reads nothing\n"
             "would break   a cleared or exchanged TPM, Secure Boot off or with other keys, "
             "another main board: then the recovery key opens it\n");
}

static void add_json(const struct state *s, const struct volume_slots *slots, struct text *t)
{
    text_addf(t, "{\"schema\":1,\"state\":\"open\",\"uuid\":\"%s\",\"device\":\"%s\",", s->uuid,
              s->device);
    text_addf(t, "\"partition\":\"%s\",\"route\":\"%s\",\"refusal\":", s->partition, s->route);
    if (s->refusal[0])
        text_addf(t, "\"%s\"", s->refusal);
    else
        text_add(t, "null");
    text_addf(t, ",\"keyslots\":{\"tpm\":%u,\"recovery\":%u,\"other\":%u},", slots->tpm,
              slots->recovery, slots->other);
    text_addf(t, "\"recovery\":\"%s\"}\n", s->confirmed ? "confirmed" : "unconfirmed");
}

static int print(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

static int run_status(struct failure *f)
{
    _cleanup_volume_ struct volume *v = NULL;
    _cleanup_text_ struct text t = TEXT_INIT;
    struct volume_slots slots;
    struct state s;
    int r = state_read(&s, f);

    if (r < 0)
        return r;
    if (!s.open) {
        text_add(&t, arg_json ? "{\"schema\":1,\"state\":\"volatile\"}\n"
                              : "no encrypted disk: what is written is gone at the next start\n");
        return print(&t, f);
    }
    r = look(&s, &v, f);
    if (r == 0)
        r = volume_count_slots(v, &slots, f);
    if (r < 0)
        return r;
    if (arg_json)
        add_json(&s, &slots, &t);
    else
        add_table(&s, &slots, &t);
    return print(&t, f);
}

/* --- verify --- */

/* One line; what is typed at a terminal is not shown. */
static int read_typed(char typed[static RECOVERY_KEY_TYPED_MAX + 2])
{
    struct termios before, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    size_t size = 0;

    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("recovery key (not shown): ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    /* Byte by byte: nothing of it stays in a buffer of the C library. */
    while (size <= RECOVERY_KEY_TYPED_MAX && read(STDIN_FILENO, typed + size, 1) == 1 &&
           typed[size] != '\n')
        size++;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputs("\n", stderr);
    }
    return (int)size;
}

static int read_key(struct secret *ret, struct failure *f)
{
    char typed[RECOVERY_KEY_TYPED_MAX + 2];
    unsigned group = 0;
    int size = read_typed(typed), r;

    r = recovery_key_parse(typed, (size_t)size, ret, &group);
    explicit_bzero(typed, sizeof(typed));
    if (r == -EBADMSG)
        return failure_set(f, CODE_PERSIST_KEY, r, "group %u of %d is mistyped or incomplete",
                           group, RECOVERY_KEY_GROUPS);
    return r < 0 ? failure_set(f, CODE_PERSIST_KEY, r, "this is more than a key") : 0;
}

static int run_verify(struct failure *f)
{
    _cleanup_volume_ struct volume *v = NULL;
    _cleanup_secret_ struct secret digits = SECRET_INIT, key = SECRET_INIT;
    struct binding b;
    struct state s;
    int r = state_read(&s, f);

    if (r == 0)
        r = look(&s, &v, f);
    if (r == 0)
        r = volume_binding(v, &b, f);
    /* Where it is refused, the key is in memory that may be swapped; there is no swap. */
    (void)mlockall(MCL_CURRENT);
    if (r == 0)
        r = read_key(&digits, f);
    if (r == 0)
        r = volume_unlock(v, &digits, VOLUME_ANY, &key, f);
    if (r == 0)
        r = state_confirm(s.uuid, f);
    if (r == 0)
        (void)puts("This key opens the disk. Keep it where the machine is not.");
    return r;
}

/* --- The command line --- */

struct action {
    const char *verb, *name, *purpose;
    bool json;
    int (*run)(struct failure *f);
};

static const struct action actions[] = {
    { "disk", "status", "Shows what opens the encrypted disk, and what would break that.", true,
      run_status },
    { "recovery", "verify",
      "Proves that a recovery key opens the disk; reads it from standard input.", false,
      run_verify },
};

static int run(const struct action *action, int argc, char **argv, struct failure *f)
{
    char title[64], example[sizeof("doas ") + 64];
    const struct option_spec spec = { "json", OPTION_FLAG, &arg_json, NULL, "one JSON object" };
    const struct options options = { .program = title,
                                     .synopsis = action->json ? "[options]" : "",
                                     .purpose = action->purpose,
                                     .example = example,
                                     .specs = &spec,
                                     .spec_count = action->json };
    struct operands operands;
    int r;

    (void)snprintf(title, sizeof(title), "broch %s %s", action->verb, action->name);
    (void)snprintf(example, sizeof(example), "doas %s", title);
    r = options_parse(&options, argc, argv, &operands, f);
    if (r > 0)
        options_help(&options, stdout);
    if (r != 0)
        return r < 0 ? r : 0;
    r = need_root(f);
    return r < 0 ? r : action->run(f);
}

static int find_and_run(int argc, char **argv, struct failure *f)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(actions); i++) {
        if (strcmp(argv[1], actions[i].verb) != 0)
            continue;
        if (argc > 2 && strcmp(argv[2], "--help") == 0) {
            (void)printf("usage: broch %s %s\n\n%s\n", actions[i].verb, actions[i].name,
                         actions[i].purpose);
            return 0;
        }
        if (argc > 2 && strcmp(argv[2], actions[i].name) == 0)
            return run(&actions[i], argc - 2, argv + 2, f);
        return failure_set(f, CODE_USAGE, -EINVAL, "'broch %s' has one action: %s", actions[i].verb,
                           actions[i].name);
    }
    return failure_set(f, CODE_USAGE, -EINVAL,
                       "start this program as 'broch disk' or 'broch recovery'");
}

int main(int argc, char **argv)
{
    struct failure f = FAILURE_NONE;

    return find_and_run(argc, argv, &f) < 0 ? (int)failure_print(&f, "broch", stderr)
                                            : EXIT_CODE_DONE;
}
