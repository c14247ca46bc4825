#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/event.h"
#include "vm/variables.h"

enum {
    OUTPUT_MAX = 1 << 20,
    SECTOR = 512,
    GPT_FIRST_ENTRY = 2 * SECTOR,
    GPT_ENTRY_SIZE = 128,
    GPT_UNIQUE_GUID = 16,
    GPT_FIRST_SECTOR = 32,
    GUID_SIZE = 16,
};

const char *fixture_tree;
const char *fixture_generation;
const char *fixture_keys;
struct manifest fixture_manifest;

/* Fails the running test with a failure's words. */
#define MUST(place, expression)                                                                    \
    do {                                                                                           \
        if ((expression) < 0)                                                                      \
            fail_msg("%s: %s: %s", #expression, code_entry((place)->f.code)->id, (place)->f.text); \
    } while (0)

int fixture_start(void **state)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    fixture_tree = getenv("BROCH_TREE");
    fixture_generation = getenv("BROCH_GENERATION");
    fixture_keys = getenv("BROCH_KEYS");
    if (!fixture_tree || !fixture_generation || !fixture_keys) {
        (void)fprintf(stderr, "BROCH_TREE, BROCH_GENERATION and BROCH_KEYS must be set\n");
        return -1;
    }
    if (file_read(artifact("generation.json"), MANIFEST_FILE_MAX, &bytes, &size, &f) < 0 ||
        manifest_parse("generation.json", bytes, size, &fixture_manifest, &f) < 0) {
        (void)failure_print(&f, "fixture", stderr);
        return -1;
    }
    return 0;
}

int place_make(void **state, const char *disk)
{
    struct place *place = calloc(1, sizeof(*place));
    char folder[] = "/var/tmp/broch-vm.XXXXXX";

    if (!place || !mkdtemp(folder))
        return -1;
    place->folder = strdup(folder);
    place->disk = text_make("%s/disk.raw", folder);
    place->machine = text_make("%s/machine", folder);
    if (!place->folder || !place->disk || !place->machine ||
        file_copy(disk, place->disk, 0600, &place->f) < 0)
        return -1;
    place->config = vm_config_defaults();
    place->config.tree = fixture_tree;
    place->config.folder = place->machine;
    place->config.accel = VM_ACCEL_TCG;
    place->config.kernel = artifact("vmlinuz");
    place->config.secure_boot = true;
    place->config.keys = artifact("keys");
    place->config.disks[0] = (struct vm_disk){ .path = place->disk, .format = VM_DISK_RAW };
    *state = place;
    return 0;
}

int place_setup(void **state)
{
    return place_make(state, artifact("disk.raw"));
}

int place_teardown(void **state)
{
    struct place *place = *state;
    struct failure f = FAILURE_NONE;
    int r;

    if (!place)
        return 0;
    place->vm = vm_close(place->vm);
    r = getenv("BROCH_KEEP") ? 0 : file_remove_tree(place->folder, &f);
    free(place->folder);
    free(place->disk);
    free(place->machine);
    free(place);
    return r;
}

const char *place_path(struct place *place, const char *name)
{
    char *path = text_make("%s/%s", place->folder, name);

    assert_non_null(path);
    return path;
}

const char *artifact(const char *name)
{
    static char paths[16][512];
    static size_t next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", fixture_generation, name);
    return path;
}

static struct sandbox make_sandbox(const struct place *place)
{
    return (struct sandbox){ .tree = fixture_tree,
                             .binds = { { place->folder, NULL, false },
                                        { fixture_generation, NULL, true },
                                        { fixture_keys, NULL, true } } };
}

char *in_tree_output(struct place *place, const struct arguments *arguments)
{
    const struct sandbox sandbox = make_sandbox(place);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .sandbox = &sandbox,
                           .folder = place->folder };
    char *output = NULL;
    size_t size;

    MUST(place, spawn_capture(&spawn, OUTPUT_MAX, &output, &size, &place->f));
    return output;
}

void in_tree(struct place *place, const struct arguments *arguments)
{
    free(in_tree_output(place, arguments));
}

void read_partition(const struct place *place, unsigned index, uint8_t ret_guid[static 16],
                    uint64_t *ret_sector)
{
    uint8_t entry[GPT_ENTRY_SIZE];
    int fd = open(place->disk, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, entry, sizeof(entry), GPT_FIRST_ENTRY + index * GPT_ENTRY_SIZE),
                     sizeof(entry));
    assert_int_equal(close(fd), 0);
    memcpy(ret_guid, entry + GPT_UNIQUE_GUID, GUID_SIZE);
    memcpy(ret_sector, entry + GPT_FIRST_SECTOR, sizeof(*ret_sector));
}

static const char *slot_image(struct place *place)
{
    uint8_t guid[GUID_SIZE];
    uint64_t sector;
    char *path;

    read_partition(place, place->slot, guid, &sector);
    path = text_make("%s@@%llu", place->disk, (unsigned long long)sector * SECTOR);
    assert_non_null(path);
    return path;
}

