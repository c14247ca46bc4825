/* Who the machine is: host name, time zone and machine id. The links in /etc lead to what is
 * written here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "node/config.h"

#define IDENTITY_HOSTNAME_DEFAULT "broch"

/* Where the kept machine id lies: on persist, once there is one. */
#define IDENTITY_KEPT_PATH "/var/lib/broch/machine-id"

enum {
    MACHINE_ID_BYTES = 16,
    MACHINE_ID_TEXT_SIZE = 34, /* 32 digits, newline, zero */
};

/* The text of a machine id: 128 random bits marked as a version 4 UUID, in 32 digits and a newline.
 * machine-id(5) asks for exactly this form. */
void identity_machine_id(const uint8_t random[static MACHINE_ID_BYTES],
                         char ret_text[static MACHINE_ID_TEXT_SIZE]);

/* Whether `text` is a machine id as the function above writes it: any 32 small digits that are not
 * all zero, and a newline. */
bool identity_is_machine_id(const void *text, size_t size);

/* Sets the kernel's host name and writes /etc/hostname's target. */
MUST_USE int identity_set_hostname(const struct config *config, struct failure *f);

/* Makes /etc/localtime's target lead to the zone. A zone that the image does not have is the
 * failure, and UTC is used. */
MUST_USE int identity_set_timezone(const struct config *config, struct failure *f);

/* Takes the kept machine id, or makes a new one and keeps it; leaves one that is there alone. */
MUST_USE int identity_set_machine_id(struct failure *f);
