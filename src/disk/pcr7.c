#include "disk/pcr7.h"

#include <errno.h>
#include <string.h>
#include <openssl/evp.h>

enum { PCR_SECURE_BOOT = 7, GUID_SIZE = 16, CHANGES_MAX = 4 };

/* EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID. */
static const uint8_t global_guid[GUID_SIZE] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                                0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
static const uint8_t database_guid[GUID_SIZE] = { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                                  0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f };

static const struct {
    const char *name;
    const uint8_t *guid;
} variables[] = {
    { "PK", global_guid },
    { "KEK", global_guid },
    { "db", database_guid },
    { "dbx", database_guid },
};

struct variable_data {
    const uint8_t *guid, *name; /* name: UTF-16 */
    size_t name_size;           /* in bytes */
    const uint8_t *content;
    size_t size;
};

static int parse_variable(const struct event *event, struct variable_data *ret)
{
    struct cursor c = cursor_make(event->data, event->size);
    uint64_t characters, size;
    struct variable_data v;

    v.guid = cursor_take(&c, GUID_SIZE);
    characters = cursor_le64(&c);
    size = cursor_le64(&c);
    if (c.failed || characters > event->size || size > event->size)
        return -EBADMSG;
    v.name_size = 2 * (size_t)characters;
    v.name = cursor_take(&c, v.name_size);
    v.size = (size_t)size;
    v.content = cursor_take(&c, v.size);
    if (!cursor_finished(&c))
        return -EBADMSG;
    *ret = v;
    return 0;
}

static bool has_name(const struct variable_data *v, const char *name)
{
    const size_t length = strlen(name);

    if (v->name_size != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (v->name[2 * i] != (uint8_t)name[i] || v->name[2 * i + 1] != 0)
            return false;
    }
    return true;
}

static const uint8_t *guid_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].guid;
    }
    return NULL;
}

/* The change that is about this variable, or NULL. */
static const struct pcr7_change *find_change(const struct variable_data *v,
                                             const struct pcr7_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *guid = guid_of(changes[i].name);

        CHECK(guid);
        if (has_name(v, changes[i].name) && memcmp(v->guid, guid, GUID_SIZE) == 0)
            return &changes[i];
    }
    return NULL;
}

int pcr7_next_authority(struct event_log *log, struct pcr7_authority *ret)
{
    struct event event;
    int more;

    while ((more = event_log_next(log, &event)) > 0) {
        struct variable_data v;

        if (event.pcr != PCR_SECURE_BOOT || event.type != EVENT_VARIABLE_AUTHORITY)
            continue;
        if (parse_variable(&event, &v) < 0)
            return -EBADMSG;
        if (!has_name(&v, "db") || memcmp(v.guid, database_guid, GUID_SIZE) != 0)
            continue; /* of a boot loader's own list, which no change of ours touches */
        *ret = (struct pcr7_authority){ v.content, v.size };
        return 1;
    }
    return more;
}

/* SHA-256 of up to four pieces. */
static void hash(const void *const *pieces, const size_t *sizes, size_t count, uint8_t *ret)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; good && i < count; i++)
        good = sizes[i] == 0 || EVP_DigestUpdate(context, pieces[i], sizes[i]) == 1;
    good = good && EVP_DigestFinal_ex(context, ret, NULL) == 1;
    EVP_MD_CTX_free(context);
    CHECK(good);
}

static void hash_variable(const struct variable_data *v, const void *content, size_t size,
                          uint8_t *ret)
{
    uint8_t lengths[16];
    const void *const pieces[] = { v->guid, lengths, v->name, content };
    const size_t sizes[] = { GUID_SIZE, sizeof(lengths), v->name_size, size };

    for (size_t i = 0; i < 8; i++) {
        lengths[i] = (uint8_t)((uint64_t)(v->name_size / 2) >> (8 * i));
        lengths[8 + i] = (uint8_t)((uint64_t)size >> (8 * i));
    }
    hash(pieces, sizes, ARRAY_SIZE(pieces), ret);
}

static void extend(uint8_t *pcr, const uint8_t *digest)
{
    const void *const pieces[] = { pcr, digest };
    const size_t sizes[] = { EVENT_DIGEST_SIZE, EVENT_DIGEST_SIZE };
    uint8_t extended[EVENT_DIGEST_SIZE];

    hash(pieces, sizes, ARRAY_SIZE(pieces), extended);
    memcpy(pcr, extended, sizeof(extended));
}

struct replay {
    const struct pcr7_change *changes;
    size_t change_count;
    size_t seen[CHANGES_MAX]; /* how often each was measured */
    uint8_t as_it_is[EVENT_DIGEST_SIZE], as_it_will_be[EVENT_DIGEST_SIZE];
};

/* The digest that this event will have. */
static int changed_digest(struct replay *r, const struct event *event, uint8_t *ret)
{
    const struct pcr7_change *change;
    uint8_t digest[EVENT_DIGEST_SIZE];
    struct variable_data v;

    memcpy(ret, event->digest, EVENT_DIGEST_SIZE);
    if (event->type != EVENT_VARIABLE_CONFIG || r->change_count == 0)
        return 0;
    if (parse_variable(event, &v) < 0)
        return -EBADMSG;
    change = find_change(&v, r->changes, r->change_count);
    if (!change)
        return 0;
    /* Whatever this firmware hashed, it must be what we are about to hash. */
    hash_variable(&v, v.content, v.size, digest);
    if (memcmp(digest, event->digest, sizeof(digest)) != 0)
        return -EOPNOTSUPP;
    hash_variable(&v, change->content, change->size, ret);
    r->seen[change - r->changes]++;
    return 0;
}

static int replay(struct replay *r, struct event_log *log)
{
    struct event event;
    int more = 0, failed = 0;

    while (failed == 0 && (more = event_log_next(log, &event)) > 0) {
        uint8_t digest[EVENT_DIGEST_SIZE];

        if (event.pcr != PCR_SECURE_BOOT || event.type == EVENT_NO_ACTION)
            continue;
        failed = changed_digest(r, &event, digest);
        extend(r->as_it_is, event.digest);
        extend(r->as_it_will_be, digest);
    }
    return failed < 0 ? failed : more;
}

static int refuse(struct failure *f, int cause, const char *what)
{
    return failure_set(f, CODE_EVENT_LOG, cause, "%s", what);
}

int pcr7_predict(const struct pcr7_record *record, const struct pcr7_change *changes,
                 size_t change_count, uint8_t ret[static EVENT_DIGEST_SIZE], struct failure *f)
{
    struct replay r = { .changes = changes, .change_count = change_count };
    struct event_log log;
    int result;

    CHECK(change_count <= CHANGES_MAX);
    result = event_log_open(record->log, record->size, &log);
    if (result == 0)
        result = replay(&r, &log);
    if (result == -EOPNOTSUPP)
        return refuse(f, result, "this firmware measures its variables in another way");
    if (result < 0)
        return refuse(f, result, "the firmware's log of measurements is malformed");
    if (memcmp(r.as_it_is, record->live, EVENT_DIGEST_SIZE) != 0)
        return refuse(f, -ESTALE, "the firmware's log does not lead to PCR 7");
    for (size_t i = 0; i < change_count; i++) {
        if (r.seen[i] != 1)
            return failure_set(f, CODE_EVENT_LOG, -ENOENT,
                               "variable %s was measured %zu times, not once", changes[i].name,
                               r.seen[i]);
    }
    memcpy(ret, r.as_it_will_be, EVENT_DIGEST_SIZE);
    return 0;
}
