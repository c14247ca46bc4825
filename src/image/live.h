/* The live medium's own look at itself: what firmware and stage 1 will find on it. */
#pragma once

#include "base/failure.h"
#include "base/span.h"

/* What a live medium must hold. */
struct live_content {
    struct span uki, system;
};

/* Checks a whole image: the table and its backup, the catalog of the CD, which has to lead to the
 * same file system as the partition for sticks, BOOTX64.EFI in it, and the system image, both byte
 * by byte. CODE_LIVE with what is wrong. Pure. */
MUST_USE int live_check(struct span image, const struct live_content *content, struct failure *f);

/* The parts of a live medium, as views into it; what they hold is not looked at. `files` is the FAT
 * file system that firmware starts from. CODE_LIVE for another image. */
struct live_parts {
    struct span files, system;
};
MUST_USE int live_open(struct span image, struct live_parts *ret, struct failure *f);
