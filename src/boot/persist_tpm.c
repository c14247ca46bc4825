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

static bool can(const struct stage1 *s)
{
    return s->tpm_present && s->facts.secureboot == FACTS_ON && s->persist.policy_known;
}

static void note(const struct stage1 *s, const char *what, const struct failure *f)
{
    stage1_note(s, what, code_entry(f->code)->id);
    stage1_note(s, "tpm-detail", f->text);
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
static int make_content(const struct binding *b, struct secret *ret, struct failure *f)
{
    uint8_t bytes[SEAL_CONTENT_SIZE];
    int r = 0;

    if (getrandom(bytes, DERIVE_PREBOOT_SIZE, 0) != DERIVE_PREBOOT_SIZE)
        r = failure_set(f, CODE_INTERNAL, -EIO, "no random bytes");
    binding_hash(b, bytes + DERIVE_PREBOOT_SIZE);
    if (r == 0)
        r = secret_set(ret, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

/* A place that no route of the disk's header is at, so that those stay good until they are
 * replaced. A header names no more than half of the places, unless somebody edited it. */
static unsigned free_place(const struct stage1 *s)
{
    const struct luks_header *header = &s->persist.header;
    unsigned taken = s->persist.places, place = 0;

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
    while (place < SEAL_PLACES - 1 && taken & 1u << place)
        place++;
    return place;
}

static int seal(struct stage1 *s, const struct secret *owner, const struct secret *content,
                struct token_tpm2 *token, struct failure *f)
{
    const struct seal_target target = { .policy = &s->persist.policy,
                                        .pcr7 = s->facts.pcr7.value,
                                        .place = free_place(s),
                                        .owner = owner };
    struct seal_blob blob;
    int r = seal_make(&target, content, &blob, f);

    if (r < 0)
        return r;
    _Static_assert((int)SEAL_BLOB_MAX <= (int)TOKEN_SEALED_MAX,
                   "what is stored for the TPM fits into a token");
    token->sealed_size = blob.size;
    memcpy(token->sealed, blob.bytes, blob.size);
    s->persist.places = 1u << target.place;
    return 0;
}

static int enroll(struct stage1 *s, struct volume *v, const struct binding *b,
                  const struct secret *key, struct failure *f)
{
    static struct token_tpm2 token;
    _cleanup_secret_ struct secret content = SECRET_INIT, passphrase = SECRET_INIT;
    _cleanup_secret_ struct secret owner = SECRET_INIT;
    const struct volume_route route = { &token, &passphrase };
    int r;

    token = (struct token_tpm2){ .policy = TOKEN_POLICY_LOCAL };
    r = read_org(token.org, f);
    if (r == 0)
        r = derive_owner(key, b->uuid, &owner, f);
    if (r == 0)
        r = make_content(b, &content, f);
    if (r == 0)
        r = seal(s, &owner, &content, &token, f);
    if (r == 0)
        r = derive_passphrase(content.bytes, token.org, b->uuid, &passphrase, f);
    if (r == 0)
        r = volume_set_tpm(v, key, &route, 1, f);
    return r < 0 ? r : seal_keep(&owner, s->persist.places, f);
}

void persist_tpm_enroll(struct stage1 *s, struct volume *v, const struct binding *b,
                        const struct secret *key)
{
    struct failure f = FAILURE_NONE;
    int r;

    if (!can(s))
        return;
    if (!s->facts.pcr7.read)
        stage1_read_pcrs(s);
    if (!s->facts.pcr7.read)
        r = failure_set(&f, CODE_UNSEAL_BANK, -ENOENT, "the TPM has no SHA-256 bank");
    else
        r = seal_prepare(s->facts.cmdline.epoch, &f);
    if (r < 0 && f.code == CODE_TPM_OWNED)
        r = 0; /* perhaps it is ours already: sealing shows it */
    if (r == 0)
        r = enroll(s, v, b, key, &f);
    s->facts.persist.enrolled = r == 0;
    if (r < 0)
        note(s, "tpm-not-enrolled", &f);
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

static int own(struct stage1 *s, int fd, const char *uuid, const struct secret *key,
               struct failure *f)
{
    _cleanup_secret_ struct secret owner = SECRET_INIT, lockout = SECRET_INIT;
    int r = derive_owner(key, uuid, &owner, f);

    if (r == 0)
        r = derive_lockout(key, uuid, &lockout, f);
    if (r == 0)
        r = seal_provision(&owner, &lockout, s->facts.cmdline.epoch, s->persist.places, f);
    if (r < 0)
        return r;
    r = write_note(fd, uuid);
    return r < 0 ? failure_set(f, CODE_IO, r, "cannot write %s", OWNED) : 0;
}

void persist_tpm_own(struct stage1 *s, int fd, const char *uuid, const struct secret *key)
{
    struct failure f = FAILURE_NONE;

    if (!can(s) || (!s->facts.persist.enrolled && is_noted(fd, uuid)))
        return;
    if (own(s, fd, uuid, key, &f) < 0)
        note(s, "tpm-not-owned", &f);
}
