/* What only stage 1 can do is asked of it, and done at the next start. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/request_file.h"
#include "node/facts.h"
#include "programs/broch-disk/actions.h"

enum { NAME_MAX_SIZE = 65 };

/* Facts of a machine that has an encrypted disk. */
static int read_facts(struct facts *ret, struct failure *f)
{
    int r = facts_read(FACTS_PATH, ret, f);

    if (r == 0 && (!ret->persist_open || ret->persist_uuid[0] == '\0'))
        r = failure_set(f, CODE_PERSIST_HEADER, -ENOENT, "this machine has no encrypted disk");
    return r;
}

static int open_folder(struct failure *f)
{
    int fd = request_folder_open(AT_FDCWD, REQUEST_FOLDER, true);

    return fd < 0 ? failure_set(f, CODE_IO, fd, "cannot open %s", REQUEST_FOLDER) : fd;
}

static int ask(const struct facts *facts, enum request_kind kind, struct failure *f)
{
    _cleanup_close_ int folder_fd = open_folder(f);
    struct request request;
    int r;

    if (folder_fd < 0)
        return folder_fd;
    r = request_make(request_kind_name(kind), "-", &request);
    CHECK(r == 0);
    _Static_assert((int)REQUEST_UUID_SIZE == (int)FACTS_UUID_SIZE,
                   "one UUID is as long as another");
    memcpy(request.disk, facts->persist_uuid, sizeof(request.disk));
    r = request_write(folder_fd, &request, f);
    return r < 0 ? r : EXIT_CODE_REBOOT_NEEDED;
}

int action_enroll(const struct action_options *options, struct failure *f)
{
    struct facts facts;
    int r = read_facts(&facts, f);

    (void)options;
    if (r == 0 && (strcmp(facts.tpm, "on") != 0 || strcmp(facts.secure_boot, "on") != 0))
        r = failure_set(f, CODE_REQUEST_TPM, -ENODEV, "TPM %s, Secure Boot %s", facts.tpm,
                        facts.secure_boot);
    if (r == 0)
        r = ask(&facts, REQUEST_ENROLL, f);
    if (r > 0)
        (void)puts("The next start makes the TPM's way to the disk anew: broch reboot");
    return r;
}

int action_recovery_new(const struct action_options *options, struct failure *f)
{
    struct facts facts;
    int r = read_facts(&facts, f);

    (void)options;
    if (r == 0)
        r = ask(&facts, REQUEST_RECOVERY_NEW, f);
    if (r > 0)
        (void)puts("The next start makes another recovery key and shows it once, on the consoles.\n"
                   "The key that you have opens the disk until then. Be there, then: broch reboot");
    return r;
}

/* --- wipe --- */

static int read_name(char ret[static NAME_MAX_SIZE], struct failure *f)
{
    if (gethostname(ret, NAME_MAX_SIZE) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "this machine has no name");
    ret[NAME_MAX_SIZE - 1] = '\0';
    return 0;
}

static void tell(const struct facts *facts, const char *name)
{
    (void)printf("Machine '%s', disk %s. The next start\n"
                 "  - destroys every key of the disk: what is on it can never be read again\n"
                 "  - gives the TPM back, without what it kept for the disk\n"
                 "  - makes a new, empty disk and shows its recovery key on the consoles\n"
                 "The generations in both slots stay.\n",
                 name, facts->persist_uuid);
}

static int confirm(const char *name, struct failure *f)
{
    char typed[NAME_MAX_SIZE + 1];
    size_t length;

    (void)printf("Type the name of this machine to go on: ");
    (void)fflush(stdout);
    if (!fgets(typed, sizeof(typed), stdin))
        typed[0] = '\0';
    length = strcspn(typed, "\n");
    typed[length] = '\0';
    return strcmp(typed, name) == 0
               ? 0
               : failure_set(f, CODE_USAGE, -ECANCELED, "that is not the name: nothing was done");
}

int action_wipe(const struct action_options *options, struct failure *f)
{
    char name[NAME_MAX_SIZE];
    struct facts facts;
    int r = read_facts(&facts, f);

    if (r == 0)
        r = read_name(name, f);
    if (r < 0)
        return r;
    tell(&facts, name);
    if (options->dry_run)
        return 0;
    if (!options->yes)
        r = confirm(name, f);
    if (r == 0)
        r = ask(&facts, REQUEST_WIPE, f);
    if (r > 0)
        (void)puts(
            "It is asked for. Go on with: broch reboot\nTake it back with: broch disk cancel");
    return r;
}

/* --- cancel --- */

int action_cancel(const struct action_options *options, struct failure *f)
{
    _cleanup_close_ int folder_fd = request_folder_open(AT_FDCWD, REQUEST_FOLDER, false);
    unsigned count = 0;

    (void)options;
    for (size_t kind = 0; folder_fd >= 0 && kind < REQUEST_KIND_MAX_; kind++) {
        struct request request;
        struct failure ignored = FAILURE_NONE; /* one that is none goes as well */
        int r;

        if (request_read(folder_fd, (enum request_kind)kind, &request, &ignored) == -ENOENT)
            continue;
        r = request_remove(folder_fd, (enum request_kind)kind, f);
        if (r < 0)
            return r;
        (void)printf("%s is taken back\n", request_kind_name((enum request_kind)kind));
        count++;
    }
    if (count == 0)
        (void)puts("nothing was asked for");
    return 0;
}
