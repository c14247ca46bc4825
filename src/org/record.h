/* The record kinds of version 1: who writes them, and their fields (docs/reference/wire-state.md).
 * A kind that is not in this table is stored and forwarded like any other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum record_kind {
    RECORD_MEMBER = 1,
    RECORD_ADMIN = 2,
    RECORD_ROLLOUT = 3,
    RECORD_VERDICT = 4,
    RECORD_FAILED_VERSION = 5,
    RECORD_EXCLUSIVE_OWNER = 6,
    RECORD_SHARE_SET = 7,
    RECORD_INVITE_USED = 8,
    RECORD_DOCUMENT = 9,
    RECORD_SEALED = 10, /* a document whose field values are ciphertext to named keys */
    RECORD_MAX_
};

/* What the CA may delegate to an admin key; a mask. */
enum record_scope {
    RECORD_SCOPE_NONE = 0,
    RECORD_SCOPE_ROSTER = 1 << 0,  /* member, invite_used */
    RECORD_SCOPE_REVOKE = 1 << 1,  /* revocation statements about nodes */
    RECORD_SCOPE_CONFIG = 1 << 2,  /* document, sealed */
    RECORD_SCOPE_WORK = 1 << 3,    /* exclusive_owner */
    RECORD_SCOPE_RELEASE = 1 << 4, /* rollout, failed_version */
    RECORD_SCOPE_COMPACT = 1 << 5, /* checkpoints */
    RECORD_SCOPE_ROOT = 1 << 30,   /* the genesis keys only: admin records; contains all others */
};

/* Field numbers. */
enum record_member_field {
    RECORD_MEMBER_SHARE_KEY = 1,       /* X25519, 32 bytes */
    RECORD_MEMBER_WIREGUARD_KEY = 2,   /* X25519, 32 bytes */
    RECORD_MEMBER_EK_DIGEST = 3,       /* SHA-256 of the TPM's EK certificate */
    RECORD_MEMBER_ATTESTATION_KEY = 4, /* P-256, 65 bytes uncompressed */
    RECORD_MEMBER_UNLOCK_POLICY = 5,   /* u8: 0 local, 1 org */
    RECORD_MEMBER_LABELS = 6,          /* topology path, topology.h */
    RECORD_MEMBER_ROLE = 7,            /* u8: 0 node, 1 client */
    RECORD_MEMBER_HOST_PART = 8,       /* 8 bytes of the overlay address */
    RECORD_MEMBER_NAME = 9,            /* host name, UTF-8 */
    RECORD_ADMIN_SCOPE = 1,            /* grow-only set of le32 masks */
    RECORD_EXCLUSIVE_OWNER_NODE = 1,   /* register: node key */
    RECORD_EXCLUSIVE_OWNER_FENCE = 2,  /* max-register */
    RECORD_FAILED_VERSION_REPORTS = 1, /* grow-only set: node key, reason */
    RECORD_INVITE_USED_MEMBERS = 1,    /* grow-only set: node key */
};

/* The scope that an author needs to write a kind into an admin tree. Kinds that nodes write about
 * themselves, as owned leaves (verdict, share_set), and unknown kinds need the root there. */
uint32_t record_scope(uint16_t kind);
