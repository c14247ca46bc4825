#include "sys/test_tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

enum { HEADER_SIZE = 10, MESSAGE_MAX = 4096 };

static void make_pair(int ends[static 2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static bool pass_bytes(int fd, void *bytes, size_t size, bool writing)
{
    uint8_t *at = bytes;

    while (size > 0) {
        const ssize_t n = writing ? write(fd, at, size) : read(fd, at, size);

        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* One command or response, written down on its way. */
static bool pass_message(int from, int to, int record)
{
    uint8_t message[MESSAGE_MAX];
    struct cursor header;
    size_t size;

    if (!pass_bytes(from, message, HEADER_SIZE, false))
        return false;
    header = cursor_make(message, HEADER_SIZE);
    cursor_skip(&header, 2);
    size = cursor_be32(&header);
    return size >= HEADER_SIZE && size <= sizeof(message) &&
           pass_bytes(from, message + HEADER_SIZE, size - HEADER_SIZE, false) &&
           pass_bytes(record, message, size, true) && pass_bytes(to, message, size, true);
}

/* A command that never reaches the TPM: answered with TPM_RC_MEMORY. */
static bool refuse_message(int from)
{
    static uint8_t answer[] = { 0x80, 0x01, 0, 0, 0, HEADER_SIZE, 0, 0, 0x09, 0x04 };
    uint8_t message[MESSAGE_MAX];
    struct cursor header;

    if (!pass_bytes(from, message, HEADER_SIZE, false))
        return false;
    header = cursor_make(message, HEADER_SIZE);
    cursor_skip(&header, 2);
    return pass_bytes(from, message, cursor_be32(&header) - HEADER_SIZE, false) &&
           pass_bytes(from, answer, sizeof(answer), true);
}

static bool pass_pair(const struct test_tpm *t, int program, int tpm, int record)
{
    struct pollfd wait = { .fd = program, .events = POLLIN };

    /* The program sets the number before it sends. */
    if (poll(&wait, 1, -1) != 1)
        return false;
    if (*t->fail_in > 0 && --*t->fail_in == 0)
        return refuse_message(program);
    return pass_message(program, tpm, record) && pass_message(tpm, program, record);
}

/* The wire, with somebody listening on it: takes over `tpm` and gives back the other end. */
static int start_relay(struct test_tpm *t, int tpm)
{
    int ends[2];

    make_pair(ends);
    t->relay = fork();
    assert_true(t->relay >= 0);
    if (t->relay == 0) {
        const int record = open(t->record ? t->record : "/dev/null",
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (record < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            _exit(1);
        (void)close(ends[0]); /* so that the end of the program is seen */
        while (pass_pair(t, ends[1], tpm, record))
            continue;
        _exit(0);
    }
    (void)close(ends[1]);
    (void)close(tpm);
    return ends[0];
}

/* swtpm wants a descriptor above standard error, which spawn_start() does not pass on. */
static pid_t start_swtpm(const char *folder, int fd)
{
    _cleanup_free_ char *state = text_make("dir=%s", folder);
    _cleanup_free_ char *number = text_make("%d", fd);
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (state && number && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && fcntl(fd, F_SETFD, 0) == 0)
        (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--fd", number,
                     "--flags", "not-need-init,startup-clear", NULL);
    _exit(1);
}

void test_tpm_start(struct test_tpm *t)
{
    const bool relayed = t->record || t->breakable;
    int ends[2];

    make_pair(ends);
    t->tpm = start_swtpm(t->folder, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(tpm_open_fd(relayed ? start_relay(t, ends[0]) : ends[0]), 0);
}

void test_tpm_stop(struct test_tpm *t)
{
    assert_int_equal(
        Esys_Shutdown(tpm_esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR), 0);
    tpm_close(); /* swtpm ends with its connection */
    if (t->relay > 0)
        assert_int_equal(spawn_wait(t->relay), 0);
    (void)spawn_wait(t->tpm);
    t->tpm = t->relay = 0;
}

void test_tpm_reset(struct test_tpm *t)
{
    test_tpm_stop(t);
    test_tpm_start(t);
}

void test_tpm_make(struct test_tpm *t)
{
    *t = (struct test_tpm){ .folder = "/tmp/broch-tpm-test.XXXXXX" };
    t->fail_in =
        mmap(NULL, sizeof(*t->fail_in), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t->fail_in != MAP_FAILED);
    assert_non_null(mkdtemp(t->folder));
    test_tpm_start(t);
}

void test_tpm_remove(struct test_tpm *t)
{
    struct failure f = FAILURE_NONE;

    test_tpm_stop(t);
    assert_int_equal(munmap(t->fail_in, sizeof(*t->fail_in)), 0);
    assert_int_equal(file_remove_tree(t->folder, &f), 0);
}

void test_tpm_break(struct test_tpm *t, unsigned n)
{
    assert_true(t->relay > 0);
    *t->fail_in = n;
}

bool test_tpm_broke(const struct test_tpm *t)
{
    return *t->fail_in == 0;
}

void test_tpm_clear(void)
{
    assert_int_equal(
        Esys_Clear(tpm_esys(), ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
        0);
}

void test_tpm_banks(bool sha1, bool sha256)
{
    TPML_PCR_SELECTION banks = { .count = 2,
                                 .pcrSelections = {
                                     { .hash = TPM2_ALG_SHA1, .sizeofSelect = 3 },
                                     { .hash = TPM2_ALG_SHA256, .sizeofSelect = 3 } } };
    TPMI_YES_NO done = TPM2_NO;
    UINT32 most, needed, available;

    if (sha1)
        memset(banks.pcrSelections[0].pcrSelect, 0xff, 3);
    if (sha256)
        memset(banks.pcrSelections[1].pcrSelect, 0xff, 3);
    assert_int_equal(Esys_PCR_Allocate(tpm_esys(), ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, &banks, &done, &most, &needed,
                                       &available),
                     0);
    assert_int_equal(done, TPM2_YES);
}

static uint32_t count_handles(TPM2_HANDLE first)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    uint32_t count;

    assert_int_equal(Esys_GetCapability(tpm_esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more,
                                        &data),
                     0);
    count = data->data.handles.count;
    Esys_Free(data);
    return count;
}

/* TPM2_TRANSIENT_FIRST and its like are shifts beyond an int. */
uint32_t test_tpm_loaded(void)
{
    return count_handles(0x80000000u) + /* transient objects */
           count_handles(0x02000000u) + /* loaded sessions */
           count_handles(0x03000000u);  /* saved ones */
}
