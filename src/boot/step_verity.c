/* verity: the image under the signed root hash, checked again on the live device. */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/line.h"
#include "boot/stage1.h"
#include "sys/dm.h"

#define TARGET_TYPE "verity"

/* What the kernel says it does is what it was told. Text for text: the root hash is in it. */
static int check_live(int control_fd, const struct dm_target *target, struct failure *f)
{
    static struct dm_live live;
    int r = dm_look(control_fd, STAGE1_ROOT_NAME, DM_VIEW_TABLE, &live);

    if (r < 0)
        return failure_set(f, f->code, r, "cannot read the live table: %s", strerror(-r));
    if (strcmp(live.type, target->type) != 0 || live.sectors != target->sectors ||
        strcmp(live.text, target->parameters) != 0)
        return failure_set(f, f->code, -EKEYREJECTED, "the live table differs: %s", live.text);
    r = dm_look(control_fd, STAGE1_ROOT_NAME, DM_VIEW_STATUS, &live);
    if (r < 0)
        return failure_set(f, f->code, r, "cannot read the live status: %s", strerror(-r));
    if (strcmp(live.text, "V") != 0)
        return failure_set(f, f->code, -EKEYREJECTED, "the status is '%s'", live.text);
    return 0;
}

static int make_device(struct stage1 *s, int control_fd, const struct dm_target *target,
                       struct failure *f)
{
    struct line path = line_make(s->root_device, sizeof(s->root_device));
    char digits[2 * sizeof(s->superblock.uuid) + 1], uuid[64];
    struct line l = line_make(uuid, sizeof(uuid));
    dev_t device;
    int r;

    hex_encode(s->superblock.uuid, sizeof(s->superblock.uuid), digits);
    line_addf(&l, "BROCH-VERITY-%s", digits);
    r = dm_create(control_fd, STAGE1_ROOT_NAME, uuid, target, &device);
    if (r < 0)
        return failure_set(f, f->code, r, "the kernel refused the device: %s", strerror(-r));
    line_addf(&path, "/dev/dm-%u", minor(device));
    return 0;
}

int step_verity(struct stage1 *s, struct failure *f)
{
    char parameters[SUPERBLOCK_TABLE_MAX];
    struct line l = line_make(parameters, sizeof(parameters));
    struct dm_target target = { TARGET_TYPE, parameters, superblock_offset(&s->superblock) / 512 };
    _cleanup_close_ int control_fd = dm_open();
    int r;

    if (control_fd < 0)
        return failure_set(f, f->code, control_fd, "no device mapper: %s", strerror(-control_fd));
    superblock_table(&s->superblock, s->facts.cmdline.verity, s->image_device, &l);
    CHECK(!l.cut);
    r = make_device(s, control_fd, &target, f);
    if (r == 0)
        r = check_live(control_fd, &target, f);
    if (r < 0)
        return r;
    (void)close(take_fd(&s->image_device_fd)); /* the mapped device holds it open */
    /* Slow controllers had time until now to show a copied disk. */
    if (step_slot_is_doubled(s))
        return failure_set(f, CODE_BOOT_SLOT_TWICE, -ENOTUNIQ, "two partitions are %s",
                           s->slot_uuid.text);
    return 0;
}