void slot_put(struct place *place, const char *file, const char *target)
{
    _cleanup_free_ char *path = text_make("::/%s", target);
    const struct arguments arguments =
        ARGUMENTS("mcopy", "-o", "-i", slot_image(place), file, path);

    in_tree(place, &arguments);
}

void slot_take(struct place *place, const char *source, const char *file)
{
    _cleanup_free_ char *path = text_make("::/%s", source);
    const struct arguments arguments =
        ARGUMENTS("mcopy", "-o", "-i", slot_image(place), path, file);

    in_tree(place, &arguments);
}

void slot_remove(struct place *place, const char *target)
{
    _cleanup_free_ char *path = text_make("::/%s", target);
    const struct arguments arguments = ARGUMENTS("mdel", "-i", slot_image(place), path);

    in_tree(place, &arguments);
}

void slot_make_folder(struct place *place, const char *target)
{
    _cleanup_free_ char *path = text_make("::/%s", target);
    const struct arguments arguments = ARGUMENTS("mmd", "-i", slot_image(place), path);

    in_tree(place, &arguments);
}

void slot_put_uki(struct place *place, const char *file)
{
    slot_put(place, file, "EFI/broch/linux.efi");
    slot_put(place, file, "EFI/BOOT/BOOTX64.EFI");
}

void flip(struct place *place, const char *file, uint64_t offset)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    (void)place;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    assert_int_equal(close(fd), 0);
}

const char *copy_artifact(struct place *place, const char *name)
{
    const char *path = place_path(place, name);

    MUST(place, file_copy(artifact(name), path, 0600, &place->f));
    return path;
}

uint64_t find_bytes(const char *file, const void *needle, size_t size)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    const uint8_t *found;
    size_t total;

    assert_int_equal(file_read(file, SIZE_MAX / 2, &bytes, &total, &f), 0);
    found = memmem(bytes, total, needle, size);
    assert_non_null(found);
    return (uint64_t)(found - bytes);
}

/* Opens the machine once, so that its variables can be edited before the first start. */
static void open_machine(struct place *place)
{
    if (!place->vm)
        MUST(place, vm_open(&place->config, &place->vm, &place->f));
}

void use_boot_entry(struct place *place, const char *options)
{
    const char *variables = place_path(place, "machine/variables.fd");
    struct vm_boot_entry entry = { .number = 0x0042,
                                   .description = "Broch A",
                                   .file = "\\EFI\\broch\\linux.efi",
                                   .options = options };
    uint8_t guid[GUID_SIZE];
    uint64_t sector;

    read_partition(place, 0, guid, &sector);
    entry.partition = guid;
    open_machine(place);
    MUST(place, vm_variables_set_boot_entry(fixture_tree, variables, &entry, &place->f));
    MUST(place, vm_variables_set_boot_order(fixture_tree, variables, &entry.number, 1, &place->f));
}

void use_direct(struct place *place, const char *cmdline, const char *image)
{
    place->config.boot = VM_BOOT_DIRECT;
    place->config.secure_boot = false;
    place->config.keys = NULL;
    place->config.tpm = false;
    place->config.initrd = artifact("initrd");
    place->config.cmdline = cmdline;
    place->config.disks[0] =
        (struct vm_disk){ .path = image, .format = VM_DISK_RAW, .read_only = true };
}

void start(struct place *place)
{
    open_machine(place);
    MUST(place, vm_start(place->vm, &place->f));
}

/* Waits for one of the texts; the end of the machine or of our patience fails the test, with the
 * last lines of the console. */
static struct vm_match wait_for(struct place *place, const char *const *texts, size_t count)
{
    struct vm_match match = { .index = count };

    if (vm_wait_marker(place->vm, texts, count, PATIENCE_NS, &match, &place->f) < 0) {
        const char *console = vm_console(place->vm);
        size_t length = strlen(console);

        (void)fprintf(stderr, "--- console ends:\n%s\n---\n",
                      console + (length > 3000 ? length - 3000 : 0));
        fail_msg("%s: %s", code_entry(place->f.code)->id, place->f.text);
    }
    return match;
}

const char *expect_ready(struct place *place)
{
    static const char *const texts[] = { "broch ready ", "status=fail", "Access Denied" };
    struct vm_match match = wait_for(place, texts, ARRAY_SIZE(texts));

    if (match.index != 0)
        fail_msg("not ready: %s", match.line);
    return match.line;
}

void expect_refusal(struct place *place, const char *code)
{
    static const char *const texts[] = { "status=fail", "broch ready ", "Access Denied" };
    _cleanup_free_ char *wanted = text_make("code=%s", code);
    struct vm_match match = wait_for(place, texts, ARRAY_SIZE(texts));
    const char *found = strstr(match.line, wanted);

    if (match.index != 0 || !found ||
        (found[strlen(wanted)] != ' ' && found[strlen(wanted)] != '\0'))
        fail_msg("expected %s, got: %s", code, match.line);
    assert_null(strstr(vm_console(place->vm), "broch ready "));
}

