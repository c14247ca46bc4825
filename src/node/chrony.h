/* From the machine's configuration to chronyd's (chrony.conf(5)). Pure. */
#pragma once

#include "base/text.h"
#include "node/config.h"

#define CHRONY_DAEMON      "/usr/sbin/chronyd"
#define CHRONY_CLIENT      "/usr/bin/chronyc"
#define CHRONY_SOCKET_NAME "chronyd.sock"

/* Appends the configuration: the servers that are configured and those in the *.sources files of
 * `sources_folder`; what chronyd keeps lies in `scratch`. */
void chrony_render(const struct config_time *time, const char *scratch, const char *sources_folder,
                   struct text *t);
