#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/reboot.h>

#include "node/end.h"

static void test_calls(void **state)
{
    static const struct end_call cases[] = {
        { "poweroff", END_REQUEST, END_POWEROFF },
        { "/usr/sbin/reboot", END_REQUEST, END_REBOOT },
        { "./halt", END_REQUEST, END_HALT },
        { ".s6-svscan/SIGINT", END_STOP, END_REBOOT },
        { ".s6-svscan/SIGTERM", END_STOP, END_REBOOT },
        { ".s6-svscan/SIGUSR1", END_STOP, END_POWEROFF },
        { ".s6-svscan/SIGUSR2", END_STOP, END_HALT },
        { ".s6-svscan/SIGPWR", END_STOP, END_POWEROFF },
        { ".s6-svscan/finish", END_FINISH, END_REBOOT },
        { ".s6-svscan/crash", END_FINISH, END_REBOOT },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct end_call *call = end_call_find(cases[i].name);

        assert_non_null(call);
        assert_int_equal(call->role, cases[i].role);
        assert_int_equal(call->action, cases[i].action);
    }
    assert_null(end_call_find("broch-halt"));
    assert_null(end_call_find(""));
    assert_null(end_call_find("finish/"));
}

/* The signal that a request sends must come back as the same action. */
static void test_signal_and_script_agree(void **state)
{
    static const struct {
        int signal;
        const char *script;
    } scripts[] = { { SIGINT, "SIGINT" }, { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" } };

    for (enum end_action action = 0; action < END_ACTION_MAX_; action++) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
            if (scripts[i].signal != end_action_signal(action))
                continue;
            assert_int_equal(end_call_find(scripts[i].script)->action, action);
            found = true;
        }
        assert_true(found);
    }
}

static void test_action_text(void **state)
{
    enum end_action parsed;

    for (enum end_action action = 0; action < END_ACTION_MAX_; action++) {
        const char *name = end_action_name(action);

        assert_true(end_action_parse(name, strlen(name), &parsed));
        assert_int_equal(parsed, action);
    }
    assert_true(end_action_parse("halt\n", 5, &parsed));
    assert_int_equal(parsed, END_HALT);
    assert_false(end_action_parse("", 0, &parsed));
    assert_false(end_action_parse("\n", 1, &parsed));
    assert_false(end_action_parse("halt\n\n", 6, &parsed));
    assert_false(end_action_parse("hal", 3, &parsed));
    assert_false(end_action_parse("haltt", 5, &parsed));
    assert_int_equal(parsed, END_HALT);
}

static void test_commands(void **state)
{
    assert_int_equal(end_action_command(END_REBOOT), RB_AUTOBOOT);
    assert_int_equal(end_action_command(END_POWEROFF), RB_POWER_OFF);
    assert_int_equal((unsigned)end_action_command(END_HALT), RB_HALT_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_signal_and_script_agree),
        cmocka_unit_test(test_action_text),
        cmocka_unit_test(test_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
