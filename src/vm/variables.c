#include "vm/variables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "sys/boot_entry.h"
#include "sys/file.h"
#include "sys/spawn.h"

#define EMPTY_STORE "/usr/share/OVMF/OVMF_VARS_4M.fd"

enum {
    CERTIFICATE_MAX = 64 << 10,
    JSON_MAX = 8 << 20,
    HASH_SIZE = 32,
    /* Attributes of PK, KEK, db and dbx: stored, seen before and after boot, written with a time.
     */
    ATTRIBUTES_SIGNED = 0x27,
    JSON_VERSION = 2,
};

static const char *const key_names[] = { "PK", "KEK", "db" };

static void put_object(json_object **object)
{
    json_object_put(*object);
}
#define _cleanup_json_ __attribute__((cleanup(put_object)))

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* --- Running the tool --- */

/* A folder of its own for one change; removed with everything in it. */
struct workshop {
    char folder[32];
    char *input;  /* copy of the store */
    char *output; /* what the tool wrote */
    char *json;   /* what goes between it and us */
};

static void workshop_done(struct workshop *w)
{
    struct failure ignored = FAILURE_NONE;

    /* What stays behind lies in /tmp, where the system cleans up. */
    if (w->folder[0] && file_remove_tree(w->folder, &ignored) < 0)
        w->folder[0] = '\0';
    free(w->input);
    free(w->output);
    free(w->json);
}
#define _cleanup_workshop_ __attribute__((cleanup(workshop_done)))

static int workshop_open(struct workshop *w, const char *path, struct failure *f)
{
    *w = (struct workshop){ .folder = "/tmp/broch-vars.XXXXXX" };
    if (!mkdtemp(w->folder)) {
        w->folder[0] = '\0';
        return file_failure(f, errno, "make a folder in", "/tmp");
    }
    w->input = text_make("%s/in.fd", w->folder);
    w->output = text_make("%s/out.fd", w->folder);
    w->json = text_make("%s/vars.json", w->folder);
    if (!w->input || !w->output || !w->json)
        return out_of_memory(f);
    return path ? file_copy(path, w->input, 0600, f) : 0;
}

/* Runs virt-fw-vars with the workshop as /in. What it says is shown only when it fails. */
static int run_tool(const char *tree, const struct workshop *w, const struct arguments *arguments,
                    struct failure *f)
{
    struct sandbox sandbox = { .tree = tree, .binds = { { w->folder, "/in", false } } };
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .sandbox = &sandbox };
    int r = spawn_run(&spawn, f);

    if (r < 0) {
        f->code = f->code == CODE_STEP_FAILED ? CODE_VM_VARIABLES : f->code;
        failure_prefix(f, "cannot change the variable store");
    }
    return r;
}

static int read_store(const char *tree, const struct workshop *w, json_object **ret,
                      struct failure *f)
{
    struct arguments arguments = ARGUMENTS("virt-fw-vars", "--loglevel", "error", "--input",
                                           "/in/in.fd", "--output-json", "/in/vars.json");
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;
    int r = run_tool(tree, w, &arguments, f);

    if (r == 0)
        r = file_read(w->json, JSON_MAX, &bytes, &size, f);
    if (r < 0)
        return r;
    *ret = json_tokener_parse((const char *)bytes);
    if (!*ret)
        return failure_set(f, CODE_VM_VARIABLES, -EBADMSG, "virt-fw-vars wrote no JSON");
    return 0;
}

/* Applies one more pair of arguments to in.fd and puts the result at `path`. */
static int change_store(const char *tree, const struct workshop *w, const char *option,
                        const char *value, const char *path, struct failure *f)
{
    struct arguments arguments = ARGUMENTS("virt-fw-vars", "--loglevel", "error", "--input",
                                           "/in/in.fd", "--output", "/in/out.fd", option, value);
    int r = run_tool(tree, w, &arguments, f);

    return r == 0 ? file_copy(w->output, path, 0600, f) : r;
}

/* --- Certificates --- */