void expect_firmware_refusal(struct place *place)
{
    static const char *const texts[] = { "Access Denied", "broch ", "Linux version", "EFI stub" };
    struct vm_match match = wait_for(place, texts, ARRAY_SIZE(texts));

    if (match.index != 0)
        fail_msg("the firmware started it: %s", match.line);
}

void expect_corruption_restart(struct place *place)
{
    static const char *const texts[] = { "is corrupted", "broch ready ", "status=fail" };
    static const char *const panic[] = { "dm-verity device corrupted", "broch ready ",
                                         "status=fail" };
    struct vm_match match = wait_for(place, texts, ARRAY_SIZE(texts));

    if (match.index != 0)
        fail_msg("no corruption was seen: %s", match.line);
    match = wait_for(place, panic, ARRAY_SIZE(panic));
    if (match.index != 0)
        fail_msg("the machine went on: %s", match.line);
}

/* The prompt may have come before what was waited for last: an empty name brings another one. */
void login(struct place *place)
{
    MUST(place, vm_type(place->vm, "\n", &place->f));
    MUST(place, vm_wait_prompt(place->vm, "login: ", PATIENCE_NS, &place->f));
    MUST(place, vm_type(place->vm, "admin\n", &place->f));
    MUST(place, vm_wait_prompt(place->vm, "Password: ", PATIENCE_NS, &place->f));
    MUST(place, vm_type(place->vm, "broch\n", &place->f));
    MUST(place, vm_wait_prompt(place->vm, "$ ", PATIENCE_NS, &place->f));
}

/* The words of run_inside() are written so that the echo of the typed line does not hold them. */
static char *take_output(struct place *place, size_t before)
{
    static const char *const texts[] = { "<<END" };
    const char *from, *to;

    (void)wait_for(place, texts, ARRAY_SIZE(texts));
    from = strstr(vm_console(place->vm) + before, "BEGIN>>");
    to = from ? strstr(from, "<<END") : NULL;
    assert_non_null(to);
    from += strlen("BEGIN>>");
    return strndup(from, (size_t)(to - from));
}

char *run_inside(struct place *place, const char *command)
{
    _cleanup_free_ char *line =
        text_make("echo; echo 'BEG''IN>>'; %s; echo; echo '<<E''ND'\n", command);
    size_t before = strlen(vm_console(place->vm));

    assert_non_null(line);
    MUST(place, vm_type(place->vm, line, &place->f));
    return take_output(place, before);
}

/* Adds a word for the shell: in single quotes, a quote itself outside of them. */
static void add_quoted(struct text *t, const char *word)
{
    text_add(t, "'");
    for (; *word; word++) {
        if (*word == '\'')
            text_add(t, "'\\''");
        else
            text_add_bytes(t, word, 1);
    }
    text_add(t, "'");
}

char *as_root(struct place *place, const char *command)
{
    _cleanup_free_ char *script =
        text_make("echo; echo 'BEG''IN>>'; %s\necho; echo '<<E''ND'", command);
    size_t before = strlen(vm_console(place->vm));
    _cleanup_text_ struct text line = TEXT_INIT;

    assert_non_null(script);
    /* -L forgets that the password was given, so that the question always comes, the next time
     * too. */
    text_add(&line, "doas -L; doas sh -c ");
    add_quoted(&line, script);
    text_add(&line, "; doas -L\n");
    assert_int_equal(text_status(&line), 0);
    MUST(place, vm_type(place->vm, text_string(&line), &place->f));
    MUST(place, vm_wait_prompt(place->vm, ") password: ", PATIENCE_NS, &place->f));
    MUST(place, vm_type(place->vm, "broch\n", &place->f));
    return take_output(place, before);
}

void expect(struct place *place, bool root, const char *command, const char *text)
{
    _cleanup_free_ char *output = root ? as_root(place, command) : run_inside(place, command);

    if (!strstr(output, text))
        fail_msg("'%s' did not print '%s' but: %s", command, text, output);
}

void expect_not(struct place *place, bool root, const char *command, const char *text)
{
    _cleanup_free_ char *output = root ? as_root(place, command) : run_inside(place, command);

    if (strstr(output, text))
        fail_msg("'%s' printed '%s': %s", command, text, output);
}

void await_as(struct place *place, bool root, const char *command, const char *text, bool there)
{
    uint64_t deadline = event_now_ns() + PATIENCE_NS;

    for (;;) {
        _cleanup_free_ char *output = root ? as_root(place, command) : run_inside(place, command);

        if ((strstr(output, text) != NULL) == there)
            return;
        if (event_now_ns() > deadline)
            fail_msg("'%s' %s '%s': %s", command, there ? "never printed" : "still prints", text,
                     output);
    }
}
