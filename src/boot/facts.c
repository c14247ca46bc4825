#include "boot/facts.h"

#include "base/hex.h"

void facts_add_step(struct facts *f, const char *name, uint64_t us)
{
    CHECK(f->step_count < FACTS_STEPS_MAX);
    f->steps[f->step_count++] = (struct facts_step){ name, us };
}

/* A member that is missing is `null`, never an empty text: readers need not tell two kinds apart.
 */
static void add_value(struct line *l, const char *value)
{
    if (value && value[0])
        line_add_json_string(l, value);
    else
        line_add(l, "null");
}

static void add_text(struct line *l, const char *key, const char *value)
{
    line_addf(l, ",\n  \"%s\": ", key);
    add_value(l, value);
}

static void add_number(struct line *l, const char *key, uint64_t value)
{
    line_addf(l, ",\n  \"%s\": %llu", key, (unsigned long long)value);
}

static void add_bool(struct line *l, const char *key, bool value)
{
    line_addf(l, ",\n  \"%s\": %s", key, value ? "true" : "false");
}

static const char *switch_word(enum facts_switch s)
{
    static const char *const words[] = {
        [FACTS_UNKNOWN] = "unknown", [FACTS_OFF] = "off", [FACTS_ON] = "on"
    };

    CHECK((size_t)s < ARRAY_SIZE(words));
    return words[s];
}

static void add_pcr(struct line *l, const char *key, const struct facts_pcr *pcr)
{
    char digits[2 * TPM_PCR_SIZE + 1] = "";

    if (pcr->read)
        hex_encode(pcr->value, sizeof(pcr->value), digits);
    line_addf(l, "\"%s\": ", key);
    if (pcr->read)
        line_add_json_string(l, digits);
    else
        line_add(l, "null");
}

static void add_pcrs(const struct facts *f, struct line *l)
{
    static const char *const keys[] = { "7", "11", "12" };
    const struct facts_pcr *const pcrs[] = { &f->pcr7, &f->pcr11, &f->pcr12 };

    _Static_assert(ARRAY_SIZE(keys) == ARRAY_SIZE(pcrs), "every value has a key");
    line_add(l, ",\n  \"pcr\": {");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        line_add(l, i > 0 ? ", " : "");
        add_pcr(l, keys[i], pcrs[i]);
    }
    line_add(l, "}");
}

static void add_persist(const struct facts *f, struct line *l)
{
    const struct facts_persist *p = &f->persist;
    struct {
        const char *key, *value;
    } const texts[] = { { "route", p->route },
                        { "refusal", p->refusal },
                        { "unowned", p->unowned },
                        { "uuid", p->uuid },
                        { "device", p->device } };

    line_addf(l, ",\n  \"persist\": {\"state\": \"%s\"", p->open ? "open" : "volatile");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        line_addf(l, ", \"%s\": ", texts[i].key);
        add_value(l, texts[i].value);
    }
    line_addf(l, ", \"enrolled\": %s, \"tpm_commands\": %u}", p->enrolled ? "true" : "false",
              p->tpm_commands);
}

static void add_steps(const struct facts *f, struct line *l)
{
    line_add(l, ",\n  \"steps\": [");
    for (size_t i = 0; i < f->step_count; i++) {
        line_add(l, i > 0 ? ", {\"step\": " : "{\"step\": ");
        line_add_json_string(l, f->steps[i].name);
        line_addf(l, ", \"us\": %llu}", (unsigned long long)f->steps[i].us);
    }
    line_add(l, "]");
}

static void add_identity(const struct facts *f, struct line *l)
{
    char digits[2 * CMDLINE_HASH_SIZE + 1];

    hex_encode(f->cmdline.verity, CMDLINE_HASH_SIZE, digits);
    add_text(l, "generation", f->cmdline.generation);
    add_text(l, "profile", f->cmdline.profile);
    add_number(l, "epoch", f->cmdline.epoch);
    add_text(l, "verity", digits);
}

void facts_write(const struct facts *f, struct line *l)
{
    line_addf(l, "{\n  \"schema\": %d", FACTS_SCHEMA);
    add_identity(f, l);
    add_text(l, "slot", f->slot);
    add_text(l, "partuuid", f->partuuid);
    add_text(l, "image_source", f->source);
    add_text(l, "image_device", f->image_device);
    add_bool(l, "direct_io", f->direct_io);
    add_text(l, "root", f->root);
    add_text(l, "secureboot", switch_word(f->secureboot));
    add_text(l, "setupmode", switch_word(f->setupmode));
    add_text(l, "tpm", switch_word(f->tpm));
    add_pcrs(f, l);
    add_persist(f, l);
    add_text(l, "watchdog", f->watchdog);
    add_number(l, "watchdog_timeout_s", f->watchdog_timeout_s);
    add_text(l, "kernel", f->kernel);
    add_number(l, "attempts", f->attempts);
    add_text(l, "last_failure", f->last_failure);
    add_steps(f, l);
    line_add(l, "\n}\n");
    CHECK(!l->cut);
}
