/* Assertions about our own code. Never used on input; kept in production builds.
 *
 * A failed check writes one line to standard error and calls the failure hook, which by default is
 * abort(). PID 1 installs a hook that restarts the machine (see src/boot/stage1.c). */
#pragma once

typedef void (*check_hook)(void);

/* Replaces what happens after the message; NULL restores abort(). Returns the former hook. The hook
 * must not return. */
check_hook check_set_hook(check_hook hook);

__attribute__((noreturn)) void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression)                                                                          \
    do {                                                                                           \
        if (!(expression))                                                                         \
            check_failed(#expression, __FILE__, __LINE__);                                         \
    } while (0)

/* A result that must be looked at. */
#define MUST_USE __attribute__((warn_unused_result))

#define PRINTF_LIKE(which, first) __attribute__((format(printf, which, first)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
