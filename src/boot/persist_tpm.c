#include "boot/persist_tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/derive.h"

/* That the TPM has our authorizations; its text is the LUKS UUID they follow from. */
#define OWNED "@broch/tpm-owned"

enum { RELEASE_KEY_MAX = 4096 };

/* What is sealed: the preboot secret, then the hashes of the binding and of the volume key. */
enum {
    BINDING_AT = DERIVE_PREBOOT_SIZE,
    KEY_HASH_AT = BINDING_AT + BINDING_HASH_SIZE,
};
_Static_assert((int)KEY_HASH_AT + (int)BINDING_HASH_SIZE == (int)SEAL_CONTENT_SIZE,
               "what is sealed is full");

static bool can(const struct stage1 *s)
{
    return s->tpm_present && s->facts.secureboot == FACTS_ON && s->persist.policy_known;
}

static void note(const struct stage1 *s, const char *what, const struct failure *f)
{
    stage1_note(s, what, code_entry(f->code)->id);
    stage1_note(s, "tpm-detail", f->text);
}

int persist_tpm_unlock(struct stage1 *s, struct opening *o, struct failure *f)
{
    const struct token_tpm2 *token = &s->persist.header.tokens[s->persist.token];
    _cleanup_secret_ struct secret passphrase = SECRET_INIT;
    uint8_t hash[BINDING_HASH_SIZE], key_hash[BINDING_HASH_SIZE];
    int r;

    CHECK(s->persist.sealed.size == SEAL_CONTENT_SIZE);
    binding_hash(&o->binding, hash);
    if (memcmp(hash, s->persist.sealed.bytes + BINDING_AT, sizeof(hash)) != 0)
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                           "the header is not the one that the secret was sealed for");
    memcpy(key_hash, s->persist.sealed.bytes + KEY_HASH_AT, sizeof(key_hash));
    r = derive_passphrase(s->persist.sealed.bytes, token->org, volume_uuid(o->volume), &passphrase,
                          f);
    secret_wipe(&s->persist.sealed);
    if (r == 0)
        r = volume_unlock(o->volume, &passphrase, (int)token->keyslot, &o->key, f);
    if (r < 0)
        return r;
    binding_key_hash(o->key.bytes, hash);
    if (memcmp(hash, key_hash, sizeof(hash)) == 0)
        return 0;
    secret_wipe(&o->key);
    return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                       "the volume key is not the one that the secret was sealed for");
}

