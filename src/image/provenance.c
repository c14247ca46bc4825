#include "image/provenance.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "trust/minisign.h"
#include "work/json.h"

/* All that decides over a generation besides packages and keys; tools/ is in the lock of the tree.
 */
static const char *const sources[] = { "src",         "completions",       "kernel", "profiles",
                                       "meson.build", "meson_options.txt", "VERSION" };

#define BUILD_TYPE "urn:broch:build:1"

static int source_digest(const struct build *build, const char *name, struct digest *ret,
                         struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", build->request->source, name);

    return path ? digest_tree(path, ret, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

int provenance_add_inputs(const struct build *build, struct step *step, struct failure *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        struct digest digest;
        int r = source_digest(build, sources[i], &digest, f);

        if (r < 0)
            return r;
        step_input_digest(step, sources[i], &digest);
    }
    return 0;
}

static bool put_digest(struct json_object *o, const char *algorithm, const struct digest *digest)
{
    struct json_object *set = json_put_object(o, "digest");
    char digits[DIGEST_TEXT_SIZE];

    return set && json_put_text(set, algorithm, digest_text(digest, digits));
}

static bool put_subjects(struct json_object *o, const struct build *build)
{
    const struct {
        const char *name;
        const struct step *step;
    } subjects[] = {
        { "linux.efi", &build->uki },  { "system.erofs", &build->system },
        { "vmlinuz", &build->kernel }, { "initrd", &build->initrd },
        { "disk.raw", &build->disk },  { "disk.qcow2", &build->disk },
    };
    struct json_object *list = json_put_list(o, "subject");
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < ARRAY_SIZE(subjects); i++) {
        struct json_object *subject = json_object_new_object();

        whole =
            subject && json_put_text(subject, "name", subjects[i].name) &&
            put_digest(subject, "sha256", &step_output(subjects[i].step, subjects[i].name)->digest);
        whole = json_append(list, subject) && whole;
    }
    return whole;
}

static bool put_dependency(struct json_object *list, const char *name, const char *uri,
                           const char *algorithm, const struct digest *digest)
{
    struct json_object *o = json_object_new_object();
    bool whole = o && json_put_text(o, "name", name) && json_put_text(o, "uri", uri) &&
                 put_digest(o, algorithm, digest);

    return json_append(list, o) && whole;
}

static int put_dependencies(struct json_object *definition, const struct build *build,
                            struct failure *f)
{
    struct json_object *list = json_put_list(definition, "resolvedDependencies");
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < ARRAY_SIZE(sources); i++) {
        _cleanup_free_ char *uri = text_make("urn:broch:source:%s", sources[i]);
        struct digest digest;
        int r = source_digest(build, sources[i], &digest, f);

        if (r < 0)
            return r;
        whole = uri && put_dependency(list, sources[i], uri, "brochTreeSha256", &digest);
    }
    whole = whole &&
            put_dependency(list, "packages.x86_64.lock", "urn:broch:lock:profile", "sha256",
                           &build->supply.digest) &&
            put_dependency(list, "tools/packages.x86_64.lock", "urn:broch:lock:tools", "sha256",
                           &build->tree.digest);
    for (size_t i = 0; whole && i < build->supply.lock.package_count; i++) {
        const struct lock_package *p = &build->supply.lock.packages[i];
        _cleanup_free_ char *uri = text_make("urn:broch:archive:%s", p->path);

        whole = uri && put_dependency(list, p->name, uri, "sha256", &p->digest);
    }
    return whole ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static bool put_parameters(struct json_object *definition, const struct build *build)
{
    struct json_object *external = json_put_object(definition, "externalParameters");
    struct json_object *internal = json_put_object(definition, "internalParameters");

    return external && internal && json_put_text(definition, "buildType", BUILD_TYPE) &&
           json_put_text(external, "profile", build->profile.name) &&
           json_put_text(external, "kernel", build->profile.kernel) &&
           json_put_text(external, "version", build->version) &&
           json_put_text(external, "channel",
                         build->keys.development ? "development" : "production") &&
           json_put_number(internal, "SOURCE_DATE_EPOCH", build->supply.lock.date) &&
           json_put_number(internal, "epoch", (uint64_t)build->profile.epoch) &&
           json_put_flag(internal, "unlocked", build->unlocked);
}

/* The builder is whoever holds the release key: nothing else of him is known or signed. */
static int put_run(struct json_object *predicate, const struct build *build, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/release.pub", build->keys.folder), *id = NULL;
    struct json_object *details = json_put_object(predicate, "runDetails");
    struct json_object *builder = details ? json_put_object(details, "builder") : NULL;
    struct json_object *version = builder ? json_put_object(builder, "version") : NULL;
    char digits[DIGEST_TEXT_SIZE];
    struct digest digest;
    int r = path ? digest_file(path, &digest, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    id = text_make("urn:broch:release-key:sha256:%s", digest_text(&digest, digits));
    if (!version || !id || !json_put_text(builder, "id", id) ||
        !json_put_text(version, "broch-factory", BROCH_VERSION))
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return 0;
}

int provenance_add_json(const struct build *build, struct text *t, struct failure *f)
{
    struct json_object *o = json_object_new_object(), *predicate = NULL, *definition = NULL;
    bool whole = o && json_put_text(o, "_type", "https://in-toto.io/Statement/v1") &&
                 put_subjects(o, build) &&
                 json_put_text(o, "predicateType", "https://slsa.dev/provenance/v1");
    int r = 0;

    predicate = whole ? json_put_object(o, "predicate") : NULL;
    definition = predicate ? json_put_object(predicate, "buildDefinition") : NULL;
    whole = definition && put_parameters(definition, build);
    if (whole)
        r = put_dependencies(definition, build, f);
    if (whole && r == 0)
        r = put_run(predicate, build, f);
    json_finish(o, whole && r == 0, t);
    text_add(t, "\n");
    return r;
}
