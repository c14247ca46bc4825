/* A client of this program's own: what QEMU asks, and what it does not. QEMU itself is the client
 * in vm_test.c. */
#include "vm/block_server.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "vm/block_journal.h"

enum { S = BLOCK_JOURNAL_SECTOR, SECTORS = 8, OPTION_GO = 7, OPTION_OTHER = 8 };
enum command { READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, ZERO };

static char folder[] = "/tmp/block_server.XXXXXX";
static pid_t server;
static struct failure f;

static const char *path(const char *name)
{
    static char paths[8][64];
    static size_t next;
    char *place = paths[next++ % ARRAY_SIZE(paths)];

    (void)snprintf(place, sizeof(paths[0]), "%s/%s", folder, name);
    return place;
}

static int start_server(void **state)
{
    const struct block_server_config config = { .socket = path("socket"),
                                                .journal = path("journal"),
                                                .watched = path("watched"),
                                                .exports = { path("disk"), path("flash") } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        if (file_write(config.exports[i], "", 0, 0600, &f) < 0 ||
            truncate(config.exports[i], SECTORS * S) < 0)
            return -1;
    }
    (void)unlink(config.watched); /* of the test before */
    return block_server_start(&config, &server, &f);
}

static int stop_server(void **state)
{
    (void)state;
    block_server_stop(server);
    return 0;
}

/* --- The client --- */

static void get(int fd, void *ret, size_t size)
{
    assert_int_equal(recv(fd, ret, size, MSG_WAITALL), size);
}

static void put(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void put32(int fd, uint32_t value)
{
    value = htobe32(value);
    put(fd, &value, sizeof(value));
}

static void put64(int fd, uint64_t value)
{
    value = htobe64(value);
    put(fd, &value, sizeof(value));
}

static int connect_raw(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char greeting[18];

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path("socket"));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    get(fd, greeting, sizeof(greeting));
    assert_memory_equal(greeting, "NBDMAGICIHAVEOPT\0\3", sizeof(greeting));
    put32(fd, 3);
    return fd;
}

/* Sends an option and returns the type of the first answer to it. */
static uint32_t ask(int fd, uint32_t option, const char *name)
{
    const uint32_t length = (uint32_t)strlen(name);
    uint32_t head[5];

    put(fd, "IHAVEOPT", 8);
    put32(fd, option);
    put32(fd, 4 + length + 2);
    put32(fd, length);
    put(fd, name, length);
    put(fd, "\0", 2); /* nothing else is asked for: two zeros */
    get(fd, head, sizeof(head));
    assert_int_equal(be32toh(head[0]), 0x0003e889);
    assert_int_equal(be32toh(head[1]), 0x045565a9);
    assert_int_equal(be32toh(head[2]), option);
    return be32toh(head[3]);
}

static int attach(const char *name)
{
    int fd = connect_raw();
    uint8_t info[12], ack[20];
    uint64_t size;

    assert_int_equal(ask(fd, OPTION_GO, name), 3);
    get(fd, info, sizeof(info));
    memcpy(&size, info + 2, sizeof(size));
    assert_int_equal(be64toh(size), SECTORS * S);
    get(fd, ack, sizeof(ack));
    assert_int_equal(ack[15], 1);
    return fd;
}

static void request(int fd, enum command command, unsigned sector, unsigned count)
{
    put32(fd, 0x25609513);
    put32(fd, command);
    put64(fd, 77);
    put64(fd, (uint64_t)sector * S);
    put32(fd, count * S);
}

static uint32_t status(int fd)
{
    uint32_t head[4];

    get(fd, head, sizeof(head));
    assert_int_equal(be32toh(head[0]), 0x67446698);
    assert_int_equal(be32toh(head[3]), 77);
    return be32toh(head[1]);
}

static void write_sectors(int fd, unsigned sector, unsigned count, char fill)
{
    char bytes[SECTORS * S];

    memset(bytes, fill, sizeof(bytes));
    request(fd, WRITE, sector, count);
    put(fd, bytes, (size_t)count * S);
    assert_int_equal(status(fd), 0);
}

static void expect_sector(int fd, unsigned sector, char fill)
{
    char bytes[S];

    request(fd, READ, sector, 1);
    assert_int_equal(status(fd), 0);
    get(fd, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], fill);
}

/* --- Tests --- */

