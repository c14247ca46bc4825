/* persist: the encrypted disk is opened, or made at the first start, and mounted in the new root.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/disk_library.h"
#include "boot/persist_recovery.h"
#include "boot/persist_request.h"
#include "boot/persist_tpm.h"
#include "boot/persist_wipe.h"
#include "boot/prompt.h"
#include "boot/stage1.h"
#include "disk/partition_table.h"
#include "disk/recovery_key.h"
#include "disk/volume.h"
#include "sys/feeder.h"

#define MAPPED "/dev/mapper/" VOLUME_NAME

enum {
    TRIES = 3,
    FEED_MS = 10000, /* drivers that take no timeout of ours bite after 30 s */
    FEED_LIMIT_MS = 10 * 60 * 1000,
};

enum { NODE_PATH_SIZE = sizeof("/dev/") + PARTITION_NAME_MAX };

static void node_path(const struct partition_device *d, char ret[static NODE_PATH_SIZE])
{
    struct line l = line_make(ret, NODE_PATH_SIZE);

    line_addf(&l, "/dev/%s", d->name);
}

/* --- The key --- */

static void say_why(struct stage1 *s)
{
    char text[FAILURE_TEXT_MAX + 256];
    struct line l = line_make(text, sizeof(text));
    const struct failure *why = &s->persist.refusal;

    line_add(&l, "\nThis machine's disk did not open by itself.\n");
    if (why->cause != 0)
        line_addf(&l, "%s: %s\n", code_entry(why->code)->id, code_entry(why->code)->meaning);
    else
        line_add(&l, "Its key is in no TPM of this machine, or Secure Boot is off.\n");
    line_addf(&l, "Type the recovery key, %d groups of %d digits.\n", RECOVERY_KEY_GROUPS,
              RECOVERY_KEY_GROUP_DIGITS);
    prompt_say(text);
}

static int ask(struct stage1 *s, struct volume *v, struct secret *ret_key, struct failure *f)
{
    int r = prompt_open(s, f);

    if (r < 0)
        return r;
    say_why(s);
    stage1_note(s, "recovery", "wanted");
    for (unsigned i = 1; i <= TRIES; i++) {
        _cleanup_secret_ struct secret digits = SECRET_INIT;
        char text[64];
        struct line l = line_make(text, sizeof(text));

        line_addf(&l, "recovery key (try %u of %d): ", i, TRIES);
        prompt_say(text);
        r = prompt_read_key(s, &digits, f);
        if (r < 0)
            break;
        prompt_say("checking...\n");
        r = volume_unlock(v, &digits, VOLUME_ANY, ret_key, f);
        if (r == 0)
            break;
        prompt_say("This key does not open the disk.\n");
    }
    prompt_close();
    return r;
}

/* A generation on trial that the TPM gives nothing, where it gave something to the one before, has
 * failed: there may be nobody to ask, and the other slot is well. */
static bool must_open_by_itself(const struct stage1 *s)
{
    return s->attempts.on_trial && attempts_can_leave(&s->attempts) &&
           s->persist.header.token_count > 0 && s->persist.refusal.cause < 0;
}

static int unlock(struct stage1 *s, struct opening *o, struct failure *f)
{
    struct facts_persist *facts = &s->facts.persist;
    int r = -EKEYREJECTED;

    if (s->persist.sealed.size > 0) {
        r = persist_tpm_unlock(s, o, f);
        if (r == 0)
            facts->route = "tpm";
        if (r < 0 && f->code == CODE_PERSIST_BINDING)
            return r; /* somebody changed the disk: no key is asked for */
        if (r < 0) {
            s->persist.refusal = *f;
            facts->refusal = code_entry(f->code)->id;
            stage1_note(s, "unseal-refused", facts->refusal);
        }
    }
    if (r == 0)
        return 0;
    if (must_open_by_itself(s)) {
        *f = s->persist.refusal;
        return f->cause;
    }
    r = ask(s, o->volume, &o->key, f);
    if (r == 0)
        facts->route = "recovery";
    return r;
}

/* --- The first start --- */

/* The disk is this machine's from now on, and so are its GUIDs. */
static int adopt_table(struct stage1 *s, struct failure *f)
{
    char disk[NODE_PATH_SIZE];
    int r;

    node_path(&s->slot_disk, disk);
    r = partition_table_adopt(disk, s->persist.number, f);
    return r < 0 ? r : step_slot_renamed(s, f);
}

static int look_for_owner(const struct stage1 *s, bool *ret, struct failure *f)
{
    *ret = false;
    return s->tpm_present ? seal_is_owned(ret, f) : 0;
}

