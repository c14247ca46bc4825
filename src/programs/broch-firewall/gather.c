#include "programs/broch-firewall/gather.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "node/config_value.h"
#include "sys/file.h"

enum { LIST_SIZE_MAX = 64 * 1024 };

static const char configuration[] = "firewall.allow";

static int add(struct openings *openings, const struct firewall_opening *opening, struct failure *f)
{
    if (openings->count == FIREWALL_OPENINGS_MAX)
        return failure_set(f, CODE_FIREWALL, -ERANGE, "more than %d openings",
                           FIREWALL_OPENINGS_MAX);
    openings->list[openings->count++] = *opening;
    return 0;
}

static bool is_off(const struct service_manifest *manifest, const struct config *config)
{
    for (size_t i = 0; i < config->services.disable.count; i++) {
        if (strcmp(config->services.disable.items[i], manifest->name) == 0)
            return true;
    }
    return manifest->condition && !config_condition(config, manifest->condition);
}

static int add_service(const struct gather_paths *paths, const struct config *config,
                       const char *name, gather_complaint complain, struct openings *openings,
                       struct failure *f)
{
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    int r = service_manifest_load(&paths->folders, name, &manifest, f);

    if (r < 0) {
        complain(f);
        return 0;
    }
    for (size_t i = 0; r == 0 && !is_off(&manifest, config) && i < manifest.network.listen.count;
         i++) {
        struct firewall_opening opening = { .first = 0 };
        struct service_port port;

        CHECK(service_port_parse(manifest.network.listen.items[i], &port)); /* the reader did */
        opening.is_udp = port.is_udp;
        opening.first = opening.last = port.number;
        (void)snprintf(opening.owner, sizeof(opening.owner), "%s", name);
        r = add(openings, &opening, f);
    }
    return r;
}

static int add_listed(const struct gather_paths *paths, const struct config *config,
                      gather_complaint complain, struct openings *openings, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct cursor c;
    const char *line;
    size_t size, length;
    int r = file_read(paths->list, LIST_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    c = cursor_make(bytes, size);
    while (r == 0 && cursor_line(&c, &line, &length)) {
        char name[SERVICE_NAME_MAX + 1];

        if (length == 0 || length > SERVICE_NAME_MAX)
            return failure_set(f, CODE_SERVICE_ORDER, -EBADMSG, "'%s' has a line that is no name",
                               paths->list);
        memcpy(name, line, length);
        name[length] = '\0';
        r = add_service(paths, config, name, complain, openings, f);
    }
    return r;
}

static int add_machines(const struct gather_paths *paths, const struct config *config,
                        gather_complaint complain, struct openings *openings, struct failure *f)
{
    _cleanup_free_ struct service_names *names = calloc(1, sizeof(*names));
    int r;

    if (!names)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = service_names_list(paths->folders.machine, names, f);
    for (size_t i = 0; r == 0 && i < names->count; i++)
        r = add_service(paths, config, names->names[i], complain, openings, f);
    return r;
}

static int add_allowed(const struct config *config, struct openings *openings, struct failure *f)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->firewall.allow.count; i++) {
        struct firewall_opening opening = { .first = 0 };
        struct config_allow allow;

        if (config_parse_allow(config->firewall.allow.items[i], &allow) < 0)
            return failure_set(f, CODE_SCHEMA, -EBADMSG, "firewall.allow: '%s' is malformed",
                               config->firewall.allow.items[i]);
        opening.is_udp = allow.protocol == CONFIG_UDP;
        opening.first = allow.first;
        opening.last = allow.last;
        opening.source_is_ipv6 = allow.is_ipv6;
        (void)snprintf(opening.source, sizeof(opening.source), "%s", allow.from);
        (void)snprintf(opening.owner, sizeof(opening.owner), "%s", configuration);
        r = add(openings, &opening, f);
    }
    return r;
}

int gather_openings(const struct gather_paths *paths, const struct config *config,
                    gather_complaint complain, struct openings *ret, struct failure *f)
{
    int r;

    ret->count = 0;
    r = add_listed(paths, config, complain, ret, f);
    if (r == 0)
        r = add_machines(paths, config, complain, ret, f);
    return r < 0 ? r : add_allowed(config, ret, f);
}
