/* Another system on the same machine: it makes PCR 11 what it would be in stage 1 of the machine's
 * own boot file, and asks the TPM for what is sealed, with the boot file's own policy; then it
 * tries what an owner of the TPM could do. replay_test.c puts it into an initrd as its only
 * program, with everything it needs: nothing here is a secret, all of it lies on a disk that is not
 * encrypted.
 *
 * It says what it got, line by line, and then waits for the power to be cut. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/line.h"
#include "disk/epoch.h"
#include "disk/seal.h"
#include "sys/console.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

enum { EXTENDS_MAX = 64, PCR_KERNEL = 11 };

static int kmsg = -1;

static void say(const char *key, const char *value)
{
    char text[CONSOLE_LINE_MAX];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "thief %s=%s", key, value);
    console_line(kmsg, CONSOLE_ERROR, text);
}

__attribute__((noreturn)) static void end(const char *why)
{
    say("end", why);
    for (;;)
        (void)pause();
}

static size_t take_file(const char *path, void *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, size);

    if (got < 0)
        end(path);
    (void)close(fd); /* read only */
    return (size_t)got;
}

/* What the stub would have measured, and the word of stage 1. */
static void replay(void)
{
    static uint8_t digests[EXTENDS_MAX][TPM_PCR_SIZE];
    size_t size = take_file("/thief/extends", digests, sizeof(digests));

    for (size_t i = 0; i < size / TPM_PCR_SIZE; i++) {
        TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };

        memcpy(values.digests[0].digest.sha256, digests[i], TPM_PCR_SIZE);
        if (Esys_PCR_Extend(tpm_esys(), ESYS_TR_PCR11, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                            &values) != TSS2_RC_SUCCESS)
            end("extend");
    }
}

static void show_pcrs(void)
{
    static const unsigned pcrs[] = { 7, PCR_KERNEL, 12 };
    static const char *const names[] = { "pcr7", "pcr11", "pcr12" };
    uint8_t values[ARRAY_SIZE(pcrs)][TPM_PCR_SIZE];

    if (tpm_read(pcrs, ARRAY_SIZE(pcrs), values) < 0)
        end("read");
    for (size_t i = 0; i < ARRAY_SIZE(pcrs); i++) {
        char digits[2 * TPM_PCR_SIZE + 1];

        hex_encode(values[i], TPM_PCR_SIZE, digits);
        say(names[i], digits);
    }
}

static void steal(const char *key)
{
    static uint8_t json[PCRSIG_SIZE_MAX], pem[PCRSIG_SIZE_MAX];
    static struct seal_blob blob;
    size_t json_size = take_file("/thief/pcrsig", json, sizeof(json));
    size_t pem_size = take_file("/thief/pcrpkey", pem, sizeof(pem));
    struct seal_policy policy;
    struct seal_ticket ticket;
    struct secret content = SECRET_INIT;
    struct failure f = FAILURE_NONE;

    blob.size = take_file("/thief/blob", blob.bytes, sizeof(blob.bytes));
    if (pcrsig_parse(json, json_size, pem, pem_size, &policy, &f) < 0)
        end("policy");
    if (seal_open(&policy, &blob, NULL, &content, &ticket, &f) < 0)
        say(key, code_entry(f.code)->id);
    else
        say(key, content.size == SEAL_CONTENT_SIZE ? "SECRET" : "nothing");
    secret_wipe(&content);
}

static void judge(const char *key, TSS2_RC rc)
{
    say(key, rc == TSS2_RC_SUCCESS ? "DONE" : "refused");
}

/* With the authorization that another system has: none. */
static void take_over(void)
{
    static const TPM2B_AUTH mine = { .size = 4, .buffer = { 'm', 'i', 'n', 'e' } };
    static const TPM2B_MAX_NV_BUFFER zeros = { .size = EPOCH_SIZE };
    ESYS_CONTEXT *esys = tpm_esys();
    ESYS_TR index = ESYS_TR_NONE;

    if (Esys_TR_FromTPMPublic(esys, EPOCH_INDEX, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              &index) != TSS2_RC_SUCCESS)
        end("index");
    judge("write-as-owner", Esys_NV_Write(esys, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD,
                                          ESYS_TR_NONE, ESYS_TR_NONE, &zeros, 0));
    judge("write-as-index", Esys_NV_Write(esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                          ESYS_TR_NONE, &zeros, 0));
    judge("undefine-as-owner", Esys_NV_UndefineSpace(esys, ESYS_TR_RH_OWNER, index,
                                                     ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE));
    judge("undefine-as-platform",
          Esys_NV_UndefineSpace(esys, ESYS_TR_RH_PLATFORM, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE));
    judge("clear-as-lockout",
          Esys_Clear(esys, ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE));
    judge("clear-as-platform",
          Esys_Clear(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE));
    judge("own", Esys_HierarchyChangeAuth(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                          ESYS_TR_NONE, &mine));
}

/* A secret of its own, for a disk of its own, sealed for this machine as it was when it was set up.
 */
static void plant(void)
{
    static uint8_t json[PCRSIG_SIZE_MAX], pem[PCRSIG_SIZE_MAX];
    size_t json_size = take_file("/thief/pcrsig", json, sizeof(json));
    size_t pem_size = take_file("/thief/pcrpkey", pem, sizeof(pem));
    struct seal_policy policy;
    struct seal_description now;
    struct seal_target target = { .policy = &policy, .pcr7 = now.pcr7 };
    struct secret content = { .size = SEAL_CONTENT_SIZE };
    struct failure f = FAILURE_NONE;
    struct seal_blob blob;
    bool planted = false;

    blob.size = take_file("/thief/blob", blob.bytes, sizeof(blob.bytes));
    if (pcrsig_parse(json, json_size, pem, pem_size, &policy, &f) < 0 ||
        seal_describe(&blob, &policy, &now, &f) < 0)
        end("plant");
    for (; target.place < SEAL_PLACES; target.place++)
        planted = planted || seal_make(&target, &content, &blob, &f) == 0;
    say("plant", planted ? "DONE" : "refused");
}

int main(void)
{
    static const char word[] = "leave-initrd";

    (void)mkdir("/dev", 0755);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0 || (kmsg = console_open()) < 0)
        return 1;
    if (tpm_open(TPM_DEVICE) < 0)
        end("no TPM");
    replay();
    show_pcrs();
    steal("replayed");
    /* As stage 1 leaves the TPM, on every way out of it. */
    if (tpm_measure(PCR_KERNEL, word, strlen(word)) < 0)
        end("cap");
    steal("capped");
    plant();
    take_over();
    end("done");
}
