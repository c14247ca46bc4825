#include "disk/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libcryptsetup.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/dm.h"

enum {
    SECTOR_SIZE = 4096,
    HEADER_AREA = 16 << 20, /* headers and keyslots: what the library takes for a data offset */
    ARGON_MEMORY_KIB = 64 * 1024,
    ARGON_ITERATIONS = 4,
    PBKDF2_ITERATIONS = 1000, /* the library's least */
    WIPE_BLOCK = 1 << 16,
};

struct volume {
    struct crypt_device *device;
    char path[64];
    char uuid[BINDING_UUID_SIZE];
};

static const struct crypt_pbkdf_type tpm_pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                                   .hash = "sha256",
                                                   .iterations = PBKDF2_ITERATIONS,
                                                   .flags = CRYPT_PBKDF_NO_BENCHMARK };
static const struct crypt_pbkdf_type recovery_pbkdf = { .type = CRYPT_KDF_ARGON2ID,
                                                        .hash = "sha256",
                                                        .iterations = ARGON_ITERATIONS,
                                                        .max_memory_kb = ARGON_MEMORY_KIB,
                                                        .parallel_threads = 1,
                                                        .flags = CRYPT_PBKDF_NO_BENCHMARK };

/* The library's own words; they hold no secrets. The last error of a call says the most. */
static char library_words[256];

static void hear(int level, const char *message, void *context)
{
    struct line l = line_make(library_words, sizeof(library_words));

    (void)context;
    if (level == CRYPT_LOG_ERROR)
        line_add_bytes(&l, message, strcspn(message, "\n"));
}

static int fail(struct failure *f, enum code code, int r, const char *what)
{
    return failure_set(f, code, r < 0 ? r : -EIO, "%s: %s", what,
                       library_words[0] ? library_words : strerror(r < 0 ? -r : EIO));
}

static int start(const char *path, struct volume **ret, struct failure *f)
{
    struct volume *v = calloc(1, sizeof(*v));
    struct line l = line_make(v ? v->path : library_words, sizeof(v->path));
    int r;

    library_words[0] = '\0';
    if (!v)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    line_add(&l, path);
    CHECK(!l.cut);
    crypt_set_debug_level(CRYPT_DEBUG_NONE);
    (void)crypt_metadata_locking(NULL, 0); /* nobody else is there, and no folder for the locks */
    r = crypt_init(&v->device, path);
    if (r < 0) {
        free(v);
        return fail(f, CODE_PERSIST_HEADER, r, path);
    }
    crypt_set_log_callback(v->device, hear, NULL);
    *ret = v;
    return 0;
}

static int take_uuid(struct volume *v, struct failure *f)
{
    const char *uuid = crypt_get_uuid(v->device);
    struct line l = line_make(v->uuid, sizeof(v->uuid));

    line_add(&l, uuid ? uuid : "");
    if (!uuid || l.cut || l.length != BINDING_UUID_SIZE - 1)
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED, "the disk's header has no UUID");
    return 0;
}

int volume_open(const char *device, struct volume **ret, struct failure *f)
{
    struct volume *v;
    int r = start(device, &v, f);

    if (r < 0)
        return r;
    r = crypt_load(v->device, CRYPT_LUKS2, NULL);
    r = r < 0 ? fail(f, CODE_PERSIST_HEADER, r, "the disk's header cannot be read")
              : take_uuid(v, f);
    if (r < 0) {
        volume_close(v);
        return r;
    }
    *ret = v;
    return 0;
}

int volume_format(const char *device, struct volume **ret, struct secret *ret_key,
                  struct failure *f)
{
    static const struct crypt_params_luks2 parameters = { .pbkdf = &tpm_pbkdf,
                                                          .sector_size = SECTOR_SIZE,
                                                          .label = VOLUME_LABEL_UNFINISHED };
    _cleanup_secret_ struct secret key = SECRET_INIT;
    struct volume *v;
    int r = start(device, &v, f);