char *vm_certificate_pem(const uint8_t *der, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { BYTES_PER_LINE = 48 };
    struct text pem = TEXT_INIT;

    text_add(&pem, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < size; i += 3) {
        size_t count = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t)der[i] << 16;
        char quad[4];

        if (count > 1)
            group |= (uint32_t)der[i + 1] << 8;
        if (count > 2)
            group |= der[i + 2];
        for (size_t k = 0; k < 4; k++)
            quad[k] = k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
        text_add_bytes(&pem, quad, sizeof(quad));
        if ((i + 3) % BYTES_PER_LINE == 0 || i + 3 >= size)
            text_add(&pem, "\n");
    }
    text_add(&pem, "-----END CERTIFICATE-----\n");
    return text_take(&pem);
}

/* Puts keys/NAME.crt as PEM into the workshop. */
static int fetch_certificate(const struct workshop *w, const char *keys, const char *name,
                             struct failure *f)
{
    _cleanup_free_ char *from = text_make("%s/%s.crt", keys, name);
    _cleanup_free_ char *to = text_make("%s/%s.pem", w->folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_free_ char *pem = NULL;
    size_t size;
    int r;

    if (!from || !to)
        return out_of_memory(f);
    r = file_read(from, CERTIFICATE_MAX, &bytes, &size, f);
    if (r < 0) {
        f->code = CODE_KEYS_BAD;
        return r;
    }
    if (memmem(bytes, size, "-----BEGIN CERTIFICATE-----", 27))
        return file_write(to, bytes, size, 0600, f);
    if (size == 0 || bytes[0] != 0x30) /* DER: a SEQUENCE */
        return failure_set(f, CODE_KEYS_BAD, -EBADMSG, "'%s' is no certificate", from);
    pem = vm_certificate_pem(bytes, size);
    return pem ? file_write(to, pem, strlen(pem), 0600, f) : out_of_memory(f);
}

int vm_variables_create(const char *tree, const char *keys, const char *path, struct failure *f)
{
    _cleanup_workshop_ struct workshop w = { .folder = "" };
    struct arguments arguments =
        ARGUMENTS("virt-fw-vars", "--loglevel", "error", "--input", EMPTY_STORE, "--output",
                  "/in/out.fd", "--set-pk", VM_GUID_GLOBAL, "/in/PK.pem", "--add-kek",
                  VM_GUID_GLOBAL, "/in/KEK.pem", "--add-db", VM_GUID_GLOBAL, "/in/db.pem", "--sb");
    _cleanup_free_ char *empty = text_make("%s" EMPTY_STORE, tree);
    int r = 0;

    if (!empty)
        return out_of_memory(f);
    if (!keys)
        return file_copy(empty, path, 0600, f);
    r = workshop_open(&w, NULL, f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(key_names); i++)
        r = fetch_certificate(&w, keys, key_names[i], f);
    if (r == 0)
        r = run_tool(tree, &w, &arguments, f);
    return r == 0 ? file_copy(w.output, path, 0600, f) : r;
}

/* --- Single variables --- */

/* The entry of a variable in the tool's JSON, borrowed; NULL when there is none. */
static json_object *find_variable(json_object *store, const char *name, const char *guid)
{
    json_object *list, *field;

    if (!json_object_object_get_ex(store, "variables", &list) ||
        !json_object_is_type(list, json_type_array))
        return NULL;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);

        if (json_object_object_get_ex(entry, "name", &field) &&
            strcmp(json_object_get_string(field), name) == 0 &&
            json_object_object_get_ex(entry, "guid", &field) &&
            strcasecmp(json_object_get_string(field), guid) == 0)
            return entry;
    }
    return NULL;
}

static const char *variable_hex(json_object *entry)
{
    json_object *data;

    return entry && json_object_object_get_ex(entry, "data", &data) ? json_object_get_string(data)
                                                                    : NULL;
}

int vm_variables_get(const char *tree, const char *path, const char *name, const char *guid,
                     char **ret_hex, struct failure *f)
{
    _cleanup_workshop_ struct workshop w = { .folder = "" };
    _cleanup_json_ json_object *store = NULL;
    const char *hex;
    int r = workshop_open(&w, path, f);

    if (r == 0)
        r = read_store(tree, &w, &store, f);
    if (r < 0)
        return r;
    hex = variable_hex(find_variable(store, name, guid));
    if (!hex)
        return failure_set(f, CODE_VM_VARIABLES, -ENOENT, "'%s' has no variable %s", path, name);
    *ret_hex = strdup(hex);
    return *ret_hex ? 0 : out_of_memory(f);
}

