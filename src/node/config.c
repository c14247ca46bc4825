#include "node/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/nearest.h"
#include "node/config_layers.h"
#include "node/config_value.h"

enum {
    KEYS_MAX = 64,
    NAME_LENGTH_MAX = 64,
    HOST_LENGTH_MAX = 253,
    KEY_LENGTH_MAX = 8192, /* RSA keys are long */
    WORD_LENGTH_MAX = 64,
    PORT_MIN = 1024, /* what a service without privileges may open */
    PORT_MAX = 65535,
    METRICS_PORT = 9100,
};

static const struct schema_key admin_keys[] = {
    { SCHEMA_LIST("ssh_keys", struct config_admin, ssh_keys, 64, KEY_LENGTH_MAX),
      .validate = config_check_ssh_key,
      .help = "Public keys that may log in as admin; ssh is off while there is none." },
};
static const struct schema admin_schema =
    SCHEMA("admin", "Who may act as admin.", struct config_admin, admin_keys);

static const struct schema_key interface_keys[] = {
    { SCHEMA_TEXT("name", struct config_interface, name, 15), .required = true,
      .validate = config_check_interface, .help = "Name, as 'ip link' shows it." },
    { SCHEMA_BOOLEAN("dhcp", struct config_interface, dhcp),
      .help = "Ask for an address, besides those given here." },
    { SCHEMA_LIST("addresses", struct config_interface, addresses, 16, WORD_LENGTH_MAX),
      .validate = config_check_prefix, .help = "Addresses with the length of their prefix." },
    { SCHEMA_TEXT("gateway", struct config_interface, gateway, WORD_LENGTH_MAX),
      .validate = config_check_address, .help = "Where everything else is sent." },
};
static const struct schema interface_schema =
    SCHEMA("interface", "One interface.", struct config_interface, interface_keys);

static const struct schema_key network_keys[] = {
    { SCHEMA_BOOLEAN("dhcp", struct config_network, dhcp), .fallback.boolean = true,
      .help = "Ask for addresses on wired interfaces that no [[network.interface]] names." },
    { SCHEMA_BOOLEAN("ipv6", struct config_network, ipv6), .fallback.boolean = true,
      .help = "Use IPv6." },
    { SCHEMA_LIST("dns", struct config_network, dns, 3, WORD_LENGTH_MAX),
      .validate = config_check_address,
      .help = "Name servers; when empty, those that the network offers." },
    { SCHEMA_LIST("search", struct config_network, search, 6, HOST_LENGTH_MAX),
      .validate = config_check_domain, .help = "Domains in which short names are looked up." },
    { SCHEMA_ARRAY("interface", struct config_network, interface, 32, &interface_schema),
      .help = "Interfaces that are not left to themselves." },
};
static const struct schema network_schema =
    SCHEMA("network", "Addresses and names.", struct config_network, network_keys);

static const struct schema_key time_keys[] = {
    { SCHEMA_LIST("servers", struct config_time, servers, 16, HOST_LENGTH_MAX),
      .validate = config_check_server, .help = "NTP servers; none: the hardware clock alone." },
    { SCHEMA_BOOLEAN("rtc_utc", struct config_time, rtc_utc), .fallback.boolean = true,
      .help = "The hardware clock runs in UTC." },
};
static const struct schema time_schema =
    SCHEMA("time", "The clock.", struct config_time, time_keys);

static const struct schema_key firewall_keys[] = {
    { SCHEMA_LIST("allow", struct config_firewall, allow, 128, 128), .validate = config_check_allow,
      .help = "Openings besides those of the services: \"tcp/8080 from 10.0.0.0/8\"." },
};
static const struct schema firewall_schema =
    SCHEMA("firewall", "What may come in.", struct config_firewall, firewall_keys);

static const struct schema_key metrics_keys[] = {
    { SCHEMA_BOOLEAN("enable", struct config_metrics, enable), .fallback.boolean = true,
      .help = "Answer on 127.0.0.1 with figures in OpenMetrics form." },
    { SCHEMA_INTEGER("port", struct config_metrics, port, PORT_MIN, PORT_MAX),
      .fallback.integer = METRICS_PORT, .help = "Port for them." },
};
static const struct schema metrics_schema =
    SCHEMA("metrics", "Figures of the machine.", struct config_metrics, metrics_keys);

static const struct schema_key services_keys[] = {
    { SCHEMA_LIST("disable", struct config_services, disable, 64, NAME_LENGTH_MAX),
      .validate = config_check_service, .help = "Services of the image that are not started." },
};
static const struct schema services_schema =
    SCHEMA("services", "What runs.", struct config_services, services_keys);

