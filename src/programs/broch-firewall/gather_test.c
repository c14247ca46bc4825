#include "programs/broch-firewall/gather.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

#define MANIFEST(name, more) "name = '" name "'\ndescription = 'x'\nrun = ['/bin/x']\n" more

static char root[] = "/tmp/gather-XXXXXX";
static struct openings openings;
static unsigned complaints;

static void complain(const struct failure *f)
{
    complaints += f->cause < 0;
}

static void put(const char *path, const char *text)
{
    _cleanup_free_ char *place = text_make("%s/%s", root, path);
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_make_parent(place, &f), 0);
    assert_int_equal(file_write(place, text, strlen(text), 0644, &f), 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree(root, &f);
}

static int gather(struct failure *f)
{
    _cleanup_free_ char *list = text_make("%s/list", root), *image = text_make("%s/image", root);
    _cleanup_free_ char *machine = text_make("%s/services", root);
    const struct gather_paths paths = { list, { image, machine } };
    struct config config;
    int r = config_load_below(root, NULL, NULL, &config, f);

    complaints = 0;
    if (r == 0)
        r = gather_openings(&paths, &config, complain, &openings, f);
    config_done(&config);
    return r;
}

static void expect(size_t index, const char *owner, bool is_udp, unsigned first, unsigned last,
                   const char *source)
{
    const struct firewall_opening *o = &openings.list[index];

    assert_true(index < openings.count);
    assert_string_equal(o->owner, owner);
    assert_int_equal(o->is_udp, is_udp);
    assert_int_equal(o->first, first);
    assert_int_equal(o->last, last);
    assert_string_equal(o->source, source);
}

static void test_openings(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    put("list", "web\nssh\nquiet\nbroken\ngone\n");
    put("image/web.toml", MANIFEST("web", "[network]\nmode = 'host'\n"
                                          "listen = ['tcp/80', 'udp/443']\n"));
    put("image/ssh.toml", MANIFEST("ssh", "condition = 'admin.ssh_keys'\n[network]\n"
                                          "mode = 'host'\nlisten = ['tcp/22']\n"));
    put("image/quiet.toml", MANIFEST("quiet", ""));
    put("image/broken.toml", MANIFEST("broken", "[network]\nmode = 'host'\nlisten = ['x']\n"));
    put("image/unlisted.toml", MANIFEST("unlisted", "[network]\nmode = 'host'\n"
                                                    "listen = ['tcp/81']\n"));
    put("services/own.toml", MANIFEST("own", "[network]\nmode = 'host'\nlisten = ['tcp/8080']\n"));
    assert_int_equal(gather(&f), 0);
    assert_int_equal(openings.count, 3);
    expect(0, "web", false, 80, 80, "");
    expect(1, "web", true, 443, 443, "");
    expect(2, "own", false, 8080, 8080, "");
    assert_int_equal(complaints, 2);
}

static void test_configuration(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    put("etc/broch/config.toml",
        "[admin]\nssh_keys = ['ssh-ed25519 "
        "AAAAC3NzaC1lZDI1NTE5AAAAIFu2q0r5tZ6cRk7Y7Wm6vX2v5b1Hc0b0XoXq3ZlDk1yN a']\n"
        "[services]\ndisable = ['web']\n"
        "[firewall]\nallow = ['udp/5000-5010 from 10.0.0.0/8', 'tcp/9 from fd00::/8']\n");
    assert_int_equal(gather(&f), 0);
    assert_int_equal(openings.count, 4);
    expect(0, "ssh", false, 22, 22, "");
    expect(1, "own", false, 8080, 8080, "");
    expect(2, "firewall.allow", true, 5000, 5010, "10.0.0.0/8");
    assert_false(openings.list[2].source_is_ipv6);
    expect(3, "firewall.allow", false, 9, 9, "fd00::/8");
    assert_true(openings.list[3].source_is_ipv6);
}

static void test_refusals(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    put("list", "web\n\n");
    assert_int_equal(gather(&f), -EBADMSG);
    put("list", "a-name-that-is-longer-than-any-name\n");
    assert_int_equal(gather(&f), -EBADMSG);
    {
        _cleanup_free_ char *list = text_make("%s/list", root);

        assert_int_equal(file_remove_tree(list, &f), 0);
    }
    assert_int_equal(gather(&f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openings),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
