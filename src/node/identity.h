/* Who the machine is: host name and machine id. */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "node/names.h"

#define IDENTITY_HOSTNAME_DEFAULT "broch"

enum {
    MACHINE_ID_BYTES = 16,
    MACHINE_ID_TEXT_SIZE = 34, /* 32 digits, newline, zero */
};

/* Takes the host name from the content of a hostname file: the first line that is neither empty nor
 * a comment, spaces around it left out. Writes the default when there is none or when it is not a
 * host name; returns false then. */
bool identity_hostname(const void *bytes, size_t size, char ret_name[static NAME_SIZE]);

/* The text of a machine id: 128 random bits marked as a version 4 UUID, in 32 digits and a newline.
 * machine-id(5) asks for exactly this form. */
void identity_machine_id(const uint8_t random[static MACHINE_ID_BYTES],
                         char ret_text[static MACHINE_ID_TEXT_SIZE]);

/* Sets the kernel's host name from /etc/hostname, and writes the default there (it is a link into
 * /run) when it is missing; makes a new machine id where /etc/machine-id points, unless there is
 * one. Returns 0 or the first error; the rest is done all the same. */
MUST_USE int identity_set(struct failure *f);