    if (r < 0)
        return r;
    key.size = BINDING_KEY_SIZE;
    if (getrandom(key.bytes, key.size, 0) != (ssize_t)key.size)
        r = failure_set(f, CODE_INTERNAL, -EIO, "no random bytes");
    if (r == 0) {
        /* The library takes a pointer to what it only reads. */
        struct crypt_params_luks2 copy = parameters;

        r = crypt_format(v->device, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
                         (const char *)key.bytes, key.size, &copy);
        r = r < 0 ? fail(f, CODE_PERSIST_HEADER, r, "a header cannot be written") : take_uuid(v, f);
    }
    if (r == 0)
        r = secret_set(ret_key, key.bytes, key.size);
    if (r < 0) {
        volume_close(v);
        return r;
    }
    *ret = v;
    return 0;
}

void volume_close(struct volume *v)
{
    if (!v)
        return;
    crypt_free(v->device);
    free(v);
}

const char *volume_uuid(const struct volume *v)
{
    return v->uuid;
}

bool volume_is_finished(struct volume *v)
{
    const char *label = crypt_get_label(v->device);

    return label && strcmp(label, VOLUME_LABEL_DONE) == 0;
}

static int set_label(struct volume *v, const char *label, struct failure *f)
{
    int r = crypt_set_label(v->device, label, NULL);

    return r < 0 ? fail(f, CODE_PERSIST_HEADER, r, "the disk's label cannot be written") : 0;
}

int volume_finish(struct volume *v, struct failure *f)
{
    return set_label(v, VOLUME_LABEL_DONE, f);
}

int volume_doom(struct volume *v, struct failure *f)
{
    return set_label(v, VOLUME_LABEL_WIPING, f);
}

int volume_binding(struct volume *v, struct binding *ret, struct failure *f)
{
    const char *json = NULL;
    int r = crypt_dump_json(v->device, &json, 0);

    if (r < 0 || !json)
        return fail(f, CODE_PERSIST_BINDING, r, "the disk's header cannot be shown");
    return binding_parse(json, strlen(json), v->uuid, ret, f);
}

static int own_keyslots(struct volume *v, uint32_t *ret, struct failure *f)
{
    const char *json = NULL;
    int r = crypt_dump_json(v->device, &json, 0);

    if (r < 0 || !json)
        return fail(f, CODE_PERSIST_BINDING, r, "the disk's header cannot be shown");
    return binding_keyslots(json, strlen(json), ret, f);
}

static int unlock_one(struct volume *v, const struct secret *passphrase, int keyslot,
                      struct secret *ret_key, struct failure *f)
{
    _cleanup_secret_ struct secret key = SECRET_INIT;
    size_t size = BINDING_KEY_SIZE;
    int r;

    library_words[0] = '\0';
    r = crypt_volume_key_get(v->device, keyslot, (char *)key.bytes, &size,
                             (const char *)passphrase->bytes, passphrase->size);
    if (r < 0)
        return failure_set(f, CODE_PERSIST_KEY, r, "this key does not open the disk (%s)",
                           library_words[0] ? library_words : strerror(-r));
    return secret_set(ret_key, key.bytes, size);
}

int volume_unlock(struct volume *v, const struct secret *passphrase, int keyslot,
                  struct secret *ret_key, struct failure *f)
{
    uint32_t own;
    int r = own_keyslots(v, &own, f);

    if (r < 0)
        return r;
    if (crypt_get_volume_key_size(v->device) != BINDING_KEY_SIZE)
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                           "the disk's key has %d bits instead of %d",
                           8 * crypt_get_volume_key_size(v->device), 8 * BINDING_KEY_SIZE);
    if (keyslot != VOLUME_ANY &&
        !(keyslot >= 0 && keyslot < BINDING_KEYSLOTS_MAX && own & 1u << (unsigned)keyslot))
        return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                           "the disk's keyslot %d is not of the form that Broch makes", keyslot);
    if (keyslot != VOLUME_ANY)
        return unlock_one(v, passphrase, keyslot, ret_key, f);
    r = failure_set(f, CODE_PERSIST_KEY, -EPERM, "no keyslot is of the form that Broch makes");
    for (int slot = 0; r < 0 && slot < BINDING_KEYSLOTS_MAX; slot++) {
        if (own & 1u << (unsigned)slot)
            r = unlock_one(v, passphrase, slot, ret_key, f);
    }
    return r;
}

