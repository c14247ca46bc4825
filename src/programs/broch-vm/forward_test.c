#include "programs/broch-vm/forward.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

static void test_ports(void **state)
{
    struct vm_forward forwards[VM_FORWARDS_MAX];
    struct failure f = FAILURE_NONE;
    char word[FORWARD_TEXT_SIZE];

    (void)state;
    assert_int_equal(forward_parse("tcp/22,udp/65535:1,tcp/8080:80", forwards, &f), 0);
    assert_int_equal(forwards[0].guest_port, 22);
    assert_int_equal(forwards[0].host_port, 0);
    assert_false(forwards[0].udp);
    assert_int_equal(forwards[1].guest_port, 65535);
    assert_int_equal(forwards[1].host_port, 1);
    assert_true(forwards[1].udp);
    assert_int_equal(forwards[2].host_port, 80);
    assert_int_equal(forwards[3].guest_port, 0);
    forward_word(&forwards[0], word);
    assert_string_equal(word, "tcp/22");
    forward_word(&forwards[1], word);
    assert_string_equal(word, "udp/65535");
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "",       "tcp",     "tcp/",    "tcp/0",    "tcp/65536",  "tcp/22x",  "icmp/1",
        "22",     "tcp/22,", ",tcp/22", "tcp/22:",  "tcp/22:0",   "tcp/22:x", "tcp/:22",
        "tcp/-1", "TCP/22",  "tcp/022", "tcp/22 ,", "tcp/22:1:2",
    };
    struct vm_forward forwards[VM_FORWARDS_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct failure f = FAILURE_NONE;

        assert_int_equal(forward_parse(bad[i], forwards, &f), -EINVAL);
        assert_int_equal(f.code, CODE_USAGE);
    }
}

static void test_too_many(void **state)
{
    _cleanup_text_ struct text list = TEXT_INIT;
    struct vm_forward forwards[VM_FORWARDS_MAX];
    struct failure f = FAILURE_NONE;

    (void)state;
    text_add(&list, "tcp/1");
    for (size_t i = 1; i < VM_FORWARDS_MAX; i++)
        text_add(&list, ",tcp/1");
    assert_int_equal(forward_parse(text_string(&list), forwards, &f), 0);
    text_add(&list, ",tcp/1");
    assert_int_equal(forward_parse(text_string(&list), forwards, &f), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
