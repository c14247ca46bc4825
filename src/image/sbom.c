#include "image/sbom.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hex.h"
#include "base/line.h"
#include "work/json.h"

enum { GROWTH = 4096, TIME_TEXT_SIZE = 32, ID_SIZE = 64, PURL_SIZE = 1024, UUID_SIZE = 64 };

void sbom_done(struct sbom *sbom)
{
    for (size_t i = 0; i < sbom->component_count; i++)
        free(sbom->components[i].licence);
    for (size_t i = 0; i < sbom->file_count; i++)
        free(sbom->files[i].path);
    free(sbom->files);
}

int sbom_component(struct sbom *sbom, enum sbom_kind kind, const char *name,
                   const struct lock *lock, size_t *ret)
{
    struct sbom_component *c;

    for (size_t i = 0; i < sbom->component_count; i++) {
        c = &sbom->components[i];
        if (c->kind == kind && strcmp(c->name, name) == 0) {
            *ret = i;
            return 0;
        }
    }
    if (sbom->component_count == SBOM_COMPONENTS_MAX || strlen(name) >= sizeof(c->name))
        return -ERANGE;
    c = &sbom->components[sbom->component_count];
    *c = (struct sbom_component){ .kind = kind };
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    for (size_t i = 0; lock && i < lock->package_count; i++) {
        const struct lock_package *p = &lock->packages[i];

        if (strcmp(p->name, name) != 0)
            continue;
        (void)snprintf(c->version, sizeof(c->version), "%s", p->version);
        (void)snprintf(c->arch, sizeof(c->arch), "%s", p->arch);
        c->package = p->digest;
        c->has_package = true;
    }
    *ret = sbom->component_count++;
    return 0;
}

int sbom_add_file(struct sbom *sbom, const char *root, const char *path, size_t component,
                  const struct digest *digest, const uint8_t sha1[static CONTENTS_SHA1_SIZE])
{
    struct sbom_file *file;

    CHECK(component < sbom->component_count);
    if (sbom->file_count == sbom->file_capacity) {
        file = reallocarray(sbom->files, sbom->file_capacity + GROWTH, sizeof(*file));
        if (!file)
            return -ENOMEM;
        sbom->files = file;
        sbom->file_capacity += GROWTH;
    }
    file = &sbom->files[sbom->file_count];
    *file = (struct sbom_file){ .component = component, .digest = *digest };
    memcpy(file->sha1, sha1, sizeof(file->sha1));
    file->path = text_make("%s/%s", root, path);
    if (!file->path)
        return -ENOMEM;
    sbom->file_count++;
    return 0;
}

/* --- What both documents share --- */

/* RFC 3339, as both want it. */
static void add_time(uint64_t date, char ret[static TIME_TEXT_SIZE])
{
    const time_t seconds = (time_t)date;
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) ||
        strftime(ret, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        ret[0] = '\0';
}

/* Another content is another document: the id follows from all sums. RFC 9562, version 8. */
static void make_uuid(const struct sbom *sbom, const char *purpose, char ret[static UUID_SIZE])
{
    struct digest_stream *stream = digest_stream_start();
    char digits[DIGEST_TEXT_SIZE];
    struct digest d;

    digest_stream_add(stream, purpose, strlen(purpose));
    digest_stream_add(stream, sbom->generation, strlen(sbom->generation));
    for (size_t i = 0; i < sbom->file_count; i++) {
        digest_stream_add(stream, sbom->files[i].path, strlen(sbom->files[i].path) + 1);
        digest_stream_add(stream, sbom->files[i].digest.bytes, DIGEST_SIZE);
    }
    d = digest_stream_end(stream);
    d.bytes[6] = (uint8_t)((d.bytes[6] & 0x0f) | 0x80);
    d.bytes[8] = (uint8_t)((d.bytes[8] & 0x3f) | 0x80);
    (void)digest_text(&d, digits);
    (void)snprintf(ret, UUID_SIZE, "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                   digits + 12, digits + 16, digits + 20);
}

static bool is_package(const struct sbom_component *c)
{
    return c->kind == SBOM_DEBIAN || c->kind == SBOM_TOOLS;
}

/* https://github.com/package-url/purl-spec: type deb. Empty for what is no package. */
static void make_purl(const struct sbom_component *c, char ret[static PURL_SIZE])
{
    struct line l = line_make(ret, PURL_SIZE);
    const char *parts[] = { c->name, c->version };

    if (!is_package(c) || c->version[0] == '\0')
        return;
    line_add(&l, "pkg:deb/debian/");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (i > 0)
            line_add(&l, "@");
        for (const char *at = parts[i]; *at; at++) {
            if (*at == '+' || *at == ':')
                line_addf(&l, "%%%02X", (unsigned)*at);
            else
                line_add_bytes(&l, at, 1);
        }
    }
    line_addf(&l, "?arch=%s&distro=debian-13", c->arch);
}

