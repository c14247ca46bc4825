#include "programs/broch-disk/lists_shown.h"

#include <openssl/x509.h>

#include "base/line.h"
#include "base/hex.h"

enum { COMMON_NAME_SIZE = 128, QUOTED_SIZE = 6 * FAILURE_TEXT_MAX + 3 };

static const struct kind {
    const char *word, *table; /* in JSON, and for people */
} kinds[] = {
    [SIGNATURE_CERTIFICATE] = { "certificate", "certificate" },
    [SIGNATURE_IMAGE_HASH] = { "boot-file-hash", "a boot file's hash" },
    [SIGNATURE_CERTIFICATE_HASH] = { "certificate-hash", "a certificate's hash" },
    [SIGNATURE_OTHER] = { "other", "something else" },
};

static const char *const slots[] = { "running slot", "other slot" };
static const char *const slot_keys[] = { "running", "other" };

/* The firmware's bytes go to a terminal. Empty when the certificate has no name. */
static void read_name(const struct signature *s, char ret[static COMMON_NAME_SIZE])
{
    const unsigned char *der = s->data;
    X509 *certificate = d2i_X509(NULL, &der, (long)s->size);

    ret[0] = '\0';
    if (certificate)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, ret,
                                        COMMON_NAME_SIZE);
    X509_free(certificate);
    for (size_t i = 0; ret[i]; i++)
        ret[i] = (char)(ret[i] < ' ' || ret[i] > '~' ? '?' : ret[i]);
}

static void add_quoted(const char *value, struct text *t)
{
    char quoted[QUOTED_SIZE];
    struct line l = line_make(quoted, sizeof(quoted));

    line_add_json_string(&l, value);
    text_add(t, quoted);
}

static void add_table_signature(const struct signature *s, struct text *t)
{
    char name[COMMON_NAME_SIZE];

    text_addf(t, "              %s", kinds[s->kind].table);
    if (s->kind == SIGNATURE_CERTIFICATE) {
        read_name(s, name);
        text_addf(t, " '%s'", name);
    }
    text_add(t, "\n");
}

static void add_json_signature(const struct signature *s, struct text *t)
{
    text_addf(t, "{\"kind\":\"%s\"", kinds[s->kind].word);
    if (s->kind == SIGNATURE_CERTIFICATE) {
        char name[COMMON_NAME_SIZE];

        read_name(s, name);
        text_add(t, ",\"name\":");
        add_quoted(name, t);
    } else if (s->kind == SIGNATURE_IMAGE_HASH) {
        char digits[2 * SIGNATURE_HASH_SIZE + 1];

        hex_encode(s->data, SIGNATURE_HASH_SIZE, digits);
        text_addf(t, ",\"sha256\":\"%s\"", digits);
    }
    text_add(t, "}");
}

/* `between` goes before each entry but the first. */
static int add_lists(const struct plan_machine *m, enum key_variable variable, const char *between,
                     void (*add)(const struct signature *s, struct text *t), struct text *t,
                     struct failure *f)
{
    const struct plan_lists *l = &m->variables[variable];
    struct signature_lists lists = signature_lists_open(l->bytes, l->size);
    struct signature s;
    bool first = true;
    int more;

    while ((more = signature_lists_next(&lists, &s)) > 0) {
        text_add(t, first ? "" : between);
        add(&s, t);
        first = false;
    }
    return more < 0 ? failure_set(f, CODE_SECUREBOOT_FILE, more, "%s is malformed",
                                  key_variable_name(variable))
                    : 0;
}

static bool is_allowed(const struct plan_machine *m, const struct boot_signature *s,
                       struct failure *why)
{
    const struct plan_lists *db = &m->variables[KEY_VARIABLE_DB];
    const struct plan_lists *dbx = &m->variables[KEY_VARIABLE_DBX];
    const struct boot_lists lists = { db->bytes, dbx->bytes, db->size, dbx->size };
    struct signature by;

    return boot_signature_allowed(s, &lists, &by, why) == 0;
}

int lists_shown_add_table(const struct lists_shown *s, struct text *t, struct failure *f)
{
    const struct boot_signature *const files[] = { s->machine->running, s->machine->spare };
    int r = 0;

    text_addf(t, "Secure Boot   %s\n", s->secure_boot);
    for (enum key_variable v = KEY_VARIABLE_PK; r == 0 && v < KEY_VARIABLE_MAX_; v++) {
        text_addf(t, "%-13s%s\n", key_variable_name(v),
                  s->machine->variables[v].size == 0 ? " empty" : "");
        r = add_lists(s->machine, v, "", add_table_signature, t, f);
    }
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
        struct failure why = FAILURE_NONE;

        if (!files[i])
            text_addf(t, "%-14sholds no boot file\n", slots[i]);
        else if (is_allowed(s->machine, files[i], &why))
            text_addf(t, "%-14ssigned by '%s', allowed\n", slots[i],
                      boot_signature_signer(files[i]));
        else
            text_addf(t, "%-14ssigned by '%s', refused: %s\n", slots[i],
                      boot_signature_signer(files[i]), why.text);
    }
    return r;
}

static void add_json_boot_file(const struct plan_machine *m, const struct boot_signature *file,
                               struct text *t)
{
    struct failure why = FAILURE_NONE;

    if (!file) {
        text_add(t, "null");
        return;
    }
    text_add(t, "{\"signer\":");
    add_quoted(boot_signature_signer(file), t);
    if (is_allowed(m, file, &why)) {
        text_add(t, ",\"allowed\":true,\"refusal\":null}");
        return;
    }
    text_add(t, ",\"allowed\":false,\"refusal\":");
    add_quoted(why.text, t);
    text_add(t, "}");
}

int lists_shown_add_json(const struct lists_shown *s, struct text *t, struct failure *f)
{
    const struct boot_signature *const files[] = { s->machine->running, s->machine->spare };
    int r = 0;

    text_addf(t, "{\"schema\":1,\"secureboot\":\"%s\",\"variables\":{", s->secure_boot);
    for (enum key_variable v = KEY_VARIABLE_PK; r == 0 && v < KEY_VARIABLE_MAX_; v++) {
        text_addf(t, "%s\"%s\":[", v > KEY_VARIABLE_PK ? "," : "", key_variable_name(v));
        r = add_lists(s->machine, v, ",", add_json_signature, t, f);
        text_add(t, "]");
    }
    text_add(t, "}");
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        text_addf(t, ",\"%s\":", slot_keys[i]);
        add_json_boot_file(s->machine, files[i], t);
    }
    text_add(t, "}\n");
    return r;
}
