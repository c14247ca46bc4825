#include "programs/broch-disk/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk/pcr7.h"

void plan_done(struct plan *plan)
{
    free(plan->after.bytes);
    *plan = (struct plan){ .nothing = false };
}

/* UEFI 2.10, 8.2.2.2: PK and KEK change by the PK, db and dbx by a KEK. */
static const struct plan_lists *signers_of(const struct plan_machine *m, enum key_variable variable)
{
    return variable == KEY_VARIABLE_DB || variable == KEY_VARIABLE_DBX
               ? &m->variables[KEY_VARIABLE_KEK]
               : &m->variables[KEY_VARIABLE_PK];
}

/* What is signed names the variable, the file does not. */
static int find_target(const struct plan_machine *m, const struct key_change *change,
                       struct key_target *ret, struct failure *f)
{
    for (enum key_variable v = KEY_VARIABLE_PK; v < KEY_VARIABLE_MAX_; v++) {
        for (int append = 0; append < 2; append++) {
            const struct key_target target = { v, append };
            const struct plan_lists *signers = signers_of(m, v);

            if (key_change_verify(change, target, signers->bytes, signers->size) == 0) {
                *ret = target;
                return 0;
            }
        }
    }
    return failure_set(f, CODE_SECUREBOOT_SIGNER, -EKEYREJECTED,
                       "no key in this machine's PK or KEK has signed it for any variable");
}

static struct boot_lists lists_of(const struct plan_machine *m)
{
    const struct plan_lists *db = &m->variables[KEY_VARIABLE_DB];
    const struct plan_lists *dbx = &m->variables[KEY_VARIABLE_DBX];

    return (struct boot_lists){
        .db = db->bytes, .db_size = db->size, .dbx = dbx->bytes, .dbx_size = dbx->size
    };
}

static bool is_same(const struct signature *a, const struct signature *b)
{
    return a->kind == b->kind && a->size == b->size &&
           memcmp(a->owner, b->owner, SIGNATURE_OWNER_SIZE + a->size) == 0;
}

static int check_boot_file(const struct boot_signature *file, const char *which,
                           const struct plan_machine *before, const struct plan_machine *after,
                           struct failure *f)
{
    const struct boot_lists now = lists_of(before), then = lists_of(after);
    struct failure why = FAILURE_NONE;
    struct signature by, by_then;

    int r = boot_signature_allowed(file, &now, &by, &why);

    /* Either it was started by other rules than ours, or its reading here is wrong. */
    if (r < 0 &&
        (why.code != CODE_SECUREBOOT_REVOKES || (before->secure_boot && file == before->running)))
        return failure_set(f, CODE_SECUREBOOT_UNJUDGED, r, "the %s boot file, as it is: %s", which,
                           why.text);
    if (r < 0)
        return 0; /* nothing that the change could take away */
    if (boot_signature_allowed(file, &then, &by_then, &why) < 0)
        return failure_set(f, why.code, why.cause, "the %s boot file, signed by '%s': %s", which,
                           boot_signature_signer(file), why.text);
    if (!is_same(&by, &by_then))
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED,
                           "the %s boot file would be allowed by another entry of db", which);
    return 0;
}

/* Whatever the firmware started before us, like the ROM of a card, is in PCR 7 by the entry that
 * allowed it; and without it the machine may be without its network or its screen. */
static int check_others(const struct plan_machine *after, struct failure *f)
{
    const struct boot_lists then = lists_of(after);
    struct failure why = FAILURE_NONE;
    struct pcr7_authority authority;
    struct event_log log;
    int more = after->log ? event_log_open(after->log, after->log_size, &log) : 0;

    if (more == 0 && after->log) {
        while ((more = pcr7_next_authority(&log, &authority)) > 0) {
            int r = boot_lists_allow(&then, authority.entry, authority.size, &why);

            if (r < 0)
                return failure_set(f, why.code, r,
                                   "an entry of db, by which the firmware has started something "
                                   "this time: %s",
                                   why.text);
        }
    }
    return more < 0 ? failure_set(f, CODE_EVENT_LOG, more,
                                  "the firmware's log of measurements is malformed")
                    : 0;
}

/* EDK II knows more kinds than we do, and each of them may allow or forbid. */
int plan_check_kinds(const struct key_change *change, struct failure *f)
{
    struct signature_lists lists = signature_lists_open(change->content, change->size);
    struct signature entry;
    int more;

    while ((more = signature_lists_next(&lists, &entry)) > 0) {
        if (entry.kind == SIGNATURE_OTHER)
            return failure_set(f, CODE_SECUREBOOT_UNJUDGED, -EOPNOTSUPP,
                               "it has entries of a kind that is not known here");
    }
    return more < 0 ? failure_set(f, CODE_SECUREBOOT_FILE, more, "its lists are malformed") : 0;
}

static int check(const struct plan_machine *before, const struct plan_machine *after,
                 struct failure *f)
{
    int r = before->running ? check_boot_file(before->running, "running", before, after, f)
                            : failure_set(f, CODE_SECUREBOOT_UNJUDGED, -ENOENT,
                                          "there is no running boot file");

    if (r == 0 && before->spare)
        r = check_boot_file(before->spare, "other slot's", before, after, f);
    return r < 0 ? r : check_others(after, f);
}

static int compute(const struct plan_machine *m, const struct key_change *change, struct plan *plan,
                   struct failure *f)
{
    const struct plan_lists *old = &m->variables[plan->target.variable];
    int r = key_change_result(change, plan->target.append, old->bytes, old->size,
                              &plan->after.bytes, &plan->after.size);

    plan->nothing = r == -EALREADY;
    if (r == -EEXIST)
        return failure_set(f, CODE_SECUREBOOT_FILE, r, "some of what it adds is there already");
    if (r == -EBADMSG)
        return failure_set(f, CODE_SECUREBOOT_FILE, r, "%s is malformed",
                           key_variable_name(plan->target.variable));
    return r < 0 && !plan->nothing ? failure_set(f, CODE_INTERNAL, r, "out of memory") : 0;
}

int plan_make(const struct plan_machine *machine, const void *file, size_t size, struct plan *ret,
              struct failure *f)
{
    struct plan_machine after = *machine;
    struct plan plan = { .nothing = false };
    struct key_change change;
    int r;

    if (key_change_parse(file, size, &change) < 0)
        return failure_set(f, CODE_SECUREBOOT_FILE, -EBADMSG, "it is no signed change of keys");
    r = find_target(machine, &change, &plan.target, f);
    if (r == 0)
        r = plan_check_kinds(&change, f);
    if (r == 0)
        r = compute(machine, &change, &plan, f);
    if (r == 0 && !plan.nothing) {
        after.variables[plan.target.variable] = plan.after;
        r = check(machine, &after, f);
    }
    if (r < 0)
        plan_done(&plan);
    else
        *ret = plan;
    return r;
}