static bool put_hash(struct json_object *list, const char *algorithm, const char *name_key,
                     const char *value_key, const uint8_t *bytes, size_t size)
{
    struct json_object *hash = json_object_new_object();
    char digits[DIGEST_TEXT_SIZE];
    bool whole;

    hex_encode(bytes, size, digits);
    whole =
        hash && json_put_text(hash, name_key, algorithm) && json_put_text(hash, value_key, digits);
    return json_append(list, hash) && whole;
}

/* --- SPDX --- */

static int by_digits(const void *a, const void *b)
{
    return memcmp(a, b, CONTENTS_SHA1_SIZE);
}

/* SPDX 2.3, 7.9: SHA-1 over the sorted SHA-1s of the files, as digits. */
static bool put_verification_code(struct json_object *package, const struct sbom *sbom,
                                  size_t component)
{
    uint8_t(*sums)[CONTENTS_SHA1_SIZE] = calloc(sbom->file_count + 1, sizeof(*sums));
    struct json_object *code = json_put_object(package, "packageVerificationCode");
    struct text digits = TEXT_INIT;
    char one[2 * CONTENTS_SHA1_SIZE + 1];
    uint8_t sum[CONTENTS_SHA1_SIZE];
    size_t count = 0;
    bool whole = sums && code;

    for (size_t i = 0; whole && i < sbom->file_count; i++) {
        if (sbom->files[i].component == component)
            memcpy(sums[count++], sbom->files[i].sha1, CONTENTS_SHA1_SIZE);
    }
    if (whole)
        qsort(sums, count, sizeof(*sums), by_digits);
    for (size_t i = 0; whole && i < count; i++) {
        hex_encode(sums[i], CONTENTS_SHA1_SIZE, one);
        text_add(&digits, one);
    }
    contents_sha1((struct span){ (const uint8_t *)text_string(&digits), digits.length },
                  (struct span){ (const uint8_t *)"", 0 }, sum);
    hex_encode(sum, sizeof(sum), one);
    whole = whole && text_status(&digits) == 0 &&
            json_put_text(code, "packageVerificationCodeValue", one);
    text_done(&digits);
    free(sums);
    return whole;
}

static bool has_files(const struct sbom *sbom, size_t component)
{
    for (size_t i = 0; i < sbom->file_count; i++) {
        if (sbom->files[i].component == component)
            return true;
    }
    return false;
}

static bool put_purl(struct json_object *package, const struct sbom_component *c)
{
    char purl[PURL_SIZE] = "";
    struct json_object *list, *reference;
    bool whole;

    make_purl(c, purl);
    if (purl[0] == '\0')
        return true;
    list = json_put_list(package, "externalRefs");
    reference = json_object_new_object();
    whole = reference && json_put_text(reference, "referenceCategory", "PACKAGE-MANAGER") &&
            json_put_text(reference, "referenceType", "purl") &&
            json_put_text(reference, "referenceLocator", purl);
    return list && json_append(list, reference) && whole;
}

static bool put_package(struct json_object *list, const struct sbom *sbom, size_t index)
{
    const struct sbom_component *c = &sbom->components[index];
    struct json_object *p = json_object_new_object(), *sums;
    bool files = has_files(sbom, index), whole;
    char id[ID_SIZE];

    (void)snprintf(id, sizeof(id), "SPDXRef-Package-%zu", index);
    whole = p && json_put_text(p, "SPDXID", id) && json_put_text(p, "name", c->name) &&
            (c->version[0] == '\0' || json_put_text(p, "versionInfo", c->version)) &&
            json_put_text(p, "downloadLocation", "NOASSERTION") &&
            json_put_flag(p, "filesAnalyzed", files) &&
            json_put_text(p, "licenseConcluded", "NOASSERTION") &&
            json_put_text(p, "licenseDeclared", c->licence ? c->licence : "NOASSERTION") &&
            json_put_text(p, "copyrightText", "NOASSERTION") && put_purl(p, c) &&
            (!files || put_verification_code(p, sbom, index));
    if (whole && c->has_package) {
        sums = json_put_list(p, "checksums");
        whole = sums && put_hash(sums, "SHA256", "algorithm", "checksumValue", c->package.bytes,
                                 DIGEST_SIZE);
    }
    return json_append(list, p) && whole;
}

