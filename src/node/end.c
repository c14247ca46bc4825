#include "node/end.h"

#include <signal.h>
#include <string.h>
#include <sys/reboot.h>

static const struct {
    const char *name;
    int signal;
    unsigned command; /* reboot(2) takes it as an int, its sign bit is used */
} actions[] = {
    [END_REBOOT] = { "reboot", SIGINT, RB_AUTOBOOT },
    [END_POWEROFF] = { "poweroff", SIGUSR1, RB_POWER_OFF },
    [END_HALT] = { "halt", SIGUSR2, RB_HALT_SYSTEM },
};
_Static_assert(ARRAY_SIZE(actions) == END_ACTION_MAX_, "every action is described");

/* The kernel sends SIGINT for Ctrl-Alt-Del and, on some platforms, SIGPWR when power fails. */
static const struct end_call calls[] = {
    { "poweroff", END_REQUEST, END_POWEROFF }, { "reboot", END_REQUEST, END_REBOOT },
    { "halt", END_REQUEST, END_HALT },         { "SIGINT", END_STOP, END_REBOOT },
    { "SIGTERM", END_STOP, END_REBOOT },       { "SIGUSR1", END_STOP, END_POWEROFF },
    { "SIGUSR2", END_STOP, END_HALT },         { "SIGPWR", END_STOP, END_POWEROFF },
    { "finish", END_FINISH, END_REBOOT },      { "crash", END_FINISH, END_REBOOT },
};

const struct end_call *end_call_find(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    const char *name = slash ? slash + 1 : argv0;

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    }
    return NULL;
}

const char *end_action_name(enum end_action action)
{
    CHECK(action < END_ACTION_MAX_);
    return actions[action].name;
}

int end_action_signal(enum end_action action)
{
    CHECK(action < END_ACTION_MAX_);
    return actions[action].signal;
}

int end_action_command(enum end_action action)
{
    CHECK(action < END_ACTION_MAX_);
    return (int)actions[action].command;
}

bool end_action_parse(const char *text, size_t length, enum end_action *ret)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strlen(actions[i].name) == length && memcmp(actions[i].name, text, length) == 0) {
            *ret = (enum end_action)i;
            return true;
        }
    }
    return false;
}
