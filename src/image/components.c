/* Step "sbom": what the generation is made of, read back from the finished image and boot file.
 * Outputs: sbom.spdx.json, sbom.cdx.json, provenance.json. */
#include "image/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/artifact.h"
#include "image/erofs.h"
#include "image/kernel_own.h"
#include "image/licence.h"
#include "image/package_files.h"
#include "image/provenance.h"
#include "image/sbom.h"
#include "sys/file.h"
#include "trust/pe_section.h"

#define STUB_PACKAGE "systemd-boot-efi"
#define MADE         "made-by-the-build"

/* What the inner functions of this step share. */
struct components {
    struct build *build;
    struct sbom *sbom;
    struct lock tools; /* of the tools tree; empty when it was made from another one */
    struct package_files image_files, tool_files;
    char *programs, *modules, *overlay, *profile_name; /* folders of layers */
};

/* Which package the kernel and its modules are of; false when no lock says so. */
static bool kernel_package(const struct components *c, const struct lock **ret_lock,
                           const char **ret_name)
{
    const struct lock_package *package = lock_kernel(&c->build->supply.lock);

    if (build_kernel_is_own(c->build)) {
        *ret_lock = &c->build->kernel_tree.lock;
        *ret_name = KERNEL_OWN_PACKAGE;
        return true;
    }
    *ret_lock = &c->build->supply.lock;
    *ret_name = package ? package->name : NULL;
    return package != NULL;
}

static int bad(struct failure *f, int r)
{
    return failure_set(f, CODE_STEP_FAILED, r, "the list of components cannot be made");
}

static bool is_in(const char *folder, const char *path)
{
    _cleanup_free_ char *file = text_make("%s/%s", folder, path);
    _cleanup_free_ char *template = text_make("%s/%s.in", folder, path);
    struct stat status;

    return file && template && (lstat(file, &status) == 0 || lstat(template, &status) == 0);
}

/* Written by the build itself, whatever layer has a file of this name (system.c). */
static bool is_written_by_build(const char *path)
{
    static const char *const paths[] = {
        "usr/lib/broch/services.list",
        "usr/lib/broch/apparmor.policy",
        "usr/lib/broch/release.pub",
        "usr/lib/os-release",
        "etc/passwd",
        "etc/group",
        "etc/shadow",
        "etc/gshadow",
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (strcmp(path, paths[i]) == 0)
            return true;
    }
    return false;
}

/* depmod's indexes; the other two come with the kernel. */
static bool is_module_index(const char *path)
{
    const char *name = strrchr(path, '/');

    return name && strncmp(name, "/modules.", 9) == 0 && strcmp(name, "/modules.order") != 0 &&
           strncmp(name, "/modules.builtin", 16) != 0;
}

/* The kinds of origin, in the order in which the layers of the image hide each other. */
static int own_system_file(struct components *c, const char *path, size_t *ret)
{
    const struct lock *kernel_lock;
    const char *package, *kernel;

    if (is_written_by_build(path))
        return sbom_component(c->sbom, SBOM_MADE, MADE, NULL, ret);
    if (is_in(c->overlay, path))
        return sbom_component(c->sbom, SBOM_OWN, c->profile_name, NULL, ret);
    if (is_in(c->programs, path))
        return sbom_component(c->sbom, SBOM_OWN, "broch", NULL, ret);
    if (kernel_package(c, &kernel_lock, &kernel) && is_in(c->modules, path))
        return is_module_index(path)
                   ? sbom_component(c->sbom, SBOM_MADE, MADE, NULL, ret)
                   : sbom_component(c->sbom, SBOM_DEBIAN, kernel, kernel_lock, ret);
    package = package_files_find(&c->image_files, path);
    if (package)
        return sbom_component(c->sbom, SBOM_DEBIAN, package, &c->build->supply.lock, ret);
    return sbom_component(c->sbom, SBOM_MADE, MADE, NULL, ret);
}

