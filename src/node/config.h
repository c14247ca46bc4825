/* The configuration of a machine, in layers:
 *
 *     /usr/lib/broch/config.toml    of the image, signed with it
 *     /etc/broch/config.toml        of this machine
 *     /etc/broch/config.d/NAME.toml of this machine, in the order of their names (byte order)
 *
 * A later layer replaces single keys of an earlier one: tables are merged key by key, a list or an
 * array of tables is replaced whole, so that what stands in the last layer is what counts. Every
 * layer is checked against the schema alone, and a message names its file, line and key.
 *
 * A layer that is refused is left out whole; the others still count, so that no file below /etc
 * keeps a machine from starting. With no layer at all the fallbacks of the schema hold. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "base/schema.h"

#define CONFIG_IMAGE_PATH   "/usr/lib/broch/config.toml"
#define CONFIG_MACHINE_PATH "/etc/broch/config.toml"
#define CONFIG_FOLDER_PATH  "/etc/broch/config.d"

struct config_admin {
    struct schema_list ssh_keys; /* lines of authorized_keys(5); they open the account `admin` */
};

struct config_interface {
    char *name;
    bool dhcp;
    struct schema_list addresses; /* with prefix length */
    char *gateway;                /* NULL for none */
};

struct config_network {
    bool dhcp; /* of interfaces that no [[network.interface]] names */
    bool ipv6;
    struct schema_list dns;        /* servers; empty: those that DHCP gives */
    struct schema_list search;     /* domains */
    struct schema_array interface; /* struct config_interface */
};

struct config_time {
    struct schema_list servers;
    bool rtc_utc;
};

struct config_firewall {
    struct schema_list allow; /* see config_parse_allow() in config_value.h */
};

struct config_metrics {
    bool enable;
    int64_t port;
};

struct config_services {
    struct schema_list disable;
};

struct config_update {
    char *source; /* folder, URL or file of releases; NULL: none */
};

struct config {
    char *hostname; /* NULL: the default of identity.h */
    char *timezone;
    struct config_admin admin;
    struct config_network network;
    struct config_time time;
    struct config_firewall firewall;
    struct config_metrics metrics;
    struct config_services services;
    struct config_update update;
};

extern const struct schema config_schema;

/* Accepts a zeroed structure and leaves one. */
void config_done(struct config *config);

/* Called for each layer that is left out. */
typedef void (*config_complaint)(const struct failure *f, void *context);

/* The effective configuration. `complain` hears of every layer that is left out and the rest still
 * counts; NULL makes the first such layer the failure of this call (CODE_SYNTAX, CODE_SCHEMA,
 * CODE_IO). Returns 0, and the caller releases *ret with config_done(); or a negative errno with
 * *ret untouched. Blocks on files. */
MUST_USE int config_load(config_complaint complain, void *context, struct config *ret,
                         struct failure *f);

/* The same with `root` in front of the three paths: for tests and other trees. */
MUST_USE int config_load_below(const char *root, config_complaint complain, void *context,
                               struct config *ret, struct failure *f);

/* Whether the schema has such a key: "admin.ssh_keys". */
bool config_has_key(const char *key);

/* The key of the schema nearest to a misspelt one, or NULL. Valid until the next call. */
const char *config_nearest_key(const char *key);

/* Whether a key is set to something: a text or list that is not empty, a true boolean, a number
 * other than zero. False for a key that the schema does not have. */
bool config_condition(const struct config *config, const char *key);
