#include "offered.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"

struct test_answer offered_answers[OFFERED_FILES + 1];
const char *offered_generation;

int offered_start(void **state)
{
    offered_generation = getenv("BROCH_NEXT_GENERATION");
    if (!offered_generation) {
        print_error("set BROCH_NEXT_GENERATION\n");
        return -1;
    }
    return fixture_start(state);
}

static struct test_answer make_answer(const char *name)
{
    _cleanup_free_ char *full = text_make("%s/%s", offered_generation, name);
    _cleanup_close_ int fd = full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    char *path = text_make("/r/%s", name), *header, *bytes;
    struct stat status;

    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    header = text_make("Content-Length: %llu\r\n", (unsigned long long)status.st_size);
    assert_true(path && header);
    return (struct test_answer){ .path = path,
                                 .status = "200 OK",
                                 .header = header,
                                 .body = bytes,
                                 .size = (size_t)status.st_size,
                                 .ranges = true };
}

void offered_prepare(void)
{
    static const char *const files[OFFERED_FILES] = {
        [OFFERED_MANIFEST] = "generation.json",
        [OFFERED_SIGNATURE] = "generation.json.minisig",
        [OFFERED_UKI] = "linux.efi",
        [OFFERED_SYSTEM] = "system.erofs",
    };

    for (size_t i = 0; i < OFFERED_FILES; i++)
        offered_answers[i] = make_answer(files[i]);
    offered_answers[OFFERED_FILES].path = NULL;
}

void offered_apply(struct place *place, const char *server, const char *options)
{
    _cleanup_free_ char *command = text_make(
        "(broch update apply --from http://10.0.2.2:%s/r %s; echo status=$?) >" OFFERED_LOG
        " 2>&1 </dev/null &",
        strrchr(server, ':') + 1, options);

    free(as_root(place, command));
}

void offered_await_network(struct place *place)
{
    await_as(place, false, "ip -4 -o address", "10.0.2.15", true);
}
