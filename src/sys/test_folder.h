/* For tests: a temporary folder to work in, with the cache inside it and no variable of the person
 * who runs the tests. Fixtures of cmocka. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

/* Makes the folder, changes into it, and points BROCH_CACHE, HOME and the XDG folders below it. */
int test_folder_enter(void **state);

/* Changes out of it and removes it. */
int test_folder_leave(void **state);

/* Absolute path of the folder. */
const char *test_folder_path(void);

/* Writes a text file, with its folders; a failure ends the test. */
void test_folder_write(const char *path, const char *text);

/* The content of a file, zero-terminated, freed by the caller; a failure ends the test. */
MUST_USE char *test_folder_read(const char *path);

/* Runs it in a child whose standard error goes to the file `path`; it must end well. */
void test_folder_hear(const char *path, void (*run)(void *context), void *context);

/* Number of entries of a folder; 0 when it is not there. */
MUST_USE size_t test_folder_count(const char *path);