static int own_initrd_file(struct components *c, const char *path, size_t *ret)
{
    const struct lock *kernel_lock;
    const char *package, *kernel;

    if (strcmp(path, "init") == 0)
        return sbom_component(c->sbom, SBOM_OWN, "broch", NULL, ret);
    if (strncmp(path, "broch/", 6) == 0)
        return sbom_component(c->sbom, SBOM_MADE, MADE, NULL, ret);
    if (strncmp(path, "modules/", 8) == 0 && kernel_package(c, &kernel_lock, &kernel))
        return sbom_component(c->sbom, SBOM_DEBIAN, kernel, kernel_lock, ret);
    package = package_files_find(&c->tool_files, path);
    return package ? sbom_component(c->sbom, SBOM_TOOLS, package, &c->tools, ret) : -ENOENT;
}

static int own_section(struct components *c, const char *name, size_t *ret)
{
    static const char *const made[] = { ".osrel", ".cmdline", ".uname",
                                        ".sbat",  ".pcrpkey", ".pcrsig" };
    const struct lock *kernel_lock;
    const char *kernel;

    if (strcmp(name, ".linux") == 0 && kernel_package(c, &kernel_lock, &kernel))
        return sbom_component(c->sbom, SBOM_DEBIAN, kernel, kernel_lock, ret);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        if (strcmp(name, made[i]) == 0)
            return sbom_component(c->sbom, SBOM_MADE, MADE, NULL, ret);
    }
    return sbom_component(c->sbom, SBOM_TOOLS, STUB_PACKAGE, &c->tools, ret);
}

static int add_contents(struct components *c, const char *root, const struct contents *contents,
                        int (*own)(struct components *c, const char *path, size_t *ret),
                        struct failure *f)
{
    for (size_t i = 0; i < contents->count; i++) {
        const struct contents_file *file = &contents->files[i];
        size_t component;
        int r;

        if (file->link)
            continue;
        r = own(c, file->path, &component);
        if (r == -ENOENT)
            return failure_set(f, CODE_STEP_FAILED, r, "'%s/%s' belongs to no package", root,
                               file->path);
        if (r == 0)
            r = sbom_add_file(c->sbom, root, file->path, component, &file->digest, file->sha1);
        if (r < 0)
            return bad(f, r);
    }
    return 0;
}

static int add_sections(struct components *c, struct span uki, struct failure *f)
{
    struct pe_sections sections;
    int r = pe_sections_read(uki.bytes, uki.size, &sections);

    for (size_t i = 0; r == 0 && i < sections.count; i++) {
        const struct pe_section *s = &sections.list[i];
        const struct span content = { uki.bytes + s->offset, s->size };
        const struct digest digest = digest_bytes(content.bytes, content.size);
        uint8_t sha1[CONTENTS_SHA1_SIZE];
        size_t component;

        if (strcmp(s->name, ".initrd") == 0)
            continue;
        contents_sha1(content, (struct span){ content.bytes, 0 }, sha1);
        r = own_section(c, s->name, &component);
        if (r == 0)
            r = sbom_add_file(c->sbom, "linux.efi", s->name, component, &digest, sha1);
    }
    return r < 0 ? bad(f, r) : 0;
}

/* Packages that have no file of their own are installed nevertheless. */
static int add_empty_packages(struct components *c, struct failure *f)
{
    const struct lock *lock = &c->build->supply.lock;
    size_t ignored;
    int r = 0;

    for (size_t i = 0; r == 0 && i < lock->package_count; i++)
        r = sbom_component(c->sbom, SBOM_DEBIAN, lock->packages[i].name, lock, &ignored);
    return r < 0 ? bad(f, r) : 0;
}

/* --- Licences --- */

struct licences {
    struct sbom *sbom;
    const struct contents *system;
};

/* The folder under usr/share/doc, which may be another package's. */
static const char *doc_folder(const struct licences *l, const char *package)
{
    _cleanup_free_ char *path = text_make("usr/share/doc/%s", package);
    const struct contents_file *file = path ? contents_find(l->system, path) : NULL;

    return file && file->link && !strchr(file->link, '/') ? file->link : package;
}

