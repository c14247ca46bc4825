/* For tests: a btrfs on a loop device. */
#pragma once

#include <stdbool.h>

struct test_btrfs {
    char image[64], folder[64];
    int fd; /* the folder */
};

/* Makes and mounts one; false where this user or this kernel (loop devices, btrfs) cannot, so that
 * a test is skipped. Without mkfs.btrfs the test fails. */
bool test_btrfs_make(struct test_btrfs *ret);
void test_btrfs_remove(struct test_btrfs *b);