static const struct schema_key update_keys[] = {
    { SCHEMA_TEXT("source", struct config_update, source, 512),
      .help = "Where releases come from: a folder, a URL, or a .broch file." },
};
static const struct schema update_schema =
    SCHEMA("update", "Releases.", struct config_update, update_keys);

static const struct schema_key config_keys[] = {
    { SCHEMA_TEXT("hostname", struct config, hostname, 63), .validate = config_check_hostname,
      .help = "Name of the machine; without one it is called broch." },
    { SCHEMA_TEXT("timezone", struct config, timezone, NAME_LENGTH_MAX), .fallback.text = "UTC",
      .validate = config_check_timezone, .help = "Time zone, such as Europe/Zurich." },
    { SCHEMA_TABLE("admin", struct config, admin, &admin_schema), .help = "Who may act as admin." },
    { SCHEMA_TABLE("network", struct config, network, &network_schema),
      .help = "Addresses and names." },
    { SCHEMA_TABLE("time", struct config, time, &time_schema), .help = "The clock." },
    { SCHEMA_TABLE("firewall", struct config, firewall, &firewall_schema),
      .help = "What may come in." },
    { SCHEMA_TABLE("metrics", struct config, metrics, &metrics_schema),
      .help = "Figures of the machine." },
    { SCHEMA_TABLE("services", struct config, services, &services_schema), .help = "What runs." },
    { SCHEMA_TABLE("update", struct config, update, &update_schema), .help = "Releases." },
};
const struct schema config_schema =
    SCHEMA("config.toml", "The configuration of a machine.", struct config, config_keys);

void config_done(struct config *config)
{
    schema_free(&config_schema, config);
}

int config_load_below(const char *root, config_complaint complain, void *context,
                      struct config *ret, struct failure *f)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    int r = config_layers_read(root, complain, context, &layers, f);

    return r < 0 ? r : config_layers_merge(&layers, CONFIG_LAYER_MACHINE, ret, f);
}

int config_load(config_complaint complain, void *context, struct config *ret, struct failure *f)
{
    return config_load_below("", complain, context, ret, f);
}

/* The row of a dotted key and, when `bound` is given, the place of its value. */
static const struct schema_key *find(const char *key, const void *bound, const void **ret_field)
{
    const struct schema *schema = &config_schema;

    for (;;) {
        size_t length = strcspn(key, ".");
        const struct schema_key *row = NULL;

        for (size_t i = 0; i < schema->key_count && !row; i++) {
            if (strlen(schema->keys[i].name) == length &&
                memcmp(schema->keys[i].name, key, length) == 0)
                row = &schema->keys[i];
        }
        if (!row)
            return NULL;
        bound = bound ? (const char *)bound + row->offset : NULL;
        if (key[length] == '\0') {
            *ret_field = bound;
            return row;
        }
        if (row->kind != SCHEMA_KIND_TABLE)
            return NULL;
        schema = row->table;
        key += length + 1;
    }
}

bool config_has_key(const char *key)
{
    const void *field;

    return find(key, NULL, &field) != NULL;
}

struct names {
    char list[KEYS_MAX][NAME_LENGTH_MAX];
    size_t count;
};

static void collect(const struct schema *schema, const char *prefix, struct names *names)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *row = &schema->keys[i];
        struct line l = line_make(names->list[names->count], NAME_LENGTH_MAX);

        CHECK(names->count < KEYS_MAX);
        line_addf(&l, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        names->count++;
        if (row->kind == SCHEMA_KIND_TABLE)
            collect(row->table, l.buffer, names);
    }
}

const char *config_nearest_key(const char *key)
{
    static struct names names;
    const char *list[KEYS_MAX];

    names.count = 0;
    collect(&config_schema, "", &names);
    for (size_t i = 0; i < names.count; i++)
        list[i] = names.list[i];
    return nearest_name(key, list, names.count);
}

bool config_condition(const struct config *config, const char *key)
{
    const void *field = NULL;
    const struct schema_key *row = find(key, config, &field);

    if (!row)
        return false;
    switch (row->kind) {
    case SCHEMA_KIND_TEXT:
        return *(char *const *)field && **(char *const *)field != '\0';
    case SCHEMA_KIND_INTEGER:
        return *(const int64_t *)field != 0;
    case SCHEMA_KIND_SIZE:
    case SCHEMA_KIND_DURATION:
        return *(const uint64_t *)field != 0;
    case SCHEMA_KIND_BOOLEAN:
        return *(const bool *)field;
    case SCHEMA_KIND_LIST:
        return ((const struct schema_list *)field)->count > 0;
    case SCHEMA_KIND_ARRAY:
        return ((const struct schema_array *)field)->count > 0;
    case SCHEMA_KIND_CHOICE:
    case SCHEMA_KIND_TABLE:
        break; /* they are there always: nothing to ask for */
    }
    return false;
}