static int take_licence(const struct erofs_entry *entry, void *context)
{
    static const char head[] = "usr/share/doc/", tail[] = "/copyright";
    const struct licences *l = context;
    size_t length = strlen(entry->path);
    _cleanup_free_ char *folder = NULL;
    struct text bytes = TEXT_INIT, expression = TEXT_INIT;
    int r = 0;

    if (!S_ISREG(entry->mode) || length <= strlen(head) + strlen(tail) ||
        strncmp(entry->path, head, strlen(head)) != 0 ||
        strcmp(entry->path + length - strlen(tail), tail) != 0)
        return 0;
    folder = strndup(entry->path + strlen(head), length - strlen(head) - strlen(tail));
    text_add_bytes(&bytes, entry->parts[0].bytes, entry->parts[0].size);
    text_add_bytes(&bytes, entry->parts[1].bytes, entry->parts[1].size);
    licence_read(text_string(&bytes), bytes.length, &expression);
    if (!folder || text_status(&bytes) < 0 || text_status(&expression) < 0)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && expression.length > 0 && i < l->sbom->component_count; i++) {
        struct sbom_component *c = &l->sbom->components[i];

        if ((c->kind != SBOM_DEBIAN && c->kind != SBOM_TOOLS) || c->licence ||
            strcmp(doc_folder(l, c->name), folder) != 0)
            continue;
        c->licence = strdup(text_string(&expression));
        r = c->licence ? 0 : -ENOMEM;
    }
    text_done(&bytes);
    text_done(&expression);
    return r;
}

static int add_licences(struct components *c, struct span image, const struct contents *system,
                        struct failure *f)
{
    struct licences licences = { .sbom = c->sbom, .system = system };
    int r = erofs_walk(image, take_licence, &licences);

    for (size_t i = 0; r == 0 && i < c->sbom->component_count; i++) {
        struct sbom_component *component = &c->sbom->components[i];

        if (component->kind != SBOM_OWN)
            continue;
        (void)snprintf(component->version, sizeof(component->version), "%s", c->build->version + 1);
        component->licence = strdup("Apache-2.0");
        r = component->licence ? 0 : -ENOMEM;
    }
    return r < 0 ? bad(f, r) : 0;
}

/* --- The step --- */

static int gather(struct components *c, struct artifact *uki, struct artifact *system,
                  struct failure *f)
{
    _cleanup_contents_ struct contents image = CONTENTS_INIT, initrd = CONTENTS_INIT;
    int r = contents_of_system(system->pairs[0].system, true, &image, f);

    if (r == 0)
        r = contents_of_initrd(uki->pairs[0].initrd, true, &initrd, f);
    if (r == 0)
        r = add_contents(c, "system", &image, own_system_file, f);
    if (r == 0)
        r = add_contents(c, "initrd", &initrd, own_initrd_file, f);
    if (r == 0)
        r = add_sections(c, uki->pairs[0].uki, f);
    if (r == 0)
        r = add_empty_packages(c, f);
    return r < 0 ? r : add_licences(c, system->pairs[0].system, &image, f);
}

