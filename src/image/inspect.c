#include "image/inspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "trust/minisign.h"

enum { SHOWN_MAX = 10 };

static int gather_pair(const struct artifact_pair *pair, struct inspect_pair *ret,
                       struct failure *f)
{
    int r = 0;

    ret->slot = pair->slot;
    if (pair->uki.bytes) {
        r = boot_file_read(pair->uki, &ret->boot, f);
        ret->has_boot = r == 0;
        ret->signed_by_somebody =
            r == 0 && authenticode_name(&ret->boot.authenticode, &ret->signer) == 0;
    }
    if (r == 0 && pair->initrd.bytes) {
        ret->initrd_size = pair->initrd.size;
        r = contents_of_initrd(pair->initrd, false, &ret->initrd, f);
        ret->has_initrd = r == 0;
    }
    if (r == 0 && pair->system.bytes) {
        ret->system_size = pair->system.size;
        r = contents_of_system(pair->system, false, &ret->system, f);
        ret->has_system = r == 0;
    }
    return r;
}

static int gather_manifest(const struct artifact *a, struct inspect *ret, struct failure *f)
{
    struct manifest *again;
    char *signature;
    int r;

    if (a->signature.bytes) {
        signature = strndup((const char *)a->signature.bytes, a->signature.size);
        if (!signature)
            return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        if (minisign_key_id(signature, ret->manifest_key) < 0)
            ret->manifest_key[0] = '\0';
        free(signature);
    }
    if (!a->manifest_text.bytes || a->manifest)
        return 0;
    again = malloc(sizeof(*again));
    r = again ? manifest_parse("generation.json", a->manifest_text.bytes, a->manifest_text.size,
                               again, f)
              : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    free(again);
    return r;
}

static int gather_components(struct inspect *ret, struct failure *f)
{
    struct span document;
    int r = artifact_file(ret->artifact, "sbom.cdx.json", &document, f);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return component_rooms(document, &ret->pairs[0].system, &ret->pairs[0].initrd, &ret->components,
                           &ret->component_count, f);
}

int inspect_gather(struct artifact *artifact, struct inspect *ret, struct failure *f)
{
    int r;

    *ret = (struct inspect){ .artifact = artifact };
    r = gather_manifest(artifact, ret, f);
    for (size_t i = 0; r == 0 && i < artifact->pair_count; i++) {
        r = gather_pair(&artifact->pairs[i], &ret->pairs[i], f);
        if (r < 0 && artifact->pairs[i].slot)
            failure_prefix(f, "slot %c", artifact->pairs[i].slot);
    }
    return r < 0 ? r : gather_components(ret, f);
}

void inspect_done(struct inspect *inspect)
{
    for (size_t i = 0; i < ARRAY_SIZE(inspect->pairs); i++) {
        contents_done(&inspect->pairs[i].initrd);
        contents_done(&inspect->pairs[i].system);
    }
    component_rooms_done(inspect->components, inspect->component_count);
}

/* --- For people --- */

static void add_manifest(const struct inspect *inspect, struct text *t)
{
    const struct manifest *m = inspect->artifact->manifest;

    if (!m)
        return;
    text_addf(t, "generation    %s, %s\n", m->name, m->channel);
    text_addf(t, "signature     %s%s\n", inspect->manifest_key[0] ? "key " : "none",
              inspect->manifest_key);
    text_addf(t, "kernel        %s\n", m->kernel);
    for (size_t i = 0; i < m->file_count; i++)
        text_addf(t, "file          %12llu  %s\n", (unsigned long long)m->files[i].size,
                  m->files[i].name);
}

static void add_partitions(const struct artifact *a, struct text *t)
{
    for (size_t i = 0; i < a->partition_count; i++)
        text_addf(t, "partition     %12llu  at %llu  %s\n",
                  (unsigned long long)a->partitions[i].size,
                  (unsigned long long)a->partitions[i].offset, a->partitions[i].name);
}

