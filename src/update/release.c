#include "update/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trust/minisign.h"
#include "trust/version.h"
#include "update/archive.h"
#include "update/source.h"

/* Its name becomes a folder's: it has to be made of its parts, each of plain letters. */
static bool has_plain_name(const struct manifest *m)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    char name[3 * MANIFEST_TEXT_MAX];
    struct version version;

    (void)snprintf(name, sizeof(name), "%s-%s-%s", m->version, m->profile, m->arch);
    return version_parse_name(m->version, &version) == 0 && strcmp(name, m->name) == 0 &&
           strspn(m->profile, plain) == strlen(m->profile) &&
           strspn(m->arch, plain) == strlen(m->arch);
}

static bool has_files(const struct manifest *m)
{
    for (unsigned i = ARCHIVE_UKI; i <= ARCHIVE_SYSTEM; i++) {
        const struct manifest_file *file = source_file(m, (enum archive_member)i);

        if (!file || file->size == 0 || file->size > archive_member_limit((enum archive_member)i))
            return false;
    }
    return true;
}

static int believe(const struct release_machine *machine, const struct release_offer *offer,
                   struct manifest *ret, struct failure *f)
{
    char comment[MINISIGN_COMMENT_MAX];
    int r =
        minisign_verify(offer->manifest, offer->size, offer->signature, machine->keys, comment, f);

    if (r < 0) {
        if (f->code == CODE_SIGNATURE)
            f->code = CODE_UPDATE_SIGNATURE;
        return r;
    }
    r = manifest_parse("generation.json", offer->manifest, offer->size, ret, f);
    if (r < 0) {
        if (f->code == CODE_MANIFEST)
            f->code = CODE_UPDATE_FORM;
        return r;
    }
    if (!has_plain_name(ret) || !has_files(ret))
        return failure_set(f, CODE_UPDATE_FORM, -EBADMSG,
                           "generation.json: '%s' is not made of version, profile and "
                           "architecture, or lacks linux.efi or system.erofs",
                           ret->name);
    return 0;
}

static int check_refusals(const struct release_machine *machine, const struct manifest *m,
                          struct failure *f)
{
    for (size_t i = 0; i < machine->refusal_count; i++) {
        if (strcmp(machine->refusals[i].name, m->name) == 0)
            return failure_set(f, CODE_UPDATE_REFUSED, -ECANCELED, "%s failed here before: %s",
                               m->name, machine->refusals[i].reason);
    }
    return 0;
}

static int check_newer(const struct release_machine *machine, const struct manifest *m,
                       struct failure *f)
{
    struct version own, offered;

    if (version_parse_name(machine->version, &own) < 0)
        return failure_set(f, CODE_INTERNAL, -EBADMSG, "the image has no version, but '%s'",
                           machine->version);
    CHECK(version_parse_name(m->version, &offered) == 0);
    if (version_compare(&offered, &own) <= 0)
        return failure_set(f, CODE_UPDATE_NOT_NEWER, -EALREADY, "%s is offered, %s runs",
                           m->version, machine->version);
    return 0;
}

int release_judge(const struct release_machine *machine, const struct release_offer *offer,
                  struct manifest *ret, bool *ret_believed, struct failure *f)
{
    int r;

    *ret_believed = false;
    r = believe(machine, offer, ret, f);
    if (r < 0)
        return r;
    *ret_believed = true;
    if (strcmp(ret->profile, machine->profile) != 0 || strcmp(ret->arch, machine->arch) != 0)
        return failure_set(f, CODE_UPDATE_KIND, -EMEDIUMTYPE,
                           "%s is for '%s' on %s, this is '%s' on %s", ret->name, ret->profile,
                           ret->arch, machine->profile, machine->arch);
    if (ret->epoch < machine->epoch)
        return failure_set(f, CODE_UPDATE_EPOCH, -ESTALE,
                           "%s has epoch %llu, this machine has %llu", ret->name,
                           (unsigned long long)ret->epoch, (unsigned long long)machine->epoch);
    if (machine->force)
        return 0;
    r = check_refusals(machine, ret, f);
    return r < 0 ? r : check_newer(machine, ret, f);
}