/* A disk that was there has gone, or somebody took its header away. A new one would be a machine
 * without its state, its keys and its people, and nobody asked for that. Whoever does, clears the
 * TPM: what was sealed for the old disk goes with it. Or wiped it in this start. */
static int check_owner(const struct stage1 *s, struct failure *f)
{
    bool owned = false;
    int r = s->persist.wiped[0] ? 0 : look_for_owner(s, &owned, f);

    if (r == 0 && owned)
        r = failure_set(f, CODE_PERSIST_OWNED, -EKEYREJECTED, "%s is empty, and the TPM is not",
                        s->persist.device.name);
    return r;
}

static int map(struct opening *o, struct failure *f)
{
    int r = volume_activate(o->volume, &o->binding, &o->key, o->node, f);

    o->mapped = r == 0;
    return r;
}

/* In this order a power cut at any moment leaves either a disk that says it is unfinished, which
 * nothing was ever written to, or one that opens. The TPM gets its owner only afterwards (use()):
 * its authorization follows from the volume key, and must not be that of a disk that is gone. */
static int make(struct stage1 *s, const char *device, struct opening *o, struct failure *f)
{
    int r = check_owner(s, f);

    if (r < 0)
        return r;
    stage1_note(s, "persist", "made anew");
    s->facts.persist.route = "new";
    if (s->persist.content == PERSIST_EMPTY) /* else it was adopted before */
        r = adopt_table(s, f);
    if (r == 0)
        r = persist_mark(device, true, f);
    if (r == 0)
        r = volume_format(device, &o->volume, &o->key, f);
    if (r == 0)
        r = volume_binding(o->volume, &o->binding, f);
    if (r == 0)
        r = map(o, f);
    if (r == 0)
        r = persist_make_filesystem(MAPPED, o->binding.btrfs, STAGE1_NEW_ROOT, STAGE1_PERSIST, f);
    if (r == 0) {
        persist_tpm_enroll(s, o);
        r = persist_recovery_make(s, o, f);
    }
    if (r == 0)
        r = persist_mark(device, false, f);
    return r < 0 ? r : volume_finish(o->volume, f);
}

static int open_disk(struct stage1 *s, const char *device, struct opening *o, struct failure *f)
{
    int r = volume_open(device, &o->volume, f);

    if (r == 0)
        r = volume_binding(o->volume, &o->binding, f);
    if (r == 0)
        r = unlock(s, o, f);
    return r < 0 ? r : map(o, f);
}

/* --- The whole --- */

static void note_open(struct stage1 *s, const struct opening *o)
{
    struct facts_persist *facts = &s->facts.persist;
    struct line uuid = line_make(facts->uuid, sizeof(facts->uuid));
    struct line device = line_make(facts->device, sizeof(facts->device));

    facts->open = true;
    line_add(&uuid, volume_uuid(o->volume));
    line_add(&device, o->node);
}

/* A generation on trial whose predecessor's state cannot be kept goes back before it has changed
 * any of it. Every other start goes on: a full disk is put right on a machine that runs. */
static int note_generation(struct stage1 *s, int fd, struct failure *f)
{
    bool snapshots = false;
    int r = persist_note_generation(fd, s->facts.cmdline.generation, &snapshots, f);

    if (r == 0 && snapshots)
        stage1_note(s, "snapshots", "taken");
    if (r < 0 && !(s->attempts.on_trial && attempts_can_leave(&s->attempts))) {
        stage1_note(s, "snapshots-refused", f->text);
        r = 0;
    }
    return r;
}

/* The label says that the disk is to be wiped, and nobody in it asks for that. */
static void spare(struct stage1 *s, const struct opening *o)
{
    struct failure f = FAILURE_NONE;

    stage1_note(s, "wipe-refused", "nobody asked for it");
    if (volume_finish(o->volume, &f) < 0)
        stage1_note(s, "label-stays", f.text);
}

/* What can only be done while the volume key is here, then the generation's own start. A disk that
 * is to be wiped gets none of it. */
