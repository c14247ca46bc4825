#include "node/chrony.h"

#include "node/config_value.h"

void chrony_render(const struct config_time *time, const char *scratch, const char *sources_folder,
                   struct text *t)
{
    text_add(t, "# Made by broch-time from the configuration, anew at each start.\n");
    for (size_t i = 0; i < time->servers.count; i++) {
        struct config_server server;

        CHECK(config_parse_server(time->servers.items[i], &server) == 0); /* the schema did */
        text_addf(t, "server %s", server.host);
        if (server.port != 0)
            text_addf(t, " port %u", server.port);
        text_add(t, " iburst\n");
    }
    text_addf(t, "sourcedir %s\n", sources_folder);
    /* A client and nothing else: no port is open, for time or for commands. */
    text_add(t, "port 0\ncmdport 0\n");
    text_addf(t, "bindcmdaddress %s/" CHRONY_SOCKET_NAME "\ndriftfile %s/drift\n", scratch,
              scratch);
    /* None: that there is one chronyd only is the supervisor's to see to. The file would outlive a
     * power cut, and chronyd does not start while any process has the number in it. */
    text_add(t, "pidfile /\n");
    /* A clock that is wrong by more than a second is set at once, while the machine is young; later
     * it is only ever slowed down or sped up. */
    text_add(t, "makestep 1 3\n");
    /* The kernel writes the clock chip, in UTC: one that runs in local time is left alone. */
    if (time->rtc_utc)
        text_add(t, "rtcsync\n");
}
