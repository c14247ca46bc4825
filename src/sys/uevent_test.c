#include "sys/uevent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static const char message[] = "add@/devices/pci0000:00/0000:00:01.0\0ACTION=add\0"
                              "DEVPATH=/devices/pci0000:00/0000:00:01.0\0SUBSYSTEM=pci\0"
                              "MODALIAS=pci:v00001AF4d00001001\0EMPTY=\0SEQNUM=42";

static void test_parse(void **unused)
{
    struct uevent e;
    char value[64];

    (void)unused;
    assert_int_equal(uevent_parse(message, sizeof(message), &e), 0);
    assert_int_equal(e.action, UEVENT_ADD);
    assert_int_equal(
        uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "MODALIAS", value, sizeof(value)),
        22);
    assert_string_equal(value, "pci:v00001AF4d00001001");
    assert_int_equal(
        uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "EMPTY", value, sizeof(value)),
        0);
    assert_string_equal(value, "");
    assert_int_equal(
        uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "MODALIA", value, sizeof(value)),
        -ENOENT);
    assert_int_equal(uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "SEQNUM", value, 2),
                     -ERANGE);
    assert_int_equal(uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "SEQNUM", value, 3),
                     2);
}

static void test_actions(void **unused)
{
    static const struct {
        const char *text;
        enum uevent_action action;
    } cases[] = { { "add@/x", UEVENT_ADD },     { "change@/x", UEVENT_CHANGE },
                  { "remove@", UEVENT_REMOVE }, { "bind@/x", UEVENT_BIND },
                  { "ad@/x", UEVENT_OTHER },    { "added@/x", UEVENT_OTHER } };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct uevent e;

        assert_int_equal(uevent_parse(cases[i].text, strlen(cases[i].text) + 1, &e), 0);
        assert_int_equal(e.action, cases[i].action);
        assert_int_equal(e.fields_size, 0);
    }
}

static void test_refused(void **unused)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = { { "", 0 },           { "", 1 },
                  { "add/x", 6 },      { "@/x", 4 },
                  { "add@/x", 6 },     { "add@/x\0A=1", 9 },
                  { "add@/x\0A", 9 },  { "add@/x\0=1", 10 },
                  { "add@/x\0\0", 8 }, { "libudev\0\xfe\xed", 10 } };
    struct uevent e;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(uevent_parse(cases[i].text, cases[i].size, &e), -EBADMSG);
}

static void test_damaged(void **unused)
{
    char copy[sizeof(message)], value[64];
    struct uevent e;

    (void)unused;
    for (size_t size = 0; size < sizeof(message); size++) {
        int r = uevent_parse(message, size, &e);

        assert_int_equal(r, size > 0 && message[size - 1] == '\0' ? 0 : -EBADMSG);
    }
    for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
        memcpy(copy, message, sizeof(copy));
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
        if (uevent_parse(copy, sizeof(copy), &e) < 0)
            continue;
        assert_true(e.fields + e.fields_size == copy + sizeof(copy));
        if (uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "MODALIAS", value,
                         sizeof(value)) >= 0)
            assert_true(strlen(value) < sizeof(value));
    }
}

static void test_file(void **unused)
{
    static const char fields[] = "MAJOR=254\nDEVNAME=vda1\nPARTN=1\nPARTN=2\nLAST=cut";
    char value[8] = "same";

    (void)unused;
    assert_int_equal(
        uevent_value(fields, strlen(fields), UEVENT_END_FILE, "DEVNAME", value, sizeof(value)), 4);
    assert_string_equal(value, "vda1");
    assert_int_equal(
        uevent_value(fields, strlen(fields), UEVENT_END_FILE, "PARTN", value, sizeof(value)),
        -EBADMSG);
    assert_int_equal(
        uevent_value(fields, strlen(fields), UEVENT_END_FILE, "LAST", value, sizeof(value)),
        -ENOENT);
    assert_string_equal(value, "vda1"); /* untouched by failures */
    assert_int_equal(uevent_value(fields, 0, UEVENT_END_FILE, "MAJOR", value, sizeof(value)),
                     -ENOENT);
}

/* A socket like the kernel's: what does not fit is refused whole. */
static void test_receive(void **unused)
{
    static char large[UEVENT_SIZE_MAX + 1], buffer[UEVENT_SIZE_MAX];
    int ends[2];

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(uevent_receive(ends[0], buffer), -EAGAIN);
    assert_int_equal(send(ends[1], message, sizeof(message), 0), sizeof(message));
    assert_int_equal(uevent_receive(ends[0], buffer), sizeof(message));
    assert_memory_equal(buffer, message, sizeof(message));
    assert_int_equal(send(ends[1], large, sizeof(large), 0), sizeof(large));
    assert_int_equal(uevent_receive(ends[0], buffer), -EBADMSG);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(uevent_receive(ends[0], buffer), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_actions),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_file),    cmocka_unit_test(test_receive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
