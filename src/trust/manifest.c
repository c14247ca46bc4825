#include "trust/manifest.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <json-c/json.h>

#include "base/line.h"
#include "base/number.h"

enum { STRING_JSON_MAX = 6 * MANIFEST_CMDLINE_MAX + 3, DEPTH_MAX = 8 };

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_BOOLEAN, FIELD_DIGEST };

/* One row per key of the top level, in the order in which they are written. */
struct field {
    const char *key;
    enum field_kind kind;
    size_t offset;
    size_t capacity; /* of texts */
    const char *help;
};

#define TEXT_FIELD(key, member, help)                                                              \
    {                                                                                              \
        key, FIELD_TEXT, offsetof(struct manifest, member),                                        \
            sizeof(((struct manifest *)NULL)->member), help                                        \
    }
#define FIELD(key, kind, member, help)                                                             \
    {                                                                                              \
        key, kind, offsetof(struct manifest, member), 0, help                                      \
    }

static const struct field fields[] = {
    TEXT_FIELD("name", name, "Name of the generation."),
    TEXT_FIELD("version", version, "Version of Broch, v<semver>."),
    TEXT_FIELD("profile", profile, "Profile it was made from."),
    TEXT_FIELD("arch", arch, "Processor architecture."),
    TEXT_FIELD("channel", channel, "development or production: which keys signed it."),
    FIELD("unlocked", FIELD_BOOLEAN, unlocked, "The package lock was renewed during the build."),
    FIELD("epoch", FIELD_NUMBER, epoch, "Machines whose epoch is higher refuse it."),
    FIELD("date", FIELD_NUMBER, date, "Unix time of the package lock, in seconds."),
    TEXT_FIELD("kernel", kernel, "Kernel release."),
    TEXT_FIELD("cmdline", cmdline, "Signed kernel command line."),
    FIELD("verity", FIELD_DIGEST, verity_root, "Root hash of the system image."),
    FIELD("lock", FIELD_DIGEST, lock, "SHA-256 of the package lock."),
    FIELD("pcr11_stub", FIELD_DIGEST, pcr11_stub, "PCR 11 when the EFI stub is done."),
    FIELD("pcr11_enter_initrd", FIELD_DIGEST, pcr11_enter_initrd,
          "PCR 11 while stage 1 may unseal."),
};

static void add_json_string(struct text *t, const char *value)
{
    char buffer[STRING_JSON_MAX];
    struct line line = line_make(buffer, sizeof(buffer));

    line_add_json_string(&line, value);
    CHECK(!line.cut);
    text_add(t, buffer);
}

