#include "programs/broch-vm/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "sys/file.h"
#include "vm/guest_test.h"

struct failure f;

void write_in(const char *folder, const char *name, const void *bytes, size_t size)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    assert_int_equal(file_write(path, bytes, size, 0644, &f), 0);
}

/* A generation whose kernel is our guest. */
void make_generation(const char *out, const char *name, const char *profile)
{
    _cleanup_free_ char *folder = text_make("%s/broch-%s", out, name);
    _cleanup_free_ struct manifest *manifest = calloc(1, sizeof(*manifest));
    _cleanup_text_ struct text text = TEXT_INIT;
    uint8_t sector[4096] = { 0 };

    (void)snprintf(manifest->name, sizeof(manifest->name), "%s", name);
    (void)snprintf(manifest->profile, sizeof(manifest->profile), "%s", profile);
    (void)snprintf(manifest->version, sizeof(manifest->version), "v1");
    (void)snprintf(manifest->arch, sizeof(manifest->arch), "x86_64");
    (void)snprintf(manifest->channel, sizeof(manifest->channel), "development");
    (void)snprintf(manifest->kernel, sizeof(manifest->kernel), "6.0");
    (void)snprintf(manifest->cmdline, sizeof(manifest->cmdline), "quiet");
    manifest_format(manifest, &text);
    assert_int_equal(file_make_folders(folder, &f), 0);
    write_in(folder, "generation.json", text_string(&text), text.length);
    write_in(folder, "vmlinuz", guest_start, (size_t)(guest_end - guest_start));
    write_in(folder, "initrd", "x", 1);
    write_in(folder, "system.erofs", sector, sizeof(sector));
}

int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (!place)
        return -1;
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/broch-run-test.XXXXXX");
    if (!mkdtemp(place->folder) || !(place->out = text_make("%s/out", place->folder)) ||
        file_make_folders(place->out, &f) < 0)
        return -1;
    *state = place;
    return setenv("XDG_STATE_HOME", place->folder, 1) < 0 ||
                   setenv("BROCH_CACHE", place->folder, 1) < 0
               ? -1
               : 0;
}

int free_place(void **state)
{
    struct place *place = *state;
    int r = file_remove_tree(place->folder, &f);

    free(place->out);
    free(place);
    return r;
}
