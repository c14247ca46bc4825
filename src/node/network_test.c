#include "node/network.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/file.h"

static char folder[] = "/tmp/network-XXXXXX";
static const struct config_network config = { .dhcp = true };

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree(folder, &f);
}

static void expect(const char *name, const char *part, bool there)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    assert_int_equal(file_read(path, LEASE_FACTS_SIZE_MAX, &bytes, &size, &f), 0);
    assert_int_equal(strstr((const char *)bytes, part) != NULL, there);
}

static const char *get(const char *name, void *context)
{
    static const struct {
        const char *name, *value;
    } variables[] = {
        { "protocol", "dhcp" },
        { "reason", "BOUND" },
        { "if_up", "true" },
        { "new_domain_name_servers", "10.0.2.3" },
        { "new_ntp_servers", "10.0.2.9" },
    };

    if (strcmp(name, "interface") == 0)
        return context;
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    }
    return NULL;
}

static int report(const char *interface, struct failure *f)
{
    char name[32] = "";

    if (interface)
        memcpy(name, interface, strlen(interface) + 1);
    return network_update(folder, &config, interface ? get : NULL, name, f);
}

static void test_files(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(report(NULL, &f), 0); /* nothing is known yet, and all files are there */
    expect("resolv.conf", "nameserver", false);
    expect("dhcp.sources", "server", false);
    expect("network.json", "{}", true);
    assert_int_equal(report("lo", &f), 0);
    assert_int_equal(report("no-such-link", &f), 0);
    expect("resolv.conf", "nameserver 10.0.2.3\n", true);
    expect("dhcp.sources", "server 10.0.2.9 iburst\n", true);
    expect("network.json", "no-such-link", true);
    /* A new start forgets what is gone, and keeps the rest. */
    assert_int_equal(report(NULL, &f), 0);
    expect("network.json", "no-such-link", false);
    expect("network.json", "\"lo\"", true);
    assert_int_equal(report("../x", &f), -EBADMSG);
    assert_int_equal(f.code, CODE_NETWORK);
    expect("network.json", "\"lo\"", true);
}

static ino_t inode_of(const char *name)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

/* A report that says nothing new replaces no file. */
static void test_nothing_new(void **state)
{
    struct failure f = FAILURE_NONE;
    ino_t sources, facts;

    (void)state;
    assert_int_equal(report("lo", &f), 0);
    sources = inode_of("dhcp.sources");
    facts = inode_of("network.json");
    assert_int_equal(report("lo", &f), 0);
    assert_true(inode_of("dhcp.sources") == sources && inode_of("network.json") == facts);
    assert_int_equal(report("other", &f), 0);
    assert_true(inode_of("dhcp.sources") == sources && inode_of("network.json") != facts);
}

static void test_damaged_facts(void **state)
{
    _cleanup_free_ char *path = text_make("%s/network.json", folder);
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_write(path, "{", 1, 0644, &f), 0);
    assert_int_equal(report("lo", &f), 0);
    expect("network.json", "\"lo\"", true);
    assert_true(network_update("/no/such/folder", &config, NULL, NULL, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_nothing_new),
        cmocka_unit_test(test_damaged_facts),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