static bool put_file(struct json_object *list, const struct sbom_file *file, size_t index)
{
    struct json_object *o = json_object_new_object(),
                       *sums = o ? json_put_list(o, "checksums") : NULL;
    char id[ID_SIZE], *name = text_make("./%s", file->path);
    bool whole;

    (void)snprintf(id, sizeof(id), "SPDXRef-File-%zu", index);
    whole =
        sums && name && json_put_text(o, "SPDXID", id) && json_put_text(o, "fileName", name) &&
        put_hash(sums, "SHA1", "algorithm", "checksumValue", file->sha1, sizeof(file->sha1)) &&
        put_hash(sums, "SHA256", "algorithm", "checksumValue", file->digest.bytes, DIGEST_SIZE) &&
        json_put_text(o, "licenseConcluded", "NOASSERTION") &&
        json_put_text(o, "copyrightText", "NOASSERTION");
    free(name);
    return json_append(list, o) && whole;
}

static bool put_relation(struct json_object *list, const char *from, const char *type,
                         const char *to)
{
    struct json_object *o = json_object_new_object();
    bool whole = o && json_put_text(o, "spdxElementId", from) &&
                 json_put_text(o, "relationshipType", type) &&
                 json_put_text(o, "relatedSpdxElement", to);

    return json_append(list, o) && whole;
}

static bool put_relations(struct json_object *o, const struct sbom *sbom)
{
    struct json_object *list = json_put_list(o, "relationships");
    char from[ID_SIZE], to[ID_SIZE];
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < sbom->component_count; i++) {
        (void)snprintf(to, sizeof(to), "SPDXRef-Package-%zu", i);
        whole = put_relation(list, "SPDXRef-DOCUMENT", "DESCRIBES", to);
    }
    for (size_t i = 0; whole && i < sbom->file_count; i++) {
        (void)snprintf(from, sizeof(from), "SPDXRef-Package-%zu", sbom->files[i].component);
        (void)snprintf(to, sizeof(to), "SPDXRef-File-%zu", i);
        whole = put_relation(list, from, "CONTAINS", to);
    }
    return whole;
}

/* Each "LicenseRef-..." of the expressions has to be explained once. */
static bool put_references(struct json_object *o, const struct sbom *sbom)
{
    struct json_object *list = json_put_list(o, "hasExtractedLicensingInfos"), *known;
    bool whole = list != NULL;

    known = json_object_new_object();
    for (size_t i = 0; whole && known && i < sbom->component_count; i++) {
        const char *at = sbom->components[i].licence;

        while (whole && at && (at = strstr(at, "LicenseRef-"))) {
            char *name = strndup(at, strcspn(at, " )"));
            struct json_object *reference;

            at += strcspn(at, " )");
            if (name && !json_object_object_get_ex(known, name, NULL)) {
                reference = json_object_new_object();
                whole = reference && json_put_flag(known, name, true) &&
                        json_put_text(reference, "licenseId", name) &&
                        json_put_text(reference, "extractedText",
                                      "As /usr/share/doc/<package>/copyright in the image has it.");
                whole = json_append(list, reference) && whole;
            }
            whole = whole && name;
            free(name);
        }
    }
    whole = whole && known;
    (void)json_object_put(known); /* accepts NULL */
    return whole;
}

static bool put_creation(struct json_object *o, const struct sbom *sbom)
{
    struct json_object *info = json_put_object(o, "creationInfo");
    struct json_object *creators = info ? json_put_list(info, "creators") : NULL;
    char date[TIME_TEXT_SIZE];

    add_time(sbom->date, date);
    return creators && json_put_text(info, "created", date) &&
           json_append(creators, json_object_new_string("Tool: broch-" BROCH_VERSION));
}