/* A store of one variable in the tool's JSON. `time` may be NULL. */
static json_object *single_variable(const struct vm_variable *variable, const char *time)
{
    json_object *entry = json_object_new_object();
    json_object *list = json_object_new_array();
    json_object *store = json_object_new_object();

    CHECK(entry && list && store); /* json-c itself goes on with NULL and would drop fields */
    (void)json_object_object_add(entry, "name", json_object_new_string(variable->name));
    (void)json_object_object_add(entry, "guid", json_object_new_string(variable->guid));
    (void)json_object_object_add(entry, "attr", json_object_new_int64(variable->attributes));
    (void)json_object_object_add(entry, "data", json_object_new_string(variable->hex));
    if (time)
        (void)json_object_object_add(entry, "time", json_object_new_string(time));
    (void)json_object_array_add(list, entry);
    (void)json_object_object_add(store, "version", json_object_new_int(JSON_VERSION));
    (void)json_object_object_add(store, "variables", list);
    return store;
}

static int write_variable(const char *tree, const struct workshop *w, json_object *store,
                          const char *path, struct failure *f)
{
    const char *text = json_object_to_json_string_ext(store, JSON_C_TO_STRING_PLAIN);
    int r = file_write(w->json, text, strlen(text), 0600, f);

    return r == 0 ? change_store(tree, w, "--set-json", "/in/vars.json", path, f) : r;
}

int vm_variables_set(const char *tree, const char *path, const struct vm_variable *variable,
                     struct failure *f)
{
    _cleanup_workshop_ struct workshop w = { .folder = "" };
    _cleanup_json_ json_object *store = single_variable(variable, NULL);
    int r = workshop_open(&w, path, f);

    return r == 0 ? write_variable(tree, &w, store, path, f) : r;
}

int vm_variables_delete(const char *tree, const char *path, const char *name, struct failure *f)
{
    _cleanup_workshop_ struct workshop w = { .folder = "" };
    int r = workshop_open(&w, path, f);

    return r == 0 ? change_store(tree, &w, "--delete", name, path, f) : r;
}

/* --- dbx --- */

void vm_hash_list_encode(const uint8_t hash[static 32], uint8_t ret_bytes[static VM_HASH_LIST_SIZE])
{
    /* EFI_CERT_SHA256_GUID; list size 76; no header; 48 bytes each: owner and hash. */
    static const uint8_t head[] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9,
                                    0x41, 0xf9, 0x36, 0x93, 0x43, 0x28, 76,   0,    0,    0,
                                    0,    0,    0,    0,    48,   0,    0,    0 };
    enum { OWNER_SIZE = 16 };

    _Static_assert(sizeof(head) + OWNER_SIZE + HASH_SIZE == VM_HASH_LIST_SIZE, "one entry");
    memset(ret_bytes, 0, VM_HASH_LIST_SIZE); /* the owner is nobody */
    memcpy(ret_bytes, head, sizeof(head));
    memcpy(ret_bytes + sizeof(head) + OWNER_SIZE, hash, HASH_SIZE);
}

int vm_variables_forbid(const char *tree, const char *path, const char *hash, struct failure *f)
{
    _cleanup_workshop_ struct workshop w = { .folder = "" };
    _cleanup_json_ json_object *store = NULL, *single = NULL;
    _cleanup_free_ char *hex = NULL;
    uint8_t bytes[HASH_SIZE], list[VM_HASH_LIST_SIZE];
    char list_hex[2 * VM_HASH_LIST_SIZE + 1];
    const char *former;
    int r;

    if (hex_decode(hash, strlen(hash), bytes, sizeof(bytes)) < 0)
        return failure_set(f, CODE_VM_CONFIG, -EINVAL, "'%s' is no SHA-256", hash);
    r = workshop_open(&w, path, f);
    if (r == 0)
        r = read_store(tree, &w, &store, f);
    if (r < 0)
        return r;
    vm_hash_list_encode(bytes, list);
    hex_encode(list, sizeof(list), list_hex);
    former = variable_hex(find_variable(store, "dbx", VM_GUID_SECURITY));
    hex = text_make("%s%s", former ? former : "", list_hex);
    if (!hex)
        return out_of_memory(f);
    /* A time of 2010-01-01: any, as nobody checks a signature here. */
    single =
        single_variable(&(struct vm_variable){ "dbx", VM_GUID_SECURITY, ATTRIBUTES_SIGNED, hex },
                        "da070101000000000000000000000000");
    return write_variable(tree, &w, single, path, f);
}

