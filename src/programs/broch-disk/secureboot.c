/* `broch secureboot`: what the firmware lets start here, and changes of that which the encrypted
 * disk survives. A change is written only when the disk is sealed for what PCR 7 will be then,
 * which stage 1 does at the start before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "disk/request_file.h"
#include "programs/broch-disk/actions.h"
#include "programs/broch-disk/firmware.h"
#include "sys/file.h"

enum { COMMON_NAME_SIZE = 128 };

/* --- status --- */

static void add_signature(const struct signature *s, struct text *t)
{
    static const char *const others[] = { [SIGNATURE_IMAGE_HASH] = "a boot file's hash",
                                          [SIGNATURE_CERTIFICATE_HASH] = "a certificate's hash",
                                          [SIGNATURE_OTHER] = "something else" };
    const unsigned char *der = s->data;
    char name[COMMON_NAME_SIZE] = "";
    X509 *certificate;

    if (s->kind != SIGNATURE_CERTIFICATE) {
        text_addf(t, "              %s\n", others[s->kind]);
        return;
    }
    certificate = d2i_X509(NULL, &der, (long)s->size);
    if (certificate)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                        sizeof(name)); /* it may have none */
    X509_free(certificate);
    /* The firmware's bytes go to a terminal. */
    for (size_t i = 0; name[i]; i++)
        name[i] = (char)(name[i] < ' ' || name[i] > '~' ? '?' : name[i]);
    text_addf(t, "              certificate '%s'\n", name);
}

static int add_lists(const struct plan_lists *l, enum key_variable variable, struct text *t,
                     struct failure *f)
{
    struct signature_lists lists = signature_lists_open(l->bytes, l->size);
    struct signature s;
    int more;

    text_addf(t, "%-13s%s\n", key_variable_name(variable), l->size == 0 ? " empty" : "");
    while ((more = signature_lists_next(&lists, &s)) > 0)
        add_signature(&s, t);
    return more < 0 ? failure_set(f, CODE_SECUREBOOT_FILE, more, "%s is malformed",
                                  key_variable_name(variable))
                    : 0;
}

static void add_boot_file(const struct boot_signature *s, const char *what,
                          const struct plan_machine *m, struct text *t)
{
    const struct plan_lists *db = &m->variables[KEY_VARIABLE_DB];
    const struct plan_lists *dbx = &m->variables[KEY_VARIABLE_DBX];
    const struct boot_lists lists = { db->bytes, dbx->bytes, db->size, dbx->size };
    struct failure why = FAILURE_NONE;
    struct signature by;

    if (!s) {
        text_addf(t, "%-14sholds no boot file\n", what);
        return;
    }
    text_addf(t, "%-14ssigned by '%s', ", what, boot_signature_signer(s));
    if (boot_signature_allowed(s, &lists, &by, &why) == 0)
        text_add(t, "allowed\n");
    else
        text_addf(t, "refused: %s\n", why.text);
}

int action_secureboot_status(const struct action_options *options, struct failure *f)
{
    struct firmware m = { .running = NULL };
    _cleanup_text_ struct text t = TEXT_INIT;
    int r = firmware_read(&m, f);

    (void)options;
    if (r == 0) {
        text_addf(&t, "Secure Boot   %s\n", m.facts.secure_boot);
        for (enum key_variable v = KEY_VARIABLE_PK; r == 0 && v < KEY_VARIABLE_MAX_; v++)
            r = add_lists(&m.plan.variables[v], v, &t, f);
        add_boot_file(m.running, "running slot", &m.plan, &t);
        add_boot_file(m.spare, "other slot", &m.plan, &t);
    }
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
    if (m->sealed.count == 0 || strcmp(m->facts.secure_boot, "on") != 0)
        return write_plan(plan, file, size, f);
    r = firmware_predict(plan->target.variable, &plan->after, pcr7, f);
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
        r = plan_make(&m.plan, file, size, &plan, f);
    if (r == 0)
        r = carry_out(&m, &plan, file, size, f);
    plan_done(&plan);
    firmware_done(&m);
    return r;
}
