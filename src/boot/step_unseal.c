/* unseal: what the TPM has sealed for this machine and generations that are allowed on it.
 *
 * Nothing but our own scanner looks at the disk here (disk/luks_header.h). What comes out is kept
 * until the step "persist"; that nothing comes out is no failure, there is the recovery key. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/stage1.h"

/* Unpacked by the stub from sections of the signed boot file. */
#define EXTRA_SIGNATURE "/.extra/tpm2-pcr-signature.json"
#define EXTRA_KEY       "/.extra/tpm2-pcr-public-key.pem"

static int read_whole(const char *path, uint8_t buffer[static PCRSIG_SIZE_MAX], size_t *ret_size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : read(fd, buffer, PCRSIG_SIZE_MAX);

    if (size < 0)
        return -errno;
    *ret_size = (size_t)size;
    return 0;
}

static int read_policy(struct stage1 *s, struct failure *f)
{
    static uint8_t signature[PCRSIG_SIZE_MAX], key[PCRSIG_SIZE_MAX];
    size_t signature_size, key_size;
    int r = read_whole(EXTRA_SIGNATURE, signature, &signature_size);

    if (r == 0)
        r = read_whole(EXTRA_KEY, key, &key_size);
    if (r < 0)
        return failure_set(f, CODE_UNSEAL_POLICY, r, "the boot file has no policy: %s",
                           strerror(-r));
    r = pcrsig_parse(signature, signature_size, key, key_size, &s->persist.policy, f);
    s->persist.policy_known = r == 0;
    return r;
}

/* -ENOENT: no partition, or no slot; then state is volatile. */
static int look(struct stage1 *s, struct failure *f)
{
    struct partition partition;
    char path[sizeof("/dev/") + PARTITION_NAME_MAX];
    struct line l = line_make(path, sizeof(path));
    _cleanup_close_ int fd = -1;
    int r = step_slot_find_persist(s, &partition);

    if (r == -ENOTUNIQ)
        return failure_set(f, CODE_PERSIST_FOREIGN, r,
                           "the slot's disk has two partitions for an encrypted disk");
    if (r < 0)
        return r;
    s->persist.there = true;
    s->persist.device = partition.device;
    s->persist.number = partition.number;
    line_addf(&l, "/dev/%s", partition.device.name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return failure_set(f, CODE_PERSIST_HEADER, -errno, "%s: %s", path, strerror(errno));
    return persist_look(fd, &s->persist.content, &s->persist.header, f);
}

/* Only what this TPM alone opens; a token that wants the org's shares is for later code. */
static int open_token(struct stage1 *s, const struct token_tpm2 *token, struct failure *f)
{
    struct seal_description description;
    struct seal_ticket ticket;
    struct seal_blob blob;
    int r;

    if (token->policy != TOKEN_POLICY_LOCAL)
        return failure_set(f, CODE_UNSEAL_BLOB, -ENOTSUP, "the token wants shares of an org");
    if (token->sealed_size > sizeof(blob.bytes))
        return failure_set(f, CODE_UNSEAL_BLOB, -ERANGE, "the sealed secret is too large");
    memcpy(blob.bytes, token->sealed, token->sealed_size);
    blob.size = token->sealed_size;
    r = seal_describe(&blob, &s->persist.policy, &description, f);
    if (r == 0)
        r = seal_open(&s->persist.policy, &blob, &s->ticket, &s->persist.sealed, &ticket, f);
    if (r == 0)
        s->persist.places = 1u << description.place;
    return r;
}

/* The first refusal is the one to tell, but for the epoch, which no other token gets around. */
static int open_tokens(struct stage1 *s, struct failure *f)
{
    struct stage1_persist *p = &s->persist;

    for (unsigned i = 0; i < p->header.token_count; i++) {
        struct failure refusal = FAILURE_NONE;
        int r = open_token(s, &p->header.tokens[i], &refusal);

        if (r == 0) {
            p->token = i;
            return 0;
        }
        if (i == 0 || refusal.code == CODE_UNSEAL_EPOCH)
            *f = refusal;
        if (refusal.code == CODE_UNSEAL_EPOCH)
            break;
    }
    return f->cause;
}

static int try_tpm(struct stage1 *s, struct failure *f)
{
    int r = read_policy(s, f);

    if (r < 0 || s->persist.header.token_count == 0 ||
        (s->persist.content != PERSIST_OURS && s->persist.content != PERSIST_WIPING))
        return r;
    return open_tokens(s, f);
}

int step_unseal(struct stage1 *s, struct failure *f)
{
    struct stage1_persist *p = &s->persist;
    struct failure refusal = FAILURE_NONE;
    int r = look(s, f);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    /* Without Secure Boot anybody's kernel measures the same PCRs: there is no TPM route then. */
    if (s->tpm_present && s->facts.secureboot == FACTS_ON && try_tpm(s, &refusal) < 0) {
        p->refusal = refusal;
        s->facts.persist.refusal = code_entry(refusal.code)->id;
        stage1_note(s, "unseal-refused", s->facts.persist.refusal);
        stage1_note(s, "unseal-detail", refusal.text);
    }
    if (refusal.code == CODE_UNSEAL_EPOCH) {
        /* An older generation stays out whatever key somebody has: the other slot is newer. */
        *f = refusal;
        return f->cause < 0 ? f->cause : -EKEYREJECTED;
    }
    if (p->sealed.size == 0)
        stage1_read_pcrs(s);
    return 0;
}
