#include "vm/fixture_test.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"

const char *tree;
struct failure f;

const char *fixture_tree(void)
{
    tree = getenv("BROCH_TREE");
    if (!tree)
        (void)fprintf(stderr, "BROCH_TREE does not name the tools tree\n");
    return tree;
}

int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (!place)
        return -1;
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/broch-vm-test.XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    place->machine = text_make("%s/machine", place->folder);
    place->keys = text_make("%s/keys", place->folder);
    place->kernel = text_make("%s/kernel", place->folder);
    place->cache = text_make("%s/cache", place->folder);
    if (!place->machine || !place->keys || !place->kernel || !place->cache ||
        file_write(place->kernel, guest_start, (size_t)(guest_end - guest_start), 0600, &f) < 0)
        return -1;
    *state = place;
    return 0;
}

int free_place(void **state)
{
    struct place *place = *state;
    int r = file_remove_tree(place->folder, &f);

    free(place->machine);
    free(place->keys);
    free(place->kernel);
    free(place->cache);
    free(place);
    return r;
}

struct vm_config firmware_machine(const struct place *place)
{
    struct vm_config config = vm_config_defaults();

    config.tree = tree;
    config.folder = place->machine;
    config.memory_bytes = 256 * MIB;
    config.secure_boot = false;
    config.accel = VM_ACCEL_TCG;
    return config;
}

struct vm_config direct_machine(const struct place *place)
{
    struct vm_config config = firmware_machine(place);

    config.boot = VM_BOOT_DIRECT;
    config.kernel = place->kernel;
    config.tpm = false;
    return config;
}

static void make_certificate(const struct place *place, const char *name, const char *form)
{
    char subject[64], out[64], key[64];
    struct sandbox sandbox = { .tree = tree, .binds = { { place->keys, "/in", false } } };
    struct arguments arguments =
        ARGUMENTS("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                  "-subj", subject, "-outform", form, "-out", out, "-keyout", key);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments, .sandbox = &sandbox };
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)snprintf(subject, sizeof(subject), "/CN=test %s", name);
    (void)snprintf(out, sizeof(out), "/in/%s.crt", name);
    (void)snprintf(key, sizeof(key), "/in/%s.key", name);
    spawn.error_fd = null;
    OK(spawn_run(&spawn, &f));
    (void)close(null);
}

void make_keys(const struct place *place)
{
    OK(file_make_folders(place->keys, &f));
    make_certificate(place, "PK", "PEM");
    make_certificate(place, "KEK", "DER"); /* both forms must do */
    make_certificate(place, "db", "PEM");
}