static int write_text(const char *folder, const char *name, struct text *t, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    if (!path || text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(path, text_string(t), t->length, 0644, f);
}

static int write_documents(const struct components *c, const char *folder, struct failure *f)
{
    _cleanup_text_ struct text spdx = TEXT_INIT, cyclonedx = TEXT_INIT, provenance = TEXT_INIT;
    int r;

    sbom_add_spdx(c->sbom, &spdx);
    sbom_add_cyclonedx(c->sbom, &cyclonedx);
    r = write_text(folder, "sbom.spdx.json", &spdx, f);
    if (r == 0)
        r = write_text(folder, "sbom.cdx.json", &cyclonedx, f);
    if (r == 0)
        r = provenance_add_json(c->build, &provenance, f);
    return r < 0 ? r : write_text(folder, "provenance.json", &provenance, f);
}

/* Versions and sums of the tools tree's packages, when it was made from the committed lock. */
static int read_tools(struct components *c, struct failure *f)
{
    _cleanup_free_ char *path =
        text_make("%s/tools/packages.x86_64.lock", c->build->request->source);
    struct digest digest;
    int r = path ? lock_read(path, &c->tools, &digest, f) : bad(f, -ENOMEM);

    if (r == 0 && memcmp(&digest, &c->build->tree.digest, sizeof(digest)) != 0)
        lock_done(&c->tools);
    return r;
}

static int open_inputs(struct components *c, struct artifact *uki, struct artifact *system,
                       struct failure *f)
{
    struct build *build = c->build;
    _cleanup_free_ char *root = step_path(&build->rootfs, "rootfs.tar");
    _cleanup_free_ char *uki_path = step_path(&build->uki, "linux.efi");
    _cleanup_free_ char *system_path = step_path(&build->system, "system.erofs");
    int r;

    c->programs = step_path(&build->programs, "tree");
    c->modules = step_path(&build->kernel, "tree");
    c->overlay = text_make("%s/overlay", build->profile.folder);
    c->profile_name = text_make("broch-profile-%s", build->profile.name);
    if (!root || !uki_path || !system_path || !c->programs || !c->modules || !c->overlay ||
        !c->profile_name)
        return bad(f, -ENOMEM);
    r = package_files_of_tar(root, &c->image_files, f);
    if (r == 0)
        r = package_files_of_folder(build->tree.path, &c->tool_files, f);
    if (r == 0)
        r = read_tools(c, f);
    if (r == 0)
        r = artifact_open(uki_path, uki, f);
    return r < 0 ? r : artifact_open(system_path, system, f);
}

static int run(const char *folder, void *context, struct failure *f)
{
    struct build *build = context;
    _cleanup_artifact_ struct artifact uki = ARTIFACT_INIT, system = ARTIFACT_INIT;
    struct components c = { .build = build, .sbom = calloc(1, sizeof(*c.sbom)) };
    int r = c.sbom ? open_inputs(&c, &uki, &system, f) : bad(f, -ENOMEM);

    if (r == 0) {
        c.sbom->generation = build->generation;
        c.sbom->version = build->version;
        c.sbom->date = build->supply.lock.date;
        r = gather(&c, &uki, &system, f);
    }
    if (r == 0)
        r = write_documents(&c, folder, f);
    package_files_done(&c.image_files);
    package_files_done(&c.tool_files);
    lock_done(&c.tools);
    if (c.sbom)
        sbom_done(c.sbom);
    free(c.sbom);
    free(c.programs);
    free(c.modules);
    free(c.overlay);
    free(c.profile_name);
    return r;
}

int build_sbom(struct build *build, struct failure *f)
{
    _cleanup_free_ char *overlay = text_make("%s/overlay", build->profile.folder);
    struct digest digest;
    int r = overlay ? digest_tree(overlay, &digest, f) : bad(f, -ENOMEM);

    if (r < 0)
        return r;
    step_init(&build->sbom, "sbom");
    step_input_number(&build->sbom, "form", 1); /* raised when the documents change */
    step_input_digest(&build->sbom, "tools", &build->tree.digest);
    step_input_digest(&build->sbom, "lock", &build->supply.digest);
    step_input_digest(&build->sbom, "rootfs", &build->rootfs.result);
    step_input_digest(&build->sbom, "kernel", &build->kernel.result);
    step_input_digest(&build->sbom, "programs", &step_output(&build->programs, "tree")->digest);
    step_input_digest(&build->sbom, "overlay", &digest);
    step_input_digest(&build->sbom, "system", &build->system.result);
    step_input_digest(&build->sbom, "initrd", &build->initrd.result);
    step_input_digest(&build->sbom, "uki", &build->uki.result);
    step_input_digest(&build->sbom, "disk", &build->disk.result);
    step_input_digest(&build->sbom, "keys", &build->keys.digest);
    r = provenance_add_inputs(build, &build->sbom, f);
    return r < 0 ? r : step_do(&build->sbom, &build->shared, run, build, f);
}
