/* AppArmor profiles of strict services, as text for apparmor_parser. Pure: the factory compiles
 * them, a machine only loads the result (src/node/policy.h).
 *
 * A profile says once more, in the kernel's own terms and for every path, what the service's root
 * shows it: a second wall behind the first, and one that covers descriptors and links too. */
#pragma once

#include "base/text.h"
#include "work/manifest.h"

enum { APPARMOR_NAME_SIZE = 8 + SERVICE_NAME_MAX };

/* Services of the machine's own folder have no profile in the image; they share this one. */
#define APPARMOR_LOCAL "broch-local"

/* "broch-NAME", or APPARMOR_LOCAL for a manifest of the machine's. */
void apparmor_profile_name(const struct service_manifest *manifest,
                           char ret[static APPARMOR_NAME_SIZE]);

/* Adds the profile of one strict service. */
void apparmor_add_profile(const struct service_manifest *manifest, struct text *t);

/* Adds the profile of all services of the machine's own: everything that its manifest's other parts
 * (root, capabilities, filter) leave open, less what no service of the machine may ever do. */
void apparmor_add_local_profile(struct text *t);
