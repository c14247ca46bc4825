/* `broch secureboot`: what the firmware lets start here, and changes of that which the encrypted
 * disk survives. A change is written only when the disk is sealed for what PCR 7 will be then,
 * which stage 1 does at the start before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "disk/request_file.h"
#include "programs/broch-disk/actions.h"
#include "programs/broch-disk/firmware.h"
#include "programs/broch-disk/lists_shown.h"
#include "sys/file.h"

/* --- status --- */

int action_secureboot_status(const struct action_options *options, struct failure *f)
{
    struct firmware m = { .running = NULL };
    const struct lists_shown shown = { .secure_boot = m.facts.secure_boot, .machine = &m.plan };
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = firmware_read(&m, f);

    if (r == 0)
        r = options->json ? lists_shown_add_json(&shown, &t, f)
                          : lists_shown_add_table(&shown, &t, f);
    firmware_done(&m);
    if (r < 0)
        return r;
    if (text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return fputs(text_string(&t), stdout) < 0 || fflush(stdout) != 0
               ? failure_set(f, CODE_IO, -errno, "cannot write the answer")
               : 0;
}

/* --- apply --- */

static bool is_sealed_for(const struct sealed *s, const uint8_t *pcr7)
{
    for (size_t i = 0; i < s->count; i++) {
        if (memcmp(s->ways[i].pcr7, pcr7, SEAL_PCR_SIZE) == 0)
            return true;
    }
    return false;
}

static int ask_stage1(const struct facts *facts, const uint8_t *pcr7, struct failure *f)
{
    _cleanup_close_ int folder_fd = request_folder_open(AT_FDCWD, REQUEST_FOLDER, true);
    struct request request = { .kind = REQUEST_SEAL_PCR7 };
    int r;

    if (folder_fd < 0)
        return failure_set(f, CODE_IO, folder_fd, "cannot open %s", REQUEST_FOLDER);
    memcpy(request.disk, facts->persist_uuid, sizeof(request.disk));
    memcpy(request.pcr7, pcr7, sizeof(request.pcr7));
    r = request_write(folder_fd, &request, f);
    if (r < 0)
        return r;
    (void)puts("The next start seals the disk for this change, which is not made yet. Restart, and "
               "then give this command again: broch reboot");
    return EXIT_CODE_REBOOT_NEEDED;
}

static int write_plan(const struct plan *plan, const void *file, size_t size, struct failure *f)
{
    int r = firmware_write(plan, file, size, f);

    if (r < 0)
        return r;
    (void)printf("%s is changed, and counts from the next start on: broch reboot\n",
                 key_variable_name(plan->target.variable));
    return EXIT_CODE_REBOOT_NEEDED;
}

/* Without a way by the TPM there is nothing that a change could close. */
static int carry_out(const struct firmware *m, const struct plan *plan, const void *file,
                     size_t size, struct failure *f)
{
    uint8_t pcr7[EVENT_DIGEST_SIZE];
    int r;

    if (plan->nothing) {
        (void)printf("%s holds all of this already\n", key_variable_name(plan->target.variable));
        return EXIT_CODE_NOTHING_TO_DO;
    }
    if (m->sealed.unread > 0)
        return failure_set(f, CODE_SECUREBOOT_UNJUDGED, -EBADMSG,
                           "the encrypted disk has %zu ways by the TPM that this generation does "
                           "not understand",
                           m->sealed.unread);
    if (m->sealed.count == 0 || strcmp(m->facts.secure_boot, "on") != 0)
        return write_plan(plan, file, size, f);
    r = firmware_predict(m, plan, pcr7, f);
    if (r < 0)
        return r;
    return is_sealed_for(&m->sealed, pcr7) ? write_plan(plan, file, size, f)
                                           : ask_stage1(&m->facts, pcr7, f);
}

int action_secureboot_apply(const struct action_options *options, struct failure *f)
{
    const char *path = options->operand;
    struct firmware m = { .running = NULL };
    _cleanup_free_ uint8_t *file = NULL;
    struct plan plan = { .nothing = false };
    size_t size;
    int r = file_read(path, KEY_CHANGE_MAX, &file, &size, f);

    if (r == -ENOENT)
        return failure_set(f, CODE_IO, r, "no file '%s'", path);
    if (r == 0)
        r = firmware_read(&m, f);
    if (r == 0)
        r = firmware_read_log(&m, f);
    if (r == 0 && m.spare_unread.cause < 0 && !options->without_spare) {
        *f = m.spare_unread;
        r = f->cause;
    }
    if (r == 0)
        r = plan_make(&m.plan, file, size, &plan, f);
    if (r == 0)
        r = carry_out(&m, &plan, file, size, f);
    plan_done(&plan);
    firmware_done(&m);
    return r;
}