static int note_node(struct volume *v, const struct binding *b,
                     char ret_node[static VOLUME_NODE_SIZE], struct failure *f)
{
    static struct dm_live live;
    struct line node = line_make(ret_node, VOLUME_NODE_SIZE);
    char device[32];
    struct line l = line_make(device, sizeof(device));
    _cleanup_close_ int control_fd = dm_open();
    struct stat partition, mapped;
    int r;

    if (control_fd < 0)
        return failure_set(f, CODE_PERSIST_HEADER, control_fd, "no device mapper");
    if (stat(v->path, &partition) < 0 || stat("/dev/mapper/" VOLUME_NAME, &mapped) < 0)
        return failure_set(f, CODE_PERSIST_HEADER, -errno, "cannot look at the mapped disk");
    line_addf(&l, "%u:%u", major(partition.st_rdev), minor(partition.st_rdev));
    line_addf(&node, "dm-%u", minor(mapped.st_rdev));
    r = dm_look(control_fd, VOLUME_NAME, DM_VIEW_TABLE, &live);
    if (r < 0)
        return failure_set(f, CODE_PERSIST_BINDING, r, "cannot read the live table");
    return binding_check_table(b, device, live.type, live.text, f);
}

int volume_activate(struct volume *v, const struct binding *b, const struct secret *key,
                    char ret_node[static VOLUME_NODE_SIZE], struct failure *f)
{
    int r;

    library_words[0] = '\0';
    r = crypt_activate_by_volume_key(v->device, VOLUME_NAME, (const char *)key->bytes, key->size,
                                     CRYPT_ACTIVATE_KEYRING_KEY);
    if (r < 0)
        return fail(f, CODE_PERSIST_KEY, r, "the disk cannot be mapped");
    r = note_node(v, b, ret_node, f);
    if (r < 0)
        (void)crypt_deactivate(v->device, VOLUME_NAME); /* the refusal is the one to tell */
    return r;
}

int volume_deactivate(struct volume *v, struct failure *f)
{
    int r;

    library_words[0] = '\0';
    r = crypt_deactivate(v->device, VOLUME_NAME);
    return r < 0 ? fail(f, CODE_PERSIST_MOUNT, r, "the disk cannot be unmapped") : 0;
}

/* --- Keyslots and tokens --- */

static int add_keyslot(struct volume *v, const struct secret *key, const struct secret *passphrase,
                       const struct crypt_pbkdf_type *pbkdf, struct failure *f)
{
    int r;

    library_words[0] = '\0';
    r = crypt_set_pbkdf_type(v->device, pbkdf);
    if (r >= 0)
        r = crypt_keyslot_add_by_volume_key(v->device, CRYPT_ANY_SLOT, (const char *)key->bytes,
                                            key->size, (const char *)passphrase->bytes,
                                            passphrase->size);
    return r < 0 ? fail(f, CODE_PERSIST_HEADER, r, "a keyslot cannot be added") : r;
}

static int add_token(struct volume *v, const char *json, struct failure *f)
{
    int r = crypt_token_json_set(v->device, CRYPT_ANY_TOKEN, json);

    return r < 0 ? fail(f, CODE_PERSIST_HEADER, r, "a token cannot be added") : r;
}

/* Is this token of the type? */
static bool token_is(struct volume *v, int token, const char *type)
{
    const char *found = NULL;
    crypt_token_info info = crypt_token_status(v->device, token, &found);

    return info != CRYPT_TOKEN_INVALID && info != CRYPT_TOKEN_INACTIVE && found &&
           strcmp(found, type) == 0;
}

