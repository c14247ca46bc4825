/* From the state machine of services to what people and programs read: numbers, and one sentence
 * that says why a service is not ready. Pure. */
#pragma once

#include "work/snapshot.h"
#include "work/supervise.h"

struct report_names {
    const char *names[SUPERVISE_SERVICES_MAX]; /* NULL at unused indexes */
    const char *off[SUPERVISE_SERVICES_MAX];   /* why a service is off, or NULL */
};

/* Updates all of *ret but name, description, required, local and the lines of the log. What it says
 * already is kept where nothing new is known: after an adoption. */
void report_service(const struct supervise *s, size_t service, const struct report_names *names,
                    struct snapshot_service *ret);