static void test_one_order(void **state)
{
    static const struct {
        enum block_journal_kind kind;
        uint32_t export;
        unsigned sector, count;
    } expected[] = {
        { BLOCK_JOURNAL_WRITE, 0, 1, 2 }, { BLOCK_JOURNAL_WRITE, 1, 3, 1 },
        { BLOCK_JOURNAL_FILE, 0, 0, 0 },  { BLOCK_JOURNAL_FLUSH, 0, 0, 0 },
        { BLOCK_JOURNAL_ZERO, 0, 2, 1 },  { BLOCK_JOURNAL_WRITE, 1, 3, 1 },
    };
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    _cleanup_close_ int disk = attach("0");
    _cleanup_close_ int flash = attach("1");

    (void)state;
    write_sectors(disk, 1, 2, 'a');
    write_sectors(flash, 3, 1, 'v');
    assert_int_equal(file_write(path("watched"), "tpm", 3, 0600, &f), 0);
    request(disk, FLUSH, 0, 0);
    assert_int_equal(status(disk), 0);
    request(disk, ZERO, 2, 1);
    assert_int_equal(status(disk), 0);
    write_sectors(flash, 3, 1, 'w');
    expect_sector(disk, 1, 'a');
    expect_sector(disk, 2, '\0');
    expect_sector(flash, 3, 'w');
    assert_int_equal(block_journal_open(path("journal"), &journal, &f), 0);
    assert_int_equal(journal.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < journal.count; i++) {
        const struct block_journal_entry *entry = &journal.entries[i];
        bool is_file = expected[i].kind == BLOCK_JOURNAL_FILE;

        assert_int_equal(entry->kind, expected[i].kind);
        assert_int_equal(entry->export, expected[i].export);
        assert_int_equal(entry->offset, (uint64_t)expected[i].sector * S);
        assert_int_equal(entry->length, is_file ? 3 : (uint64_t)expected[i].count * S);
    }
}

/* A machine that was killed: half a request changes nothing, and the next machine is served. */
static void test_killed_in_a_request(void **state)
{
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    char half[S] = "half";
    int disk = attach("0");

    (void)state;
    request(disk, WRITE, 0, 2);
    put(disk, half, sizeof(half));
    assert_int_equal(close(disk), 0);
    disk = attach("0");
    expect_sector(disk, 0, '\0');
    assert_int_equal(close(disk), 0);
    assert_int_equal(block_journal_open(path("journal"), &journal, &f), 0);
    assert_int_equal(journal.count, 0);
}

static void test_refusals(void **state)
{
    _cleanup_block_journal_ struct block_journal journal = BLOCK_JOURNAL_NONE;
    static const char *const names[] = { "", "2", "disk", "00" };
    _cleanup_close_ int disk = attach("0");
    char bytes[S] = "beyond", byte;
    int other = connect_raw();

    (void)state;
    assert_true(ask(other, OPTION_OTHER, "0") == 0x80000001);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(ask(other, OPTION_GO, names[i]) == 0x80000006);
    assert_int_equal(close(other), 0);
    request(disk, READ, SECTORS, 1);
    assert_int_equal(status(disk), EINVAL);
    request(disk, WRITE, SECTORS, 1);
    put(disk, bytes, sizeof(bytes));
    assert_int_equal(status(disk), EINVAL);
    request(disk, ZERO, SECTORS - 1, 2);
    assert_int_equal(status(disk), EINVAL);
    request(disk, TRIM, 0, 1);
    assert_int_equal(status(disk), EINVAL);
    request(disk, DISCONNECT, 0, 0);
    assert_int_equal(recv(disk, &byte, 1, 0), 0);
    assert_int_equal(block_journal_open(path("journal"), &journal, &f), 0);
    assert_int_equal(journal.count, 0);
}

static void test_not_started(void **state)
{
    struct block_server_config config = { .socket = path("socket"),
                                          .journal = path("journal"),
                                          .exports = { path("odd") } };
    pid_t pid;

    (void)state;
    assert_int_equal(block_server_start(&config, &pid, &f), -ENOENT);
    assert_int_equal(file_write(config.exports[0], "odd", 3, 0600, &f), 0);
    assert_int_equal(block_server_start(&config, &pid, &f), -EINVAL);
    config.exports[0] = NULL;
    config.journal = "/nowhere/at/all";
    assert_int_equal(block_server_start(&config, &pid, &f), -ENOENT);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return file_remove_tree(folder, &f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_order, start_server, stop_server),
        cmocka_unit_test_setup_teardown(test_killed_in_a_request, start_server, stop_server),
        cmocka_unit_test_setup_teardown(test_refusals, start_server, stop_server),
        cmocka_unit_test(test_not_started),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
