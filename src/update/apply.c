#include "update/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "update/confirm.h"
#include "update/slot_entry.h"
#include "update/slot_write.h"
#include "update/space.h"

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void apply_done(struct apply *apply)
{
    source_done(&apply->source);
    stage_done(&apply->stage);
}

static int judge(struct apply *apply, const char *from, struct failure *f)
{
    const struct source_kind kind = { apply->machine.profile, apply->machine.arch };
    struct source_head head = { .manifest = NULL };
    struct release_offer offer;
    int r = source_open(from, &kind, &apply->source, f);

    if (r == 0)
        r = source_read_head(&apply->source, &head, f);
    if (r < 0)
        return r;
    offer = (struct release_offer){ head.manifest, head.manifest_size, head.signature };
    r = release_judge(&apply->machine, &offer, &apply->manifest, &apply->believed, f);
    source_head_done(&head);
    return r < 0 ? r : source_check(&apply->source, &apply->manifest, f);
}

int apply_find(struct apply *apply, const char *from, struct failure *f)
{
    int r;

    progress_step(apply->progress, "find");
    r = judge(apply, from, f);
    progress_end(apply->progress, r < 0 ? "failed" : "done");
    return r;
}

static const struct manifest_file *file_of(const struct apply *apply, enum archive_member member)
{
    const struct manifest_file *file = source_file(&apply->manifest, member);

    CHECK(file); /* or it was not taken */
    return file;
}

/* Before a byte is fetched: the slot, and what is still missing in the stage. */
static int check_space(struct apply *apply, struct failure *f)
{
    const struct manifest_file *uki = file_of(apply, ARCHIVE_UKI);
    const struct manifest_file *image = file_of(apply, ARCHIVE_SYSTEM);
    uint64_t have =
        stage_have(&apply->stage, ARCHIVE_UKI) + stage_have(&apply->stage, ARCHIVE_SYSTEM);
    uint64_t need = uki->size + image->size;
    int r = space_check_slot(apply->slots.other.size, uki->size, image->size, f);

    return r < 0 ? r : space_check_folder(apply->stage.folder, need > have ? need - have : 0, f);
}

static int fetch(struct apply *apply, enum archive_member member, struct failure *f)
{
    int r;

    progress_step(apply->progress, archive_member_name(member));
    r = stage_fetch(&apply->stage, &apply->source, member, file_of(apply, member), apply->progress,
                    f);
    progress_end(apply->progress, r < 0 ? "failed" : "done");
    return r;
}

static int write_slot(struct apply *apply, struct failure *f)
{
    _cleanup_free_ char *uki = stage_path(&apply->stage, ARCHIVE_UKI);
    _cleanup_free_ char *image = stage_path(&apply->stage, ARCHIVE_SYSTEM);
    const struct manifest_file *uki_file = file_of(apply, ARCHIVE_UKI);
    const struct manifest_file *image_file = file_of(apply, ARCHIVE_SYSTEM);
    const struct slot_write request = {
        .device = apply->slots.other.path,
        .letter = apply->slots.other.letter,
        .mount_at = apply->mount_at,
        .uki = { uki, uki_file->size, uki_file->digest },
        .image = { image, image_file->size, image_file->digest },
    };

    return uki && image ? slot_write(&request, apply->progress, f) : out_of_memory(f);
}

/* The other slot of one on trial is the confirmed one, and the only way back. */
static int check_confirmed(struct apply *apply, int efivars, struct failure *f)
{
    bool trial = false;
    int r = slot_entry_is_trial(efivars, &apply->slots, &trial, f);

    if (r == 0 && trial)
        r = failure_set(f, CODE_UPDATE_TRIAL, -EBUSY, "slot %c runs on trial",
                        apply->slots.running.letter);
    return r;
}

/* Written before the firmware knows: a start that nobody waits for would take the slot's place. And
 * before it is written, the reason of an earlier failure goes: a power cut in between would leave
 * it as one about this release. */
static int order_trial(struct apply *apply, struct trial *trial, int efivars, struct failure *f)
{
    const struct confirm confirm = { .slots = &apply->slots, .efivars_fd = efivars };
    char id[TRIAL_BOOT_SIZE];
    int r;

    trial_boot_id(id);
    trial_forgive(trial, apply->manifest.name); /* or it was not taken */
    trial_begin(trial, apply->slots.other.letter, apply->manifest.name, id);
    r = confirm_attempts(&confirm, true, f);
    if (r == 0)
        r = trial_write(apply->trial_path, trial, f);
    return r < 0 ? r : confirm_start_other(&confirm, f);
}

/* From the withdrawn entry on the other slot holds nothing that could be started. What was true
 * before the files were fetched is asked again. */
static int place(struct apply *apply, int efivars, struct failure *f)
{
    static struct trial trial; /* too large for comfort on the stack */
    _cleanup_close_ int lock = -1;
    int r = trial_take(apply->trial_path, apply->trial_lock, &trial, &lock, f);

    if (r == 0)
        r = check_confirmed(apply, efivars, f);
    if (r == 0)
        r = slot_entry_withdraw(efivars, &apply->slots.other, f);
    if (r == 0)
        r = write_slot(apply, f);
    return r < 0 ? r : order_trial(apply, &trial, efivars, f);
}

int apply_install(struct apply *apply, struct failure *f)
{
    _cleanup_close_ int efivars = open(apply->efivars, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (efivars < 0)
        return failure_set(f, CODE_UPDATE_NO_SLOT, -errno,
                           "the firmware's variables are not at '%s'", apply->efivars);
    r = slot_devices_find(apply->running_uuid, &apply->slots, f);
    if (r == 0)
        r = check_confirmed(apply, efivars, f);
    if (r == 0)
        r = stage_open(apply->stage_root, apply->manifest.name, &apply->stage, f);
    if (r == 0)
        r = check_space(apply, f);
    for (unsigned i = ARCHIVE_UKI; r == 0 && i <= ARCHIVE_SYSTEM; i++)
        r = fetch(apply, (enum archive_member)i, f);
    if (r == 0)
        r = place(apply, efivars, f);
    return r < 0 ? r : stage_remove(&apply->stage, f);
}
