/* For tests: what the factory would put into the boot file, signed by a key of this run. */
#pragma once

#include "disk/pcrsig.h"

enum { TEST_POLICY_TEXT_MAX = 2048 };

/* Both files as text. */
void test_policy_write(const uint8_t approved[static PCRSIG_DIGEST_SIZE], uint64_t epoch,
                       char ret_json[static TEST_POLICY_TEXT_MAX],
                       char ret_pem[static TEST_POLICY_TEXT_MAX]);

/* The same, parsed. */
struct seal_policy test_policy_make(const uint8_t approved[static PCRSIG_DIGEST_SIZE],
                                    uint64_t epoch);

/* The same, by a second key. */
struct seal_policy test_policy_of_another_key(const uint8_t approved[static PCRSIG_DIGEST_SIZE],
                                              uint64_t epoch);
