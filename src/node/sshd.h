/* From the machine's configuration to sshd's (sshd_config(5)). Pure. */
#pragma once

#include "base/text.h"
#include "node/config.h"

#define SSHD_PROGRAM         "/usr/sbin/sshd"
#define SSHD_KEY_PROGRAM     "/usr/bin/ssh-keygen"
#define SSHD_HOST_KEY_NAME   "ssh_host_ed25519_key"
#define SSHD_AUTHORIZED_NAME "authorized_keys"

/* Appends the configuration: the host key lies in `state`, the authorized keys in `folder`. Only
 * the account `admin` and only keys. */
void sshd_render(const char *state, const char *folder, struct text *t);

/* Appends the authorized keys, one per line. */
void sshd_render_keys(const struct config_admin *admin, struct text *t);
