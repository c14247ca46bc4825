/* The admin trees: documents by (kind, key), folded from the chains when they are read.
 *
 * Nothing folded is kept. The tree indexes which entries speak about which key and who may write
 * what; a read folds the entries that are valid at that moment. So revocations, forks and late
 * entries need no undoing: the value before is simply what the fold finds.
 *
 * Scopes: the genesis keys are roots. A record of kind `admin` (key: the admin's public key; ADD to
 * field 1 of a le32 mask), written by a root, delegates scopes; one with RECORD_SCOPE_ROOT makes
 * another root (the new CA key of a rollover). An entry counts when its chain is valid up to it and
 * its author has the scope of its kind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/chain.h"
#include "org/crdt.h"
#include "org/record.h"

enum {
    TREE_ROOTS_MAX = 4,    /* in the genesis document */
    TREE_ADMINS_MAX = 256, /* keys with any scope; an org has a handful */
};

struct tree;

/* Allocates for chains_max and entries_max of `limits`, and covers_max of scratch. `roots`
 * (root_count keys, one after the other) are copied. Returns 0 or -ENOMEM. The chains are attached
 * afterwards, because their rules ask the tree who is admitted. */
MUST_USE int tree_new(const struct chain_limits *limits, uint32_t covers_max, const uint8_t *roots,
                      size_t root_count, struct tree **ret);
struct tree *tree_free(struct tree *tree);
void tree_attach(struct tree *tree, const struct chain_set *chains);

/* To be called after every change of the chains or of the revocations: indexes what is new and
 * works out the scopes again where they may have changed. */
void tree_update(struct tree *tree);

/* The scopes of an author now; 0: a stranger. For chain_rules.admits. */
uint32_t tree_scope(const struct tree *tree, const uint8_t author[static ENTRY_AUTHOR_SIZE]);

/* True for a key of the genesis document: what it signs can be checked with nothing else at hand.
 */
bool tree_is_genesis_root(const struct tree *tree, const uint8_t author[static ENTRY_AUTHOR_SIZE]);

/* True when the entry of this link takes part in folds. */
bool tree_counts(const struct tree *tree, uint32_t link);

/* How many indexed entries do not count because their author lacks the scope. */
uint32_t tree_out_of_scope(const struct tree *tree);

/* Reads one document. ret->values and capacity are the caller's. Returns 0, or -ENOENT when no
 * entry ever named the key (a deleted document returns 0 and does not exist). */
MUST_USE int tree_read(struct tree *tree, uint16_t kind, const void *key, size_t key_size,
                       struct crdt_document *ret);

/* Who is about to write. */
struct tree_writer {
    const uint8_t *author; /* ENTRY_AUTHOR_SIZE bytes */
    uint64_t instance;
};

/* The context for an entry about this key that the writer makes now. Returns the count, or -E2BIG
 * when more chains than an entry can name have written the key. */
MUST_USE int tree_context(const struct tree *tree, uint16_t kind, const void *key, size_t key_size,
                          const struct tree_writer *writer,
                          struct entry_seen ret[static ENTRY_CONTEXT_MAX]);

/* How many keys were ever written. */
uint32_t tree_keys(const struct tree *tree);

/* SHA-256 over everything a reader can see, the same wherever the same entries are valid, whatever
 * the order of arrival. For tests and checkpoints; costs a fold of everything. `values` is scratch
 * for the largest document. */
struct digest tree_digest(struct tree *tree, struct crdt_value *values, size_t capacity);

/* For a checkpoint that names the chains for which named[chain] is true: sets marks[link] for each
 * entry that readers need (crdt_needed()), as long as everything that the entries of its key had
 * seen is here and in named chains; otherwise for all of that key, and for all of kinds that this
 * version does not know. `marks` has chain_set_entries() elements. */
void tree_mark_needed(struct tree *tree, const bool *named, bool *marks);