static bool is_assigned(struct volume *v, int token, int keyslot)
{
    return crypt_token_is_assigned(v->device, token, keyslot) == 0;
}

int volume_unlock_recovery(struct volume *v, const struct secret *digits, struct secret *ret_key,
                           struct failure *f)
{
    int tokens = crypt_token_max(CRYPT_LUKS2), slots = crypt_keyslot_max(CRYPT_LUKS2);
    int r = failure_set(f, CODE_PERSIST_KEY, -ENOKEY, "the disk has no recovery key");

    for (int token = 0; token < tokens; token++) {
        if (!token_is(v, token, TOKEN_TYPE_RECOVERY))
            continue;
        for (int slot = 0; r < 0 && slot < slots; slot++) {
            if (is_assigned(v, token, slot))
                r = volume_unlock(v, digits, slot, ret_key, f);
        }
    }
    return r;
}

static bool has_token(struct volume *v, int keyslot)
{
    int tokens = crypt_token_max(CRYPT_LUKS2);

    for (int token = 0; token < tokens; token++) {
        if (is_assigned(v, token, keyslot))
            return true;
    }
    return false;
}

/* Removes keyslots that a power cut left without their token. They are told from those that
 * somebody added with another tool by their derivation, which is exactly ours. */
static int remove_orphans(struct volume *v, const struct crypt_pbkdf_type *ours, struct failure *f)
{
    int slots = crypt_keyslot_max(CRYPT_LUKS2);

    for (int slot = 0; slot < slots; slot++) {
        struct crypt_pbkdf_type found;

        if (crypt_keyslot_status(v->device, slot) == CRYPT_SLOT_INACTIVE || has_token(v, slot) ||
            crypt_keyslot_get_pbkdf(v->device, slot, &found) < 0)
            continue;
        if (strcmp(found.type, ours->type) != 0 || found.iterations != ours->iterations ||
            found.max_memory_kb != ours->max_memory_kb)
            continue;
        if (crypt_keyslot_destroy(v->device, slot) < 0)
            return fail(f, CODE_PERSIST_HEADER, -EIO, "a keyslot cannot be removed");
    }
    return 0;
}

static bool is_kept(const int *kept, size_t count, int token)
{
    for (size_t i = 0; i < count; i++) {
        if (kept[i] == token)
            return true;
    }
    return false;
}

/* Removes tokens of a type, and their keyslots, but for `kept`. First the keyslot: a token without
 * one is refused by whoever reads it. */
static int remove_others(struct volume *v, const char *type, const int *kept, size_t count,
                         struct failure *f)
{
    int tokens = crypt_token_max(CRYPT_LUKS2), slots = crypt_keyslot_max(CRYPT_LUKS2);

    for (int token = 0; token < tokens; token++) {
        if (!token_is(v, token, type) || is_kept(kept, count, token))
            continue;
        for (int slot = 0; slot < slots; slot++) {
            int r = is_assigned(v, token, slot) ? crypt_keyslot_destroy(v->device, slot) : 0;

            if (r < 0)
                return fail(f, CODE_PERSIST_HEADER, r, "a keyslot cannot be removed");
        }
        if (crypt_token_json_set(v->device, token, NULL) < 0)
            return fail(f, CODE_PERSIST_HEADER, -EIO, "a token cannot be removed");
    }
    return 0;
}

static int add_route(struct volume *v, const struct secret *key, const struct volume_route *route,
                     struct failure *f)
{
    char json[TOKEN_SIZE_MAX];
    struct line l = line_make(json, sizeof(json));
    int slot = add_keyslot(v, key, route->passphrase, &tpm_pbkdf, f);

    if (slot < 0)
        return slot;
    route->token->keyslot = (unsigned)slot;
    token_tpm2_encode(route->token, &l);
    CHECK(!l.cut);
    return add_token(v, json, f);
}

