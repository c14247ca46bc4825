#include "org/record.h"

#include <stddef.h>

static const struct {
    const char *name;
    uint32_t scope;
    bool owned;
} kinds[RECORD_MAX_] = {
    [RECORD_MEMBER] = { "member", RECORD_SCOPE_ROSTER, false },
    [RECORD_ADMIN] = { "admin", RECORD_SCOPE_ROOT, false },
    [RECORD_ROLLOUT] = { "rollout", RECORD_SCOPE_RELEASE, false },
    [RECORD_VERDICT] = { "verdict", RECORD_SCOPE_ROOT, true },
    [RECORD_FAILED_VERSION] = { "failed_version", RECORD_SCOPE_RELEASE, false },
    [RECORD_EXCLUSIVE_OWNER] = { "exclusive_owner", RECORD_SCOPE_WORK, false },
    [RECORD_SHARE_SET] = { "share_set", RECORD_SCOPE_ROOT, true },
    [RECORD_INVITE_USED] = { "invite_used", RECORD_SCOPE_ROSTER, false },
    [RECORD_DOCUMENT] = { "document", RECORD_SCOPE_CONFIG, false },
    [RECORD_SEALED] = { "sealed", RECORD_SCOPE_CONFIG, false },
};

static bool record_is_known(uint16_t kind)
{
    return kind < RECORD_MAX_ && kinds[kind].name;
}

uint32_t record_scope(uint16_t kind)
{
    return record_is_known(kind) ? kinds[kind].scope : (uint32_t)RECORD_SCOPE_ROOT;
}

bool record_is_owned(uint16_t kind)
{
    return record_is_known(kind) && kinds[kind].owned;
}

const char *record_name(uint16_t kind)
{
    return record_is_known(kind) ? kinds[kind].name : NULL;
}
