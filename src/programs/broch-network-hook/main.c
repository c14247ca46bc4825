/* dhcpcd calls this program with each change of a network, and waits for it: writes what the
 * network says where the machine looks for it, and sets the fixed addresses of a link that is up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/dhcpcd.h"
#include "node/network.h"
#include "sys/spawn.h"

static const char program[] = "broch-network-hook";

static const char *get(const char *name, void *context)
{
    (void)context;
    return getenv(name);
}

static void complain(const struct failure *f)
{
    (void)failure_print(f, program, stderr);
}

static void complain_about_layer(const struct failure *f, void *context)
{
    (void)context;
    (void)f; /* broch-network has said it; this program runs often */
}

static bool is(const char *variable, const char *value)
{
    const char *text = getenv(variable);

    return text && strcmp(text, value) == 0;
}

/* Each step on its own: an address that cannot be set keeps no other one away. */
static void set_addresses(const struct config_network *network)
{
    const struct config_interface *interface = dhcpcd_find_interface(network, getenv("interface"));
    const char *list[DHCPCD_ARGUMENTS_MAX];

    if (!interface || !is("protocol", "link") || !is("ifcarrier", "up"))
        return;
    for (size_t i = 0; dhcpcd_ip_arguments(interface, i, list); i++) {
        struct arguments arguments = { .count = 0 };
        const struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
        struct failure f = FAILURE_NONE;

        for (size_t k = 0; list[k]; k++)
            arguments_add(&arguments, list[k]);
        if (spawn_run(&spawn, &f) < 0)
            complain(&f);
    }
}

int main(void)
{
    struct config config = { .hostname = NULL };
    struct failure f = FAILURE_NONE;
    int r;

    /* dhcpcd also asks for things that are no change of an interface. */
    if (!getenv("interface") || !getenv("reason"))
        return EXIT_CODE_DONE;
    r = config_load(complain_about_layer, NULL, &config, &f);
    if (r == 0) {
        set_addresses(&config.network);
        r = network_update(NETWORK_FOLDER, &config.network, get, NULL, &f);
    }
    config_done(&config);
    if (r < 0)
        complain(&f);
    return r < 0 ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}
