#include "boot/persist_request.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/persist_recovery.h"
#include "boot/persist_tpm.h"
#include "disk/request_file.h"

/* What a request is carried out with. */
struct duty {
    struct stage1 *s;
    const struct opening *o;
    int fd;     /* the file system */
    int folder; /* of the requests in it */
};

static void note(const struct stage1 *s, const char *key, enum request_kind kind, const char *code)
{
    char text[96];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "%s%s%s", request_kind_name(kind), code ? " " : "", code ? code : "");
    stage1_note(s, key, text);
}

/* --- The kinds --- */

/* Only to what the generation that runs has, so that it keeps itself in; and only when the start
 * before this one ended well: the other slot, which an epoch can shut out, is not needed then. */
static bool epoch_may_rise(const struct duty *d)
{
    const struct attempts_boot *attempts = &d->s->attempts;

    return attempts->known && attempts->all.slots[attempts->own].count <= 1;
}

static int raise_epoch(const struct duty *d, const struct request *r, struct failure *f)
{
    if (r->epoch > d->s->facts.cmdline.epoch)
        return failure_set(f, CODE_REQUEST_EPOCH, -ERANGE, "%llu was asked for, this is %llu",
                           (unsigned long long)r->epoch,
                           (unsigned long long)d->s->facts.cmdline.epoch);
    return persist_tpm_raise(d->s, d->o, r->epoch, f);
}

static int new_recovery_key(const struct duty *d, const struct request *r, struct failure *f)
{
    (void)r;
    return persist_recovery_renew(d->s, d->o, d->fd, f);
}

static int enroll(const struct duty *d, const struct request *r, struct failure *f)
{
    int result = persist_tpm_renew(d->s, d->o, r->kind == REQUEST_SEAL_PCR7 ? r->pcr7 : NULL, f);

    if (result == 0)
        persist_tpm_own(d->s, d->fd, d->o); /* it may have been cleared since it was noted */
    return result;
}

static const struct {
    bool (*may)(const struct duty *d); /* NULL: always; else it waits for a start where it may */
    int (*run)(const struct duty *d, const struct request *r, struct failure *f);
} kinds[REQUEST_KIND_MAX_] = {
    [REQUEST_EPOCH] = { epoch_may_rise, raise_epoch },
    [REQUEST_RECOVERY_NEW] = { NULL, new_recovery_key },
    [REQUEST_ENROLL] = { NULL, enroll },
    [REQUEST_SEAL_PCR7] = { NULL, enroll },
};

/* --- One request --- */

/* Its result, and then its file goes. Where neither can be written it is done again. */
static void end(const struct duty *d, const struct request *r, const struct failure *why)
{
    struct request_result result;
    struct failure f = FAILURE_NONE;

    request_end(r, d->s->facts.cmdline.generation, why, &result);
    note(d->s, why ? "request-refused" : "request-done", r->kind,
         why ? code_entry(why->code)->id : NULL);
    if (request_result_write(d->folder, &result, &f) < 0)
        note(d->s, "request-result-lost", r->kind, code_entry(f.code)->id);
    if (request_remove(d->folder, r->kind, &f) < 0)
        note(d->s, "request-stays", r->kind, code_entry(f.code)->id);
}

/* Reads the request of a kind and looks whether it can begin. One that never will is ended. */
static bool take(const struct duty *d, enum request_kind kind, struct request *ret)
{
    struct failure f = FAILURE_NONE;
    int r = request_read(d->folder, kind, ret, &f);

    if (r == -ENOENT)
        return false;
    if (r < 0) {
        *ret = (struct request){ .kind = kind };
        memcpy(ret->disk, d->o->binding.uuid, sizeof(ret->disk));
    } else if (strcmp(ret->disk, d->o->binding.uuid) != 0) {
        r = failure_set(&f, CODE_REQUEST_DISK, -ESTALE, "it is for disk %s", ret->disk);
    } else if (ret->starts >= REQUEST_STARTS_MAX) {
        r = failure_set(&f, CODE_REQUEST_STARTS, -ECANCELED, "%u starts began with it",
                        ret->starts);
    }
    if (r == 0)
        return true;
    end(d, ret, &f);
    return false;
}

static void carry_out(const struct duty *d, enum request_kind kind)
{
    struct failure f = FAILURE_NONE;
    struct request r;
    int result;

    if (!take(d, kind, &r))
        return;
    if (kinds[kind].may && !kinds[kind].may(d)) {
        note(d->s, "request-waits", kind, NULL);
        return;
    }
    r.starts++;
    if (request_write(d->folder, &r, &f) < 0) { /* a full disk */
        note(d->s, "request-waits", kind, code_entry(f.code)->id);
        return;
    }
    result = kinds[kind].run(d, &r, &f);
    end(d, &r, result < 0 ? &f : NULL);
}

/* --- All of them --- */

/* A disk on which nobody asked for anything has no folder. */
static bool open_duty(struct stage1 *s, const struct opening *o, int fd, bool make,
                      struct duty *ret)
{
    int folder = request_folder_open(fd, REQUEST_FOLDER_PERSIST, make);

    *ret = (struct duty){ s, o, fd, folder };
    if (folder < 0 && folder != -ENOENT)
        stage1_note(s, "requests-unknown", strerror(-folder));
    return folder >= 0;
}

bool persist_request_wants_wipe(struct stage1 *s, const struct opening *o, int fd)
{
    struct request request;
    struct duty d;
    bool wanted;

    if (s->attempts.on_trial || !open_duty(s, o, fd, false, &d))
        return false;
    wanted = take(&d, REQUEST_WIPE, &request);
    (void)close(d.folder); /* read only */
    return wanted;
}

static void note_wiped(const struct duty *d)
{
    struct request r = { .kind = REQUEST_WIPE };

    memcpy(r.disk, d->s->persist.wiped, sizeof(r.disk));
    end(d, &r, NULL);
}

void persist_request_carry_out(struct stage1 *s, const struct opening *o, int fd)
{
    bool wiped = s->persist.wiped[0] != '\0';
    struct duty d;

    if (s->attempts.on_trial || !open_duty(s, o, fd, wiped, &d))
        return;
    if (wiped)
        note_wiped(&d);
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
        if (kinds[kind].run)
            carry_out(&d, (enum request_kind)kind);
    }
    (void)close(d.folder); /* what was written in it is synced */
}
