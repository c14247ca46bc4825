#include "programs/broch-config/apply.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "node/config_applied.h"
#include "node/config_text.h"
#include "node/facts.h"
#include "node/identity.h"
#include "programs/broch-config/ask.h"
#include "sys/file.h"

/* The services that a part of the configuration belongs to. What switches a service on or off also
 * opens or closes its ports. */
static const struct {
    const char *key;
    const char *service;
} parts[] = {
    { "admin", "firewall" },    { "admin", "ssh" },         { "network", "network" },
    { "time", "time" },         { "firewall", "firewall" }, { "metrics", "metrics" },
    { "services", "firewall" },
};

static int check_place(struct failure *f)
{
    if (!file_exists(FACTS_PATH))
        return failure_set(f, CODE_VERB_ELSEWHERE, -EINVAL, "this is not a running Broch machine");
    if (geteuid() != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot apply the configuration");
    return 0;
}

/* A service that is off refuses its restart, which is no failure of ours. */
static void restart(const char *key, const char *service)
{
    struct failure refusal = FAILURE_NONE;

    if (ask_orchestrator(ASK_PATH, "restart", service, &refusal) == 0)
        (void)printf("%s changed: service %s restarted\n", key, service);
    else
        (void)printf("%s changed: service %s not restarted: %s\n", key, service, refusal.text);
}

/* First the orchestrator reads the conditions anew; then those start again that have another
 * configuration than they began with. */
static int tell_services(const struct config *before, const struct config *now, struct failure *f)
{
    struct failure refusal = FAILURE_NONE;

    if (ask_orchestrator(ASK_PATH, "reload", NULL, &refusal) < 0)
        (void)printf("services are as they were: %s\n", refusal.text);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        bool differ = false;

        if (config_text_differ(before, now, parts[i].key, &differ) < 0)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (differ)
            restart(parts[i].key, parts[i].service);
    }
    return 0;
}

static int apply(const struct config *before, const struct config *now, struct failure *f)
{
    int r = identity_set_hostname(now, f);

    if (r == 0)
        r = identity_set_timezone(now, f);
    if (r == 0)
        r = tell_services(before, now, f);
    return r < 0 ? r : config_applied_write(CONFIG_APPLIED_PATH, now, f);
}

int apply_configuration(struct failure *f)
{
    _cleanup_(config_done) struct config before = { .hostname = NULL }, now = { .hostname = NULL };
    int r = check_place(f);

    if (r == 0)
        r = config_load(NULL, NULL, &now, f);
    if (r == 0)
        r = config_applied_read(CONFIG_APPLIED_PATH, &before, f);
    return r < 0 ? r : apply(&before, &now, f);
}