static int use_whole(struct stage1 *s, const struct opening *o, bool *ret_wipe, struct failure *f)
{
    _cleanup_close_ int fd = open(STAGE1_PERSIST, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return failure_set(f, CODE_PERSIST_MOUNT, -errno, "cannot open " STAGE1_PERSIST);
    *ret_wipe = persist_request_wants_wipe(s, o, fd);
    if (*ret_wipe)
        return 0;
    if (s->persist.doomed && !s->attempts.on_trial)
        spare(s, o);
    if (strcmp(s->facts.persist.route, "recovery") == 0)
        persist_tpm_enroll(s, o);
    else
        persist_tpm_settle(s, o);
    persist_tpm_own(s, fd, o);
    root_choose(s, fd);
    persist_request_carry_out(s, o, fd);
    return note_generation(s, fd, f);
}

static int use(struct stage1 *s, const struct opening *o, bool *ret_wipe, struct failure *f)
{
    int r;

    note_open(s, o);
    r = persist_mount(MAPPED, o->binding.btrfs, STAGE1_PERSIST, f);
    if (r < 0)
        return r;
    r = use_whole(s, o, ret_wipe, f);
    if (r == 0 && !*ret_wipe)
        r = persist_mount_root(MAPPED, STAGE1_NEW_ROOT, f);
    (void)umount2(STAGE1_PERSIST, MNT_DETACH); /* nothing in it is open any more */
    return r;
}

/* An open disk, used; or wiped, and then one that is being made. */
static int open_and_use(struct stage1 *s, const char *device, struct opening *o, struct failure *f)
{
    bool wipe = false;
    int r = open_disk(s, device, o, f);

    if (r == 0)
        r = use(s, o, &wipe, f);
    return r < 0 || !wipe ? r : persist_wipe(s, device, o, f);
}

/* As long as the TPM belongs to a disk, one that is to be wiped is opened like any other. */
static int look_for_doom(struct stage1 *s, const char *device, struct failure *f)
{
    bool owned;
    int r = look_for_owner(s, &owned, f);

    if (r < 0)
        return r;
    if (!owned)
        return persist_wipe_resume(s, device, f);
    s->persist.doomed = true;
    s->persist.content = PERSIST_OURS;
    return 0;
}

static int open_or_make(struct stage1 *s, struct opening *o, struct failure *f)
{
    char device[NODE_PATH_SIZE];
    bool wipe = false;
    int r = 0;

    node_path(&s->persist.device, device);
    if (s->persist.content == PERSIST_WIPING)
        r = look_for_doom(s, device, f);
    if (r == 0 && s->persist.content == PERSIST_OURS)
        r = open_and_use(s, device, o, f);
    if (r < 0 || s->persist.content == PERSIST_OURS)
        return r;
    r = make(s, device, o, f);
    return r < 0 ? r : use(s, o, &wipe, f);
}

/* A machine that failed may stand around for minutes: the volume key must not stay in its kernel.
 */
static void unmap(struct stage1 *s, const struct opening *o)
{
    struct failure f = FAILURE_NONE;

    (void)umount2(STAGE1_NEW_ROOT "/var/lib/broch", MNT_DETACH);
    (void)umount2(STAGE1_NEW_ROOT "/home", MNT_DETACH);
    (void)umount2(STAGE1_NEW_ROOT "/var", MNT_DETACH);
    (void)umount2(STAGE1_PERSIST, MNT_DETACH); /* as far as each of them is there */
    if (volume_deactivate(o->volume, &f) < 0)
        stage1_note(s, "disk-still-mapped", f.text);
}

/* Mounting a filesystem after a power cut, deriving a key from a person's, overwriting a header:
 * each is one call, and none of them tells how long it will take. */
static void forget_secrets(void *context)
{
    struct stage1 *s = context;

    secret_wipe(&s->persist.sealed);
}

static void speak(void *context)
{
    stage1_alive(context);
}

int step_persist(struct stage1 *s, struct failure *f)
{
    struct opening o = { .volume = NULL };
    struct feeder feeder;
    int r;

    if (!s->persist.there)
        return 0;
    s->persist.key = &o.key;
    if (s->persist.content == PERSIST_FOREIGN)
        return failure_set(f, CODE_PERSIST_FOREIGN, -EKEYREJECTED,
                           "%s holds something that Broch did not make", s->persist.device.name);
    r = disk_library_load(STAGE1_NEW_ROOT, stage1_check_failed, f);
    if (r == 0)
        r = devices_request(&s->devices, INITRD_REQUEST_PERSIST, f);
    if (r == 0 && mkdir(STAGE1_PERSIST, 0700) < 0)
        r = failure_set(f, CODE_PERSIST_MOUNT, -errno, "cannot make " STAGE1_PERSIST);
    feeder = feeder_start(&(const struct feeder_work){ .every_ms = FEED_MS,
                                                       .limit_ms = FEED_LIMIT_MS,
                                                       .prepare = forget_secrets,
                                                       .speak = speak,
                                                       .context = s });
    if (r == 0)
        r = open_or_make(s, &o, f);
    if (r < 0 && o.mapped)
        unmap(s, &o);
    feeder_stop(&feeder);
    volume_close(o.volume);
    secret_wipe(&o.key);
    s->persist.key = NULL;
    secret_wipe(&s->persist.sealed);
    (void)rmdir(STAGE1_PERSIST); /* an empty folder harms nobody */
    return r;
}
