#include "vm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "vm/vm.h"

enum {
    VERDICT_MAX = 1024,
    OUTPUT_MAX = 4096,
    BOOT_ID_MAX = 64,
    PROOF_SECONDS = 15,
};

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static void set_reason(struct vm_accel_choice *choice, const char *format, ...) PRINTF_LIKE(2, 3);

static void set_reason(struct vm_accel_choice *choice, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* A cut reason is still one. */
    (void)vsnprintf(choice->reason, sizeof(choice->reason), format, arguments);
    va_end(arguments);
}

/* --- What a verdict is about --- */

/* The first word of a tool's output that begins with a digit; or the first word at all. */
static int ask_tool(const char *tree, const struct arguments *arguments,
                    const struct sandbox_bind *bind, struct text *answer, struct failure *f)
{
    struct sandbox sandbox = { .tree = tree };
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .sandbox = &sandbox };
    _cleanup_free_ char *output = NULL;
    const char *start;
    size_t size;
    int r;

    if (bind)
        sandbox.binds[0] = *bind;
    r = spawn_capture(&spawn, OUTPUT_MAX, &output, &size, f);
    if (r < 0)
        return r;
    start = strstr(output, "version ");
    start = start ? start + strlen("version ") : output;
    text_add_bytes(answer, start, strcspn(start, " \n"));
    return 0;
}

static int read_boot_id(struct text *answer, struct failure *f)
{
    char bytes[BOOT_ID_MAX];
    _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

    if (got <= 0)
        return file_failure(f, errno, "read", "/proc/sys/kernel/random/boot_id");
    text_add_bytes(answer, bytes, (size_t)got);
    while (answer->length > 0 && answer->data[answer->length - 1] == '\n')
        answer->data[--answer->length] = '\0';
    return 0;
}

/* The file that holds the verdict; *ret_path is NULL when none is kept. */
static int find_verdict(const struct vm_config *config, char **ret_path, struct failure *f)
{
    struct arguments version = ARGUMENTS("qemu-system-x86_64", "--version");
    struct arguments hash = ARGUMENTS("sha256sum", "/in/kernel");
    struct sandbox_bind bind = { config->kernel, "/in/kernel", true };
    _cleanup_text_ struct text name = TEXT_INIT;
    int r;

    *ret_path = NULL;
    if (!config->cache || !config->kernel)
        return 0;
    text_addf(&name, "%s/kvm/", config->cache);
    r = read_boot_id(&name, f);
    text_add(&name, "-qemu-");
    if (r == 0)
        r = ask_tool(config->tree, &version, NULL, &name, f);
    text_addf(&name, "-%s-", config->boot == VM_BOOT_DIRECT ? "direct" : "firmware");
    if (r == 0)
        r = ask_tool(config->tree, &hash, &bind, &name, f);
    if (r < 0)
        return r;
    *ret_path = text_take(&name);
    return *ret_path ? 0 : out_of_memory(f);
}

/* The file's one line is "yes" or "no <reason>". */
static bool read_verdict(const char *path, struct vm_accel_choice *choice)
{
    struct failure ignored = FAILURE_NONE;
    _cleanup_free_ uint8_t *bytes = NULL;
    const char *text;
    size_t size;

    if (!path || file_read(path, VERDICT_MAX, &bytes, &size, &ignored) < 0)
        return false;
    text = (const char *)bytes;
    choice->kvm = strcmp(text, "yes\n") == 0;
    if (!choice->kvm && strncmp(text, "no ", 3) != 0)
        return false; /* damaged: try again */
    if (!choice->kvm)
        set_reason(choice, "%.*s", (int)strcspn(text + 3, "\n"), text + 3);
    return true;
}

static int keep_verdict(const char *path, const struct vm_accel_choice *choice, struct failure *f)
{
    _cleanup_free_ char *text =
        choice->kvm ? text_make("yes\n") : text_make("no %s\n", choice->reason);
    int r;

    if (!path)
        return 0;
    if (!text)
        return out_of_memory(f);
    r = file_make_parent(path, f);
    return r == 0 ? file_write(path, text, strlen(text), 0600, f) : r;
}

/* --- The proof --- */

static int run_proof(const struct vm_config *config, struct failure *f)
{
    static const char *const signs[] = { "broch stage1", "Linux version " };
    struct vm_match match;
    struct vm *vm = NULL;
    int r = vm_open(config, &vm, f);

    if (r == 0)
        r = vm_start(vm, f);
    if (r == 0)
        r = vm_wait_marker(vm, signs, ARRAY_SIZE(signs), PROOF_SECONDS * NS_PER_S, &match, f);
    vm_close(vm);
    return r;
}

static int prove(const struct vm_config *config, struct vm_accel_choice *choice, struct failure *f)
{
    _cleanup_free_ char *folder = text_make("%s/proof", config->folder);
    struct vm_config trial = *config;
    struct failure told = FAILURE_NONE;
    int r;

    if (!folder)
        return out_of_memory(f);
    trial.folder = folder;
    trial.accel = VM_ACCEL_KVM;
    trial.console_log = NULL;
    trial.network = VM_NETWORK_NONE;
    trial.display = false;
    for (size_t i = 0; i < vm_config_disk_count(&trial); i++)
        trial.disks[i].snapshot = true;
    r = file_remove_tree(folder, f);
    if (r < 0)
        return r;
    r = run_proof(&trial, &told);
    choice->kvm = r == 0;
    if (r < 0 && told.code != CODE_VM_START && told.code != CODE_VM_ENDED &&
        told.code != CODE_VM_DEADLINE) {
        *f = told;
        return r;
    }
    if (r < 0 && told.code == CODE_VM_DEADLINE)
        set_reason(choice, "under /dev/kvm no kernel spoke within %d s", PROOF_SECONDS);
    else if (r < 0)
        set_reason(choice, "/dev/kvm does not boot this machine: %s", told.text);
    return file_remove_tree(folder, f);
}

int vm_accel_choose(const struct vm_config *config, struct vm_accel_choice *ret, struct failure *f)
{
    struct vm_accel_choice choice = { .kvm = config->accel == VM_ACCEL_KVM };
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *verdict = NULL;
    int r;

    if (config->accel != VM_ACCEL_AUTO || config->icount) {
        *ret = choice;
        return 0;
    }
    fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        set_reason(&choice, "/dev/kvm: %s", strerror(errno));
        *ret = choice;
        return 0;
    }
    r = find_verdict(config, &verdict, f);
    if (r == 0 && !read_verdict(verdict, &choice)) {
        r = prove(config, &choice, f);
        if (r == 0)
            r = keep_verdict(verdict, &choice, f);
    }
    if (r == 0)
        *ret = choice;
    return r;
}
