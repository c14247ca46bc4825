#include "programs/broch-config/apply.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "node/config_applied.h"
#include "node/config_text.h"
#include "node/facts.h"
#include "node/identity.h"
#include "sys/file.h"

/* The service that a part of the configuration belongs to. */
static const struct {
    const char *key;
    const char *service;
} parts[] = {
    { "admin", "ssh" },         { "network", "network" }, { "time", "time" },
    { "firewall", "firewall" }, { "metrics", "metrics" },
};

static int check_place(struct failure *f)
{
    if (!file_exists(FACTS_PATH))
        return failure_set(f, CODE_VERB_ELSEWHERE, -EINVAL, "this is not a running Broch machine");
    if (geteuid() != 0)
        return failure_set(f, CODE_PRIVILEGE, -EPERM, "cannot apply the configuration");
    return 0;
}

/* Says what is to be restarted, and returns how many. */
static int tell_services(const struct config *before, const struct config *now, struct failure *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        bool differ = false;

        if (config_text_differ(before, now, parts[i].key, &differ) < 0)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (differ)
            (void)printf("%s changed: service %s\n", parts[i].key, parts[i].service);
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