/* --- Boot entries --- */

static int copy_text(const char *text, char ret[static BOOT_ENTRY_TEXT_SIZE])
{
    size_t length = strlen(text);

    if (length >= BOOT_ENTRY_TEXT_SIZE)
        return -ERANGE;
    memcpy(ret, text, length + 1);
    return 0;
}

/* ASCII as UTF-16 with a terminating zero: what programs take load options for. */
static int encode_options(const char *text, uint8_t ret[static VM_LOAD_OPTION_MAX],
                          size_t *ret_size)
{
    size_t length = strlen(text);

    if (length >= VM_LOAD_OPTION_MAX / 2)
        return -ERANGE;
    for (size_t i = 0; i <= length; i++) {
        if (text[i] && (text[i] < ' ' || text[i] > '~'))
            return -EINVAL;
        ret[2 * i] = (uint8_t)text[i];
        ret[2 * i + 1] = 0;
    }
    *ret_size = 2 * (length + 1);
    return 0;
}

int vm_load_option_encode(const struct vm_boot_entry *entry,
                          uint8_t ret_bytes[static VM_LOAD_OPTION_MAX], size_t *ret_size)
{
    uint8_t options[VM_LOAD_OPTION_MAX];
    struct boot_entry option = { .attributes = BOOT_ENTRY_ACTIVE };
    int r = copy_text(entry->description, option.description);

    if (r == 0)
        r = copy_text(entry->file, option.file);
    if (r == 0 && entry->options) {
        r = encode_options(entry->options, options, &option.options_size);
        option.options = options;
    }
    if (r < 0)
        return r;
    /* Start and size of the partition are not looked at by firmware; the number is. */
    if (entry->partition) {
        option.on_partition = true;
        option.partition.number = entry->partition_number ? entry->partition_number : 1;
        memcpy(option.partition.guid, entry->partition, BOOT_ENTRY_GUID_SIZE);
    }
    return boot_entry_encode(&option, ret_bytes, ret_size);
}

static int set_boot_variable(const char *tree, const char *path, const char *name,
                             const uint8_t *bytes, size_t size, struct failure *f)
{
    _cleanup_free_ char *hex = malloc(2 * size + 1);
    const struct vm_variable variable = {
        name, VM_GUID_GLOBAL, VM_VARIABLE_NON_VOLATILE | VM_VARIABLE_BOOT | VM_VARIABLE_RUNTIME, hex
    };

    if (!hex)
        return out_of_memory(f);
    hex_encode(bytes, size, hex);
    return vm_variables_set(tree, path, &variable, f);
}

int vm_variables_set_boot_entry(const char *tree, const char *path,
                                const struct vm_boot_entry *entry, struct failure *f)
{
    uint8_t bytes[VM_LOAD_OPTION_MAX];
    char name[16];
    size_t size;
    int r = vm_load_option_encode(entry, bytes, &size);

    if (r < 0)
        return failure_set(f, CODE_VM_CONFIG, r, "boot entry '%s' cannot be written",
                           entry->description);
    (void)snprintf(name, sizeof(name), "Boot%04X", entry->number);
    return set_boot_variable(tree, path, name, bytes, size, f);
}

int vm_variables_set_boot_order(const char *tree, const char *path, const uint16_t *numbers,
                                size_t count, struct failure *f)
{
    uint8_t bytes[2 * VM_BOOT_ENTRIES_MAX];

    CHECK(count > 0 && count <= VM_BOOT_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)numbers[i];
        bytes[2 * i + 1] = (uint8_t)(numbers[i] >> 8);
    }
    return set_boot_variable(tree, path, "BootOrder", bytes, 2 * count, f);
}

int vm_variables_set_boot_next(const char *tree, const char *path, uint16_t number,
                               struct failure *f)
{
    const uint8_t bytes[] = { (uint8_t)number, (uint8_t)(number >> 8) };

    return set_boot_variable(tree, path, "BootNext", bytes, sizeof(bytes), f);
}