static void add_field(const struct manifest *manifest, const struct field *field, struct text *t)
{
    const uint8_t *at = (const uint8_t *)manifest + field->offset;
    char digits[DIGEST_TEXT_SIZE];
    struct digest digest;
    uint64_t number;

    text_addf(t, "  \"%s\": ", field->key);
    switch (field->kind) {
    case FIELD_TEXT:
        add_json_string(t, (const char *)at);
        break;
    case FIELD_NUMBER:
        memcpy(&number, at, sizeof(number));
        text_addf(t, "%llu", (unsigned long long)number);
        break;
    case FIELD_BOOLEAN:
        text_add(t, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_DIGEST:
        memcpy(&digest, at, sizeof(digest));
        text_addf(t, "\"%s\"", digest_text(&digest, digits));
        break;
    }
    text_add(t, ",\n");
}

void manifest_format(const struct manifest *manifest, struct text *ret_text)
{
    char digits[DIGEST_TEXT_SIZE];

    text_addf(ret_text, "{\n  \"broch\": \"generation\",\n  \"schema\": %d,\n", MANIFEST_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        add_field(manifest, &fields[i], ret_text);
    text_add(ret_text, "  \"files\": [\n");
    for (size_t i = 0; i < manifest->file_count; i++) {
        const struct manifest_file *file = &manifest->files[i];

        text_add(ret_text, "    { \"name\": ");
        add_json_string(ret_text, file->name);
        text_addf(ret_text, ", \"size\": %llu, \"sha256\": \"%s\" }%s\n",
                  (unsigned long long)file->size, digest_text(&file->digest, digits),
                  i + 1 < manifest->file_count ? "," : "");
    }
    text_add(ret_text, "  ]\n}\n");
}

/* --- Reading --- */

static int refuse(struct failure *f, const char *name, const char *key, const char *what)
{
    return failure_set(f, CODE_MANIFEST, -EBADMSG, "%s: \"%s\" %s", name, key, what);
}

static bool read_text(struct json_object *value, char *ret, size_t capacity)
{
    const char *text;
    size_t length;

    if (!json_object_is_type(value, json_type_string))
        return false;
    text = json_object_get_string(value);
    length = (size_t)json_object_get_string_len(value);
    if (length == 0 || length >= capacity || strlen(text) != length)
        return false;
    memcpy(ret, text, length + 1);
    return true;
}

static bool read_number(struct json_object *value, uint64_t *ret)
{
    int64_t number;

    if (!json_object_is_type(value, json_type_int))
        return false;
    number = json_object_get_int64(value);
    if (number < 0 || number == INT64_MAX) /* json-c cuts what does not fit to the maximum */
        return false;
    *ret = (uint64_t)number;
    return true;
}

static bool read_digest(struct json_object *value, struct digest *ret)
{
    char digits[DIGEST_TEXT_SIZE];

    return read_text(value, digits, sizeof(digits)) &&
           digest_parse(digits, strlen(digits), ret) == 0;
}

static bool read_field(struct json_object *value, const struct field *field, struct manifest *ret)
{
    uint8_t *at = (uint8_t *)ret + field->offset;
    struct digest digest;
    uint64_t number;

    switch (field->kind) {
    case FIELD_TEXT:
        return read_text(value, (char *)at, field->capacity);
    case FIELD_NUMBER:
        if (!read_number(value, &number))
            return false;
        memcpy(at, &number, sizeof(number));
        return true;
    case FIELD_BOOLEAN:
        *(bool *)at = json_object_get_boolean(value) != 0;
        return json_object_is_type(value, json_type_boolean);
    case FIELD_DIGEST:
        if (!read_digest(value, &digest))
            return false;
        memcpy(at, &digest, sizeof(digest));
        return true;
    }
    return false;
}

static bool is_file_name(const char *name)
{
    return name[0] != '.' && !strchr(name, '/');
}

static bool read_file_entry(struct json_object *entry, struct manifest_file *ret)
{
    struct json_object *name, *size, *digest;

    return json_object_is_type(entry, json_type_object) && json_object_object_length(entry) == 3 &&
           json_object_object_get_ex(entry, "name", &name) &&
           json_object_object_get_ex(entry, "size", &size) &&
           json_object_object_get_ex(entry, "sha256", &digest) &&
           read_text(name, ret->name, sizeof(ret->name)) && is_file_name(ret->name) &&
           read_number(size, &ret->size) && read_digest(digest, &ret->digest);
}

static int read_files(const char *name, struct json_object *list, struct manifest *ret,
                      struct failure *f)
{
    if (!json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > MANIFEST_FILES_MAX)
        return refuse(f, name, "files", "is not a list of at most 16 files");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct manifest_file *file = &ret->files[ret->file_count];

        if (!read_file_entry(json_object_array_get_idx(list, i), file))
            return refuse(f, name, "files", "has an entry that is not name, size and sha256");
        for (size_t j = 0; j < ret->file_count; j++) {
            if (strcmp(ret->files[j].name, file->name) == 0)
                return refuse(f, name, "files", "names a file twice");
        }
        ret->file_count++;
    }
    return 0;
}

static int read_document(const char *name, struct json_object *document, struct manifest *ret,
                         struct failure *f)
{
    char kind[MANIFEST_TEXT_MAX];
    struct json_object *value;
    uint64_t version;

    if (!json_object_is_type(document, json_type_object))
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "%s: not a JSON object", name);
    if (!json_object_object_get_ex(document, "broch", &value) ||
        !read_text(value, kind, sizeof(kind)) || strcmp(kind, "generation") != 0)
        return refuse(f, name, "broch", "is not \"generation\"");
    if (!json_object_object_get_ex(document, "schema", &value) || !read_number(value, &version) ||
        version != MANIFEST_VERSION)
        return refuse(f, name, "schema", "is not a version that this program knows");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!json_object_object_get_ex(document, fields[i].key, &value))
            return refuse(f, name, fields[i].key, "is missing");
        if (!read_field(value, &fields[i], ret))
            return refuse(f, name, fields[i].key, "has a wrong type or value");
    }
    if (!json_object_object_get_ex(document, "files", &value))
        return refuse(f, name, "files", "is missing");
    if ((size_t)json_object_object_length(document) != ARRAY_SIZE(fields) + 3)
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "%s: an unknown key", name);
    return read_files(name, value, ret, f);
}