int volume_set_tpm(struct volume *v, const struct secret *key, const struct volume_route *routes,
                   size_t count, struct failure *f)
{
    enum { ROUTES_MAX = 2 }; /* for now, and for a change that is coming */
    int kept[ROUTES_MAX], r;

    CHECK(count <= ROUTES_MAX);
    r = remove_orphans(v, &tpm_pbkdf, f);
    for (size_t i = 0; r == 0 && i < count; i++) {
        kept[i] = add_route(v, key, &routes[i], f);
        if (kept[i] < 0)
            return kept[i];
    }
    return r < 0 ? r : remove_others(v, TOKEN_TYPE_TPM2, kept, count, f);
}

int volume_set_recovery(struct volume *v, const struct secret *key, const struct secret *digits,
                        struct failure *f)
{
    char json[TOKEN_SIZE_MAX];
    struct line l = line_make(json, sizeof(json));
    int slot = remove_orphans(v, &recovery_pbkdf, f), token;

    if (slot == 0)
        slot = add_keyslot(v, key, digits, &recovery_pbkdf, f);
    if (slot < 0)
        return slot;
    token_recovery_encode((unsigned)slot, &l);
    CHECK(!l.cut);
    token = add_token(v, json, f);
    return token < 0 ? token : remove_others(v, TOKEN_TYPE_RECOVERY, &token, 1, f);
}

static unsigned *kind_of(struct volume *v, int keyslot, struct volume_slots *slots)
{
    int tokens = crypt_token_max(CRYPT_LUKS2);

    for (int token = 0; token < tokens; token++) {
        if (!is_assigned(v, token, keyslot))
            continue;
        if (token_is(v, token, TOKEN_TYPE_TPM2))
            return &slots->tpm;
        if (token_is(v, token, TOKEN_TYPE_RECOVERY))
            return &slots->recovery;
    }
    return &slots->other;
}

int volume_count_slots(struct volume *v, struct volume_slots *ret, struct failure *f)
{
    int slots = crypt_keyslot_max(CRYPT_LUKS2);

    if (slots < 0)
        return fail(f, CODE_PERSIST_HEADER, slots, "keyslots cannot be counted");
    *ret = (struct volume_slots){ .tpm = 0 };
    for (int slot = 0; slot < slots; slot++) {
        crypt_keyslot_info info = crypt_keyslot_status(v->device, slot);

        if (info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST)
            (*kind_of(v, slot, ret))++;
    }
    return 0;
}

/* --- The end --- */

static int overwrite(int fd, bool random, struct failure *f)
{
    static uint8_t block[WIPE_BLOCK];

    memset(block, 0, sizeof(block));
    for (off_t at = 0; at < HEADER_AREA; at += (off_t)sizeof(block)) {
        for (size_t i = 0; random && i < sizeof(block); i += 256)
            (void)!getrandom(block + i, 256, 0); /* 256 bytes never come short (getrandom(2)) */
        if (pwrite(fd, block, sizeof(block), at) != (ssize_t)sizeof(block))
            return failure_set(f, CODE_IO, -errno, "cannot overwrite the disk's header");
    }
    return fsync(fd) < 0 ? failure_set(f, CODE_IO, -errno, "cannot overwrite the disk's header")
                         : 0;
}

int volume_wipe(struct volume *v, struct failure *f)
{
    int slots = crypt_keyslot_max(CRYPT_LUKS2), r;
    _cleanup_close_ int fd = open(v->path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return failure_set(f, CODE_IO, -errno, "cannot open %s", v->path);
    for (int slot = 0; slot < slots; slot++) {
        /* Overwritten below in any case; this wipes with the library's own patterns. */
        if (crypt_keyslot_status(v->device, slot) != CRYPT_SLOT_INACTIVE)
            (void)crypt_keyslot_destroy(v->device, slot);
    }
    r = overwrite(fd, true, f);
    return r < 0 ? r : overwrite(fd, false, f);
}
