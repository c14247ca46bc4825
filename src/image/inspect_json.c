/* The JSON form of inspect.h. */
#include "image/inspect.h"

#include <string.h>

#include "boot/initrd.h"
#include "work/json.h"

static bool put_digest(struct json_object *o, const char *key, const struct digest *digest)
{
    char digits[DIGEST_TEXT_SIZE];

    return json_put_text(o, key, digest_text(digest, digits));
}

static bool put_manifest(struct json_object *o, const struct inspect *inspect)
{
    const struct manifest *m = inspect->artifact->manifest;
    struct json_object *files;
    bool whole;

    if (!m)
        return json_put(o, "generation", NULL);
    whole = json_put_text(o, "generation", m->name) && json_put_text(o, "channel", m->channel) &&
            json_put_text(o, "kernel", m->kernel) && put_digest(o, "lock", &m->lock) &&
            (inspect->manifest_key[0] ? json_put_text(o, "signed_by", inspect->manifest_key)
                                      : json_put(o, "signed_by", NULL));
    files = whole ? json_put_list(o, "files") : NULL;
    for (size_t i = 0; files && i < m->file_count; i++) {
        struct json_object *file = json_object_new_object();

        whole = file && json_put_text(file, "name", m->files[i].name) &&
                json_put_number(file, "size", m->files[i].size) &&
                put_digest(file, "sha256", &m->files[i].digest) && whole;
        whole = json_append(files, file) && whole;
    }
    return files && whole;
}

static bool put_partitions(struct json_object *o, const struct artifact *a)
{
    struct json_object *list = json_put_list(o, "partitions");
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < a->partition_count; i++) {
        struct json_object *p = json_object_new_object();

        whole = p && json_put_text(p, "name", a->partitions[i].name) &&
                json_put_text(p, "type", a->partitions[i].type) &&
                json_put_number(p, "offset", a->partitions[i].offset) &&
                json_put_number(p, "size", a->partitions[i].size);
        whole = json_append(list, p) && whole;
    }
    return whole;
}

static bool put_sections(struct json_object *o, const struct boot_file *b)
{
    struct json_object *list = json_put_list(o, "sections");
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < b->sections.count; i++) {
        struct json_object *s = json_object_new_object();

        whole = s && json_put_text(s, "name", b->sections.list[i].name) &&
                json_put_number(s, "size", b->sections.list[i].size);
        whole = json_append(list, s) && whole;
    }
    return whole;
}

static bool put_signer(struct json_object *o, const struct inspect_pair *pair)
{
    struct json_object *signer;

    if (!pair->signed_by_somebody)
        return json_put(o, "signer", NULL);
    signer = json_put_object(o, "signer");
    return signer && json_put_text(signer, "name", pair->signer.name) &&
           put_digest(signer, "certificate", &pair->signer.certificate);
}

static bool put_boot(struct json_object *o, const struct inspect_pair *pair)
{
    struct json_object *boot = json_put_object(o, "uki"), *pcr, *policy;
    const struct boot_file *b = &pair->boot;
    struct digest fingerprint;
    char cmdline[INITRD_CMDLINE_MAX + 1];

    if (!boot)
        return false;
    (void)snprintf(cmdline, sizeof(cmdline), "%.*s", (int)b->cmdline.size,
                   (const char *)b->cmdline.bytes);
    memcpy(fingerprint.bytes, b->approved.fingerprint, DIGEST_SIZE);
    pcr = json_put_object(boot, "pcr11");
    policy = json_put_object(boot, "policy");
    return pcr && policy && json_put_number(boot, "size", b->bytes.size) && put_sections(boot, b) &&
           put_signer(boot, pair) && put_digest(boot, "authenticode", &b->authenticode.digest) &&
           json_put_text(boot, "cmdline", cmdline) && put_digest(pcr, "stub", &b->after_stub) &&
           put_digest(pcr, "enter_initrd", &b->enter_initrd) &&
           put_digest(policy, "digest", &b->policy) &&
           json_put_number(policy, "epoch", b->words.epoch) &&
           put_digest(policy, "key", &fingerprint);
}

static bool put_contents(struct json_object *o, const char *key, uint64_t size,
                         const struct contents *c)
{
    struct json_object *inner = json_put_object(o, key);
    struct json_object *files = inner ? json_put_list(inner, "files") : NULL;
    bool whole = files && json_put_number(inner, "size", size) &&
                 json_put_number(inner, "content", contents_size(c));

    for (size_t i = 0; whole && i < c->count; i++) {
        struct json_object *file = json_object_new_object();

        whole = file && json_put_text(file, "path", c->files[i].path) &&
                json_put_number(file, "size", c->files[i].size) &&
                (!c->files[i].link || json_put_text(file, "link", c->files[i].link));
        whole = json_append(files, file) && whole;
    }
    return whole;
}

static bool put_pair(struct json_object *list, const struct inspect_pair *pair)
{
    struct json_object *o = json_object_new_object();
    const char slot[] = { pair->slot, '\0' };
    bool whole = o && (pair->slot ? json_put_text(o, "slot", slot) : json_put(o, "slot", NULL));

    if (whole && pair->has_boot)
        whole = put_boot(o, pair);
    if (whole && pair->has_initrd)
        whole = put_contents(o, "initrd", pair->initrd_size, &pair->initrd);
    if (whole && pair->has_system)
        whole = put_contents(o, "system", pair->system_size, &pair->system);
    return json_append(list, o) && whole;
}

static bool put_components(struct json_object *o, const struct inspect *inspect)
{
    struct json_object *list;
    bool whole;

    if (!inspect->components)
        return json_put(o, "components", NULL);
    list = json_put_list(o, "components");
    whole = list != NULL;
    for (size_t i = 0; whole && i < inspect->component_count; i++) {
        const struct component_room *room = &inspect->components[i];
        struct json_object *entry = json_object_new_object();

        whole = entry && json_put_text(entry, "name", room->name) &&
                json_put_text(entry, "version", room->version) &&
                json_put_number(entry, "size", room->size) &&
                json_put_number(entry, "files", room->count);
        whole = json_append(list, entry) && whole;
    }
    return whole;
}

void inspect_add_json(const struct inspect *inspect, struct text *t)
{
    const struct artifact *a = inspect->artifact;
    struct json_object *o = json_object_new_object(), *pairs;
    bool whole = o && json_put_number(o, "schema", 1) &&
                 json_put_text(o, "kind", artifact_kind_name(a->kind)) && put_manifest(o, inspect);

    if (whole && a->kind == ARTIFACT_DISK)
        whole = put_partitions(o, a);
    pairs = whole ? json_put_list(o, "images") : NULL;
    for (size_t i = 0; pairs && whole && i < a->pair_count; i++)
        whole = put_pair(pairs, &inspect->pairs[i]);
    whole = whole && pairs && put_components(o, inspect);
    json_finish(o, whole, t);
    text_add(t, "\n");
}