/* What stands for the org as long as there is none. */
static int read_org(uint8_t ret[static DERIVE_ORG_SIZE], struct failure *f)
{
    uint8_t bytes[RELEASE_KEY_MAX];
    _cleanup_close_ int fd = open(STAGE1_NEW_ROOT INITRD_RELEASE_KEY, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

    if (size <= 0)
        return failure_set(f, CODE_INTERNAL, size < 0 ? -errno : -ENODATA, "no %s",
                           INITRD_RELEASE_KEY);
    (void)SHA256(bytes, (size_t)size, ret);
    return 0;
}

/* The preboot secret, and what the disk has to be when it is used. */
static int make_content(const struct opening *o, struct secret *ret, struct failure *f)
{
    uint8_t bytes[SEAL_CONTENT_SIZE];
    int r = 0;

    if (getrandom(bytes, DERIVE_PREBOOT_SIZE, 0) != DERIVE_PREBOOT_SIZE)
        r = failure_set(f, CODE_INTERNAL, -EIO, "no random bytes");
    binding_hash(&o->binding, bytes + BINDING_AT);
    binding_key_hash(o->key.bytes, bytes + KEY_HASH_AT);
    if (r == 0)
        r = secret_set(ret, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

/* The places that the routes of the disk's header are at, those of a header that somebody edited
 * among them. */
static unsigned header_places(const struct stage1 *s)
{
    const struct luks_header *header = &s->persist.header;
    unsigned taken = 0;

    for (unsigned i = 0; i < header->token_count; i++) {
        const struct token_tpm2 *token = &header->tokens[i];
        struct failure ignored = FAILURE_NONE;
        struct seal_description description;
        struct seal_blob blob = { .size = token->sealed_size };

        if (token->sealed_size > sizeof(blob.bytes))
            continue;
        memcpy(blob.bytes, token->sealed, token->sealed_size);
        if (seal_describe(&blob, &s->persist.policy, &description, &ignored) == 0)
            taken |= 1u << description.place;
    }
    return taken;
}

static unsigned first_free(unsigned taken)
{
    unsigned place = 0;

    while (place < SEAL_PLACES && taken & 1u << place)
        place++;
    return place;
}

/* A place that no route is at, so that those stay good until they are replaced. After a power cut
 * amid a replacement the header may name all of them: then one that did not open the disk. */
static unsigned free_place(const struct stage1 *s, unsigned made)
{
    const unsigned needed = s->persist.places | made;
    const unsigned place = first_free(needed | header_places(s));

    return place < SEAL_PLACES ? place : first_free(needed);
}

/* One way for the TPM to open the disk, before it is a keyslot. */
struct way {
    struct token_tpm2 token;
    struct secret passphrase;
};

/* What a way is made with. */
struct making {
    struct stage1 *s;
    const struct opening *o;
    const struct secret *owner;
    unsigned made; /* places of the ways before */
};

static int seal(struct making *m, const uint8_t *pcr7, const struct secret *content,
                struct token_tpm2 *token, struct failure *f)
{
    const struct seal_target target = { .policy = &m->s->persist.policy,
                                        .pcr7 = pcr7,
                                        .place = free_place(m->s, m->made),
                                        .owner = m->owner };
    struct seal_blob blob;
    int r;

    if (target.place >= SEAL_PLACES) /* several renewals in one start that all failed halfway */
        return failure_set(f, CODE_TPM_COMMAND, -ENOSPC, "no place of the TPM is free");
    r = seal_make(&target, content, &blob, f);
    if (r < 0)
        return r;
    _Static_assert((int)SEAL_BLOB_MAX <= (int)TOKEN_SEALED_MAX,
                   "what is stored for the TPM fits into a token");
    token->sealed_size = blob.size;
    memcpy(token->sealed, blob.bytes, blob.size);
    m->made |= 1u << target.place;
    return 0;
}

static int make_way(struct making *m, const uint8_t *pcr7, struct way *ret, struct failure *f)
{
    _cleanup_secret_ struct secret content = SECRET_INIT;
    const struct binding *b = &m->o->binding;
    int r;

    ret->token = (struct token_tpm2){ .policy = TOKEN_POLICY_LOCAL };
    r = read_org(ret->token.org, f);
    if (r == 0)
        r = make_content(m->o, &content, f);
    if (r == 0)
        r = seal(m, pcr7, &content, &ret->token, f);
    return r < 0 ? r
                 : derive_passphrase(content.bytes, ret->token.org, b->uuid, &ret->passphrase, f);
}

/* The ways of before are gone: from the header, then from the TPM. */
static int replace(struct making *m, const struct volume_route *routes, size_t count,
                   struct failure *f)
{
    struct stage1_persist *p = &m->s->persist;
    int r;

    p->places |= m->made;
    r = volume_set_tpm(m->o->volume, &m->o->key, routes, count, f);
    if (r < 0)
        return r;
    p->places = m->made;
    p->header.token_count = 0;
    return seal_keep(m->owner, p->places, f);
}

static int enroll(struct stage1 *s, const struct opening *o, const uint8_t *coming,
                  struct failure *f)
{
    static struct way ways[2];
    const struct volume_route routes[] = { { &ways[0].token, &ways[0].passphrase },
                                           { &ways[1].token, &ways[1].passphrase } };
    _cleanup_secret_ struct secret owner = SECRET_INIT;
    struct making m = { .s = s, .o = o, .owner = &owner };
    int r = derive_owner(&o->key, o->binding.uuid, &owner, f);

    if (r == 0)
        r = make_way(&m, s->facts.pcr7.value, &ways[0], f);
    if (r == 0 && coming)
        r = make_way(&m, coming, &ways[1], f);
    if (r == 0)
        r = replace(&m, routes, coming ? 2 : 1, f);
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        secret_wipe(&ways[i].passphrase);
    return r;
}

int persist_tpm_renew(struct stage1 *s, const struct opening *o, const uint8_t *coming,
                      struct failure *f)
{
    int r;

    if (!can(s))
        return failure_set(f, CODE_REQUEST_TPM, -ENODEV, "no TPM, or Secure Boot is off");
    if (!s->facts.pcr7.read)
        stage1_read_pcrs(s);
    if (!s->facts.pcr7.read)
        return failure_set(f, CODE_UNSEAL_BANK, -ENOENT, "the TPM has no SHA-256 bank");
    r = seal_prepare(s->facts.cmdline.epoch, f);
    if (r < 0 && f->code == CODE_TPM_OWNED)
        r = 0; /* perhaps it is ours already: sealing shows it */
    if (r == 0)
        r = enroll(s, o, coming, f);
    s->facts.persist.enrolled = r == 0;
    return r;
}

void persist_tpm_enroll(struct stage1 *s, const struct opening *o)
{
    struct failure f = FAILURE_NONE;

    if (can(s) && persist_tpm_renew(s, o, NULL, &f) < 0)
        note(s, "tpm-not-enrolled", &f);
}

void persist_tpm_settle(struct stage1 *s, const struct opening *o)
{
    if (s->persist.token > 0 && !s->attempts.on_trial)
        persist_tpm_enroll(s, o);
}

/* --- Ownership --- */

static bool is_noted(int fd, const char *uuid)
{
    char text[BINDING_UUID_SIZE];
    _cleanup_close_ int note_fd = openat(fd, OWNED, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = note_fd < 0 ? -1 : read(note_fd, text, sizeof(text));

    return size == (ssize_t)strlen(uuid) && memcmp(text, uuid, (size_t)size) == 0;
}

static int write_note(int fd, const char *uuid)
{
    _cleanup_close_ int note_fd =
        openat(fd, OWNED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t size = strlen(uuid);

    if (note_fd < 0 || write(note_fd, uuid, size) != (ssize_t)size || fsync(note_fd) < 0)
        return errno ? -errno : -EIO;
    return 0;
}

static int derive(const struct opening *o, struct secret *ret_owner, struct secret *ret_lockout,
                  struct failure *f)
{
    int r = derive_owner(&o->key, volume_uuid(o->volume), ret_owner, f);

    return r < 0 ? r : derive_lockout(&o->key, volume_uuid(o->volume), ret_lockout, f);
}

static int own(struct stage1 *s, int fd, const struct opening *o, struct failure *f)
{
    _cleanup_secret_ struct secret owner = SECRET_INIT, lockout = SECRET_INIT;
    int r = derive(o, &owner, &lockout, f);

    if (r == 0)
        r = seal_provision(&owner, &lockout, s->facts.cmdline.epoch, s->persist.places, f);
    if (r < 0)
        return r;
    r = write_note(fd, volume_uuid(o->volume));
    return r < 0 ? failure_set(f, CODE_IO, r, "cannot write %s", OWNED) : 0;
}

void persist_tpm_own(struct stage1 *s, int fd, const struct opening *o)
{
    struct failure f = FAILURE_NONE;

    if (!can(s) || (!s->facts.persist.enrolled && is_noted(fd, volume_uuid(o->volume))))
        return;
    if (own(s, fd, o, &f) < 0) {
        s->facts.persist.unowned = code_entry(f.code)->id;
        note(s, "tpm-not-owned", &f);
    }
}

int persist_tpm_raise(struct stage1 *s, const struct opening *o, uint64_t epoch, struct failure *f)
{
    _cleanup_secret_ struct secret owner = SECRET_INIT;
    int r;

    if (!can(s))
        return failure_set(f, CODE_REQUEST_TPM, -ENODEV, "no TPM, or Secure Boot is off");
    r = derive_owner(&o->key, volume_uuid(o->volume), &owner, f);
    return r < 0 ? r : seal_epoch_raise(&owner, epoch, f);
}

/* Without Secure Boot, too: whoever opened the disk has the authorizations. */
void persist_tpm_release(struct stage1 *s, const struct opening *o)
{
    _cleanup_secret_ struct secret owner = SECRET_INIT, lockout = SECRET_INIT;
    struct failure f = FAILURE_NONE;
    int r;

    if (!s->tpm_present)
        return;
    r = derive(o, &owner, &lockout, &f);
    if (r == 0)
        r = seal_release(&owner, &lockout, &f);
    if (r < 0)
        note(s, "tpm-not-released", &f);
    else
        stage1_note(s, "tpm", "released");
}
