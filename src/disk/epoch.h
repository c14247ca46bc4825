/* The TPM's NV index that holds the machine's epoch: ordinary, 8 bytes, big-endian, no policy, an
 * empty authorization value. Anybody may compare with it; writing takes owner authorization, which
 * is a secret of the encrypted disk. The public area is the same on every machine, so that the
 * index's name can stand in a policy that the factory signs. */
#pragma once

#define EPOCH_INDEX      0x01800100u
#define EPOCH_ATTRIBUTES 0x22040002u /* ownerwrite | authread | no_da | written */

enum { EPOCH_SIZE = 8 };