/* JSON lets a key stand twice and a number be written in many ways; signed bytes have one form. */
static int check_form(const char *name, const struct manifest *manifest, const uint8_t *bytes,
                      size_t size, struct failure *f)
{
    _cleanup_text_ struct text again = TEXT_INIT;

    manifest_format(manifest, &again);
    if (text_status(&again) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (again.length != size || memcmp(again.data, bytes, size) != 0)
        return failure_set(f, CODE_MANIFEST, -EBADMSG,
                           "%s: not in the one form that a manifest has", name);
    return 0;
}

int manifest_parse(const char *name, const uint8_t *bytes, size_t size, struct manifest *ret,
                   struct failure *f)
{
    struct json_tokener *tokener;
    struct json_object *document;
    struct manifest manifest;
    int r;

    if (size == 0 || size > MANIFEST_FILE_MAX || memchr(bytes, '\0', size))
        return failure_set(f, CODE_MANIFEST, -EBADMSG, "%s: empty, too large or not text", name);
    tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    document = json_tokener_parse_ex(tokener, (const char *)bytes, (int)size);
    if (!document || json_tokener_get_error(tokener) != json_tokener_success) {
        r = failure_set(f, CODE_MANIFEST, -EBADMSG, "%s: not JSON: %s", name,
                        json_tokener_error_desc(json_tokener_get_error(tokener)));
    } else {
        memset(&manifest, 0, sizeof(manifest));
        r = read_document(name, document, &manifest, f);
        if (r == 0)
            r = check_form(name, &manifest, bytes, size, f);
    }
    json_object_put(document);
    json_tokener_free(tokener);
    if (r == 0)
        *ret = manifest;
    return r;
}

/* --- The published schema --- */

static const char *schema_type(enum field_kind kind)
{
    switch (kind) {
    case FIELD_TEXT:
        return "\"type\": \"string\", \"minLength\": 1";
    case FIELD_NUMBER:
        return "\"type\": \"integer\", \"minimum\": 0";
    case FIELD_BOOLEAN:
        return "\"type\": \"boolean\"";
    case FIELD_DIGEST:
        return "\"type\": \"string\", \"pattern\": \"^[0-9a-f]{64}$\"";
    }
    return "";
}

void manifest_print_schema(struct text *ret_text)
{
    text_add(ret_text, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                       "  \"title\": \"generation.json\",\n  \"type\": \"object\",\n"
                       "  \"additionalProperties\": false,\n  \"properties\": {\n"
                       "    \"broch\": { \"const\": \"generation\" },\n");
    text_addf(ret_text, "    \"schema\": { \"const\": %d },\n", MANIFEST_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        text_addf(ret_text, "    \"%s\": { %s, \"description\": ", fields[i].key,
                  schema_type(fields[i].kind));
        add_json_string(ret_text, fields[i].help);
        text_add(ret_text, " },\n");
    }
    text_addf(ret_text,
              "    \"files\": {\n      \"type\": \"array\", \"maxItems\": %d,\n"
              "      \"items\": {\n        \"type\": \"object\", \"additionalProperties\": false,\n"
              "        \"properties\": {\n"
              "          \"name\": { \"type\": \"string\", \"pattern\": \"^[^./][^/]*$\" },\n"
              "          \"size\": { \"type\": \"integer\", \"minimum\": 0 },\n"
              "          \"sha256\": { \"type\": \"string\", \"pattern\": \"^[0-9a-f]{64}$\" }\n"
              "        },\n        \"required\": [\"name\", \"size\", \"sha256\"]\n      }\n    }\n"
              "  },\n  \"required\": [\"broch\", \"schema\", ",
              MANIFEST_FILES_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        text_addf(ret_text, "\"%s\", ", fields[i].key);
    text_add(ret_text, "\"files\"]\n}\n");
}
