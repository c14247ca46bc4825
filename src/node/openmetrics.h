/* OpenMetrics 1.0 text (openmetrics.io): what is written, and what is taken over from files of
 * others. Pure.
 *
 * A page is families one after the other and "# EOF". A family is its TYPE, UNIT and HELP lines and
 * its samples, and occurs once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

#define OPENMETRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct openmetrics_label {
    const char *name;
    const char *value; /* anything: it is escaped, and what is not ASCII becomes '?' */
};

/* Begins a family. `unit` is the last word of the name, or NULL. */
void openmetrics_family(struct text *t, const char *name, const char *type, const char *unit,
                        const char *help);

/* Adds "NAME{labels} value", where the value is number / 10^decimals. */
void openmetrics_sample(struct text *t, const char *name, const struct openmetrics_label *labels,
                        size_t label_count, uint64_t number, unsigned decimals);

void openmetrics_end(struct text *t);

/* --- Files of others --- */

enum {
    OPENMETRICS_FILE_SIZE_MAX = 256 * 1024,
    OPENMETRICS_FAMILIES_MAX = 256, /* of all files together */
    OPENMETRICS_SAMPLES_MAX = 1000, /* of one file */
    OPENMETRICS_NAME_SIZE = 128,
    OPENMETRICS_LINE_MAX = 4096,
};

/* The families that are on the page already. */
struct openmetrics_names {
    char list[OPENMETRICS_FAMILIES_MAX][OPENMETRICS_NAME_SIZE];
    size_t count;
};

/* Takes over a file in OpenMetrics form, or in the older form of Prometheus, as it is written by
 * scripts: `# HELP`, `# TYPE` and samples without time. Refused are: a line that is neither, a time
 * stamp, a last line without end, a sample twice, a family whose samples are not together, one that
 * is on the page already or that begins with "broch_", and more than the limits allow. Appends the
 * families to *t and their names to *names. Returns 0; or -EBADMSG, -ERANGE (CODE_METRICS, "line N:
 * ...") or -ENOMEM with both unchanged. */
MUST_USE int openmetrics_take(const char *bytes, size_t size, struct openmetrics_names *names,
                              struct text *t, struct failure *f);
