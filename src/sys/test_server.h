/* For tests: a small web server on 127.0.0.1 that ends with the test program. Each connection gets
 * one answer, chosen by the path of the request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum test_pace {
    TEST_PACE_FULL,
    TEST_PACE_DRIP,  /* the body comes byte by byte, TEST_DRIP_MS apart */
    TEST_PACE_STALL, /* where it is cut, the connection stays open until the other side ends it */
    TEST_PACE_MUTE,  /* nothing is sent at all, and the connection stays open */
};

enum { TEST_DRIP_MS = 5 };

struct test_answer {
    const char *path;   /* "/a/file" */
    const char *status; /* "200 OK" */
    const char *header; /* further lines, each with CR LF, or "" */
    const char *body;
    size_t cut; /* the connection ends after so many bytes of the body; 0: never */
    enum test_pace pace;
    size_t size; /* of a body with zeros in it; 0: up to its first one */
    bool ranges; /* "Range: bytes=N-" is answered with a part */
};

/* Starts it; `answers` (ended by one without path) must stay. A path that is not in the list is
 * answered with 404. The returned address has no slash at the end and is valid until the next
 * start. A failure ends the test. */
const char *test_server_start(const struct test_answer *answers);

/* Ends it and returns how many requests it got. */
unsigned test_server_stop(void);
