#include "node/dhcpcd.h"

#include <string.h>

static const char head[] =
    "# Made by broch-network from the configuration, anew at each start.\n"
    "script " DHCPCD_HOOK "\n"
    /* The same identity at each start, and one that says nothing of the hardware to the world. */
    "duid\n"
    "slaac private\n"
    "hostname\n"
    "vendorclassid\n"
    /* Addresses stay while this service is started anew: nobody's connection ends by that. */
    "persistent\n"
    "option domain_name_servers, domain_name, domain_search, ntp_servers\n"
    "option classless_static_routes, interface_mtu\n"
    "require dhcp_server_identifier\n"
    /* Interfaces are announced by the kernel; there is no udev to wait for. */
    "nodev\n"
    /* A made-up address where a server is silent is no network for a server. */
    "noipv4ll\n";

static void add_protocols(bool dhcp, bool ipv6, struct text *t)
{
    text_add(t, dhcp ? "dhcp\n" : "nodhcp\n");
    if (ipv6)
        text_add(t, dhcp ? "dhcp6\n" : "nodhcp6\n");
    else
        text_add(t, "noipv6\nnodhcp6\n");
}

void dhcpcd_render(const struct config_network *network, struct text *t)
{
    const struct config_interface *interfaces = network->interface.items;

    text_add(t, head);
    add_protocols(network->dhcp, network->ipv6, t);
    for (size_t i = 0; i < network->interface.count; i++) {
        text_addf(t, "interface %s\n", interfaces[i].name);
        add_protocols(interfaces[i].dhcp, network->ipv6, t);
    }
}

const struct config_interface *dhcpcd_find_interface(const struct config_network *network,
                                                     const char *name)
{
    const struct config_interface *interfaces = network->interface.items;

    for (size_t i = 0; i < network->interface.count; i++) {
        if (strcmp(interfaces[i].name, name) == 0)
            return &interfaces[i];
    }
    return NULL;
}

bool dhcpcd_ip_arguments(const struct config_interface *interface, size_t index,
                         const char *ret_arguments[static DHCPCD_ARGUMENTS_MAX])
{
    const char *gateway = interface->gateway;
    const char *list[DHCPCD_ARGUMENTS_MAX] = { DHCPCD_IP };

    if (index < interface->addresses.count) {
        const char *const address[] = { "address", "replace", interface->addresses.items[index],
                                        "dev", interface->name };

        memcpy(list + 1, address, sizeof(address));
    } else if (index == interface->addresses.count && gateway) {
        const char *const route[] = { strchr(gateway, ':') ? "-6" : "-4",
                                      "route",
                                      "replace",
                                      "default",
                                      "via",
                                      gateway,
                                      "dev",
                                      interface->name };

        memcpy(list + 1, route, sizeof(route));
    } else {
        return false;
    }
    memcpy(ret_arguments, list, sizeof(list));
    return true;
}