void sbom_add_spdx(const struct sbom *sbom, struct text *t)
{
    struct json_object *o = json_object_new_object(), *packages, *files;
    char uuid[UUID_SIZE];
    bool whole;

    make_uuid(sbom, "spdx", uuid);
    whole = o && json_put_text(o, "spdxVersion", "SPDX-2.3") &&
            json_put_text(o, "dataLicense", "CC0-1.0") &&
            json_put_text(o, "SPDXID", "SPDXRef-DOCUMENT") &&
            json_put_text(o, "name", sbom->generation) &&
            json_put_text(o, "documentNamespace", uuid) && put_creation(o, sbom);
    packages = whole ? json_put_list(o, "packages") : NULL;
    for (size_t i = 0; packages && whole && i < sbom->component_count; i++)
        whole = put_package(packages, sbom, i);
    files = whole ? json_put_list(o, "files") : NULL;
    for (size_t i = 0; files && whole && i < sbom->file_count; i++)
        whole = put_file(files, &sbom->files[i], i);
    whole = whole && packages && files && put_relations(o, sbom) && put_references(o, sbom);
    json_finish(o, whole, t);
    text_add(t, "\n");
}

/* --- CycloneDX --- */

static bool put_inner_files(struct json_object *component, const struct sbom *sbom, size_t index)
{
    struct json_object *list = json_put_list(component, "components");
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < sbom->file_count; i++) {
        struct json_object *file, *hashes;

        if (sbom->files[i].component != index)
            continue;
        file = json_object_new_object();
        hashes = file && json_put_text(file, "type", "file") &&
                         json_put_text(file, "name", sbom->files[i].path)
                     ? json_put_list(file, "hashes")
                     : NULL;
        whole = hashes && put_hash(hashes, "SHA-256", "alg", "content", sbom->files[i].digest.bytes,
                                   DIGEST_SIZE);
        whole = json_append(list, file) && whole;
    }
    return whole;
}

static bool put_licences(struct json_object *component, const struct sbom_component *c)
{
    struct json_object *list, *choice;
    bool whole;

    if (!c->licence)
        return true;
    list = json_put_list(component, "licenses");
    choice = json_object_new_object();
    whole = choice && json_put_text(choice, "expression", c->licence);
    return list && json_append(list, choice) && whole;
}

static bool put_component(struct json_object *list, const struct sbom *sbom, size_t index)
{
    const struct sbom_component *c = &sbom->components[index];
    struct json_object *o = json_object_new_object(), *hashes;
    char purl[PURL_SIZE] = "", reference[ID_SIZE];
    bool whole;

    make_purl(c, purl);
    (void)snprintf(reference, sizeof(reference), "component-%zu", index);
    whole = o && json_put_text(o, "type", c->kind == SBOM_OWN ? "application" : "library") &&
            json_put_text(o, "bom-ref", reference) && json_put_text(o, "name", c->name) &&
            (c->version[0] == '\0' || json_put_text(o, "version", c->version)) &&
            (purl[0] == '\0' || json_put_text(o, "purl", purl)) && put_licences(o, c);
    if (whole && c->has_package) {
        hashes = json_put_list(o, "hashes");
        whole =
            hashes && put_hash(hashes, "SHA-256", "alg", "content", c->package.bytes, DIGEST_SIZE);
    }
    whole = whole && put_inner_files(o, sbom, index);
    return json_append(list, o) && whole;
}

static bool put_metadata(struct json_object *o, const struct sbom *sbom)
{
    struct json_object *metadata = json_put_object(o, "metadata");
    struct json_object *what = metadata ? json_put_object(metadata, "component") : NULL;
    char date[TIME_TEXT_SIZE];

    add_time(sbom->date, date);
    return what && json_put_text(metadata, "timestamp", date) &&
           json_put_text(what, "type", "operating-system") &&
           json_put_text(what, "bom-ref", "generation") &&
           json_put_text(what, "name", sbom->generation) &&
           json_put_text(what, "version", sbom->version);
}

void sbom_add_cyclonedx(const struct sbom *sbom, struct text *t)
{
    struct json_object *o = json_object_new_object(), *list;
    char uuid[UUID_SIZE];
    bool whole;

    make_uuid(sbom, "cyclonedx", uuid);
    whole = o && json_put_text(o, "bomFormat", "CycloneDX") &&
            json_put_text(o, "specVersion", "1.5") && json_put_text(o, "serialNumber", uuid) &&
            json_put_number(o, "version", 1) && put_metadata(o, sbom);
    list = whole ? json_put_list(o, "components") : NULL;
    for (size_t i = 0; list && whole && i < sbom->component_count; i++)
        whole = put_component(list, sbom, i);
    json_finish(o, whole && list, t);
    text_add(t, "\n");
}