static void add_boot(const struct inspect_pair *pair, struct text *t)
{
    const struct boot_file *b = &pair->boot;
    struct digest fingerprint;
    char digits[DIGEST_TEXT_SIZE];

    text_addf(t, "boot file     %12zu\n", b->bytes.size);
    for (size_t i = 0; i < b->sections.count; i++)
        text_addf(t, "  section     %12zu  %s\n", b->sections.list[i].size,
                  b->sections.list[i].name);
    text_addf(t, "  signed by   %s\n", pair->signed_by_somebody ? pair->signer.name : "nobody");
    if (pair->signed_by_somebody)
        text_addf(t, "  certificate %s\n", digest_text(&pair->signer.certificate, digits));
    text_addf(t, "command line  %.*s\n", (int)b->cmdline.size, (const char *)b->cmdline.bytes);
    text_addf(t, "PCR 11\n  stub        %s\n", digest_text(&b->after_stub, digits));
    text_addf(t, "  enter-initrd %s\n", digest_text(&b->enter_initrd, digits));
    text_addf(t, "policy        %s\n  epoch       %llu\n", digest_text(&b->policy, digits),
              (unsigned long long)b->words.epoch);
    memcpy(fingerprint.bytes, b->approved.fingerprint, DIGEST_SIZE);
    text_addf(t, "  key         %s\n", digest_text(&fingerprint, digits));
}

static int by_size(const void *a, const void *b)
{
    const struct contents_file *first = *(const struct contents_file *const *)a;
    const struct contents_file *second = *(const struct contents_file *const *)b;

    if (first->size != second->size)
        return first->size < second->size ? 1 : -1;
    return strcmp(first->path, second->path);
}

static int add_largest(const struct contents *c, struct text *t, struct failure *f)
{
    const struct contents_file **list = calloc(c->count + 1, sizeof(*list));

    if (!list)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    for (size_t i = 0; i < c->count; i++)
        list[i] = &c->files[i];
    qsort(list, c->count, sizeof(*list), by_size);
    for (size_t i = 0; i < c->count && i < SHOWN_MAX; i++)
        text_addf(t, "  file        %12llu  %s\n", (unsigned long long)list[i]->size,
                  list[i]->path);
    free(list);
    return 0;
}

static int add_contents(const char *title, uint64_t size, const struct contents *c, struct text *t,
                        struct failure *f)
{
    struct contents_room *rooms;
    size_t count;
    int r = contents_rooms(c, &rooms, &count, f);

    if (r < 0)
        return r;
    text_addf(t, "%-13s %12llu  holds %llu in %zu files and links\n", title,
              (unsigned long long)size, (unsigned long long)contents_size(c), c->count);
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        text_addf(t, "  folder      %12llu  %s, %zu\n", (unsigned long long)rooms[i].size,
                  rooms[i].folder[0] ? rooms[i].folder : "/", rooms[i].count);
    contents_rooms_done(rooms, count);
    return add_largest(c, t, f);
}

static void add_components(const struct inspect *inspect, struct text *t)
{
    if (!inspect->components)
        return;
    text_addf(t, "components    %12zu\n", inspect->component_count);
    for (size_t i = 0; i < inspect->component_count && i < SHOWN_MAX; i++) {
        const struct component_room *room = &inspect->components[i];

        text_addf(t, "  component   %12llu  %s %s, %zu\n", (unsigned long long)room->size,
                  room->name, room->version, room->count);
    }
}

int inspect_add_table(const struct inspect *inspect, struct text *t, struct failure *f)
{
    const struct artifact *a = inspect->artifact;
    int r = 0;

    text_addf(t, "kind          %s\n", artifact_kind_name(a->kind));
    add_manifest(inspect, t);
    add_partitions(a, t);
    for (size_t i = 0; r == 0 && i < a->pair_count; i++) {
        const struct inspect_pair *pair = &inspect->pairs[i];

        if (pair->slot)
            text_addf(t, "slot          %c\n", pair->slot);
        if (pair->has_boot)
            add_boot(pair, t);
        if (pair->has_initrd)
            r = add_contents("initrd", pair->initrd_size, &pair->initrd, t, f);
        if (r == 0 && pair->has_system)
            r = add_contents("system image", pair->system_size, &pair->system, t, f);
    }
    add_components(inspect, t);
    return r;
}
