#include "programs/broch-disk/shown.h"

#include <string.h>

#include "base/hex.h"

/* --- For people --- */

static const char *route_words(const struct state *s)
{
    static const char *const words[][2] = { { "tpm", "the TPM" },
                                            { "recovery", "the recovery key" },
                                            { "new", "nobody: it was made in this start" } };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(s->route, words[i][0]) == 0)
            return words[i][1];
    }
    return "unknown";
}

static void add_ways(const struct shown *s, struct text *t)
{
    text_addf(t, "TPM           %u way%s\n", s->slots.tpm, s->slots.tpm == 1 ? "" : "s");
    for (size_t i = 0; i < s->sealed.count; i++) {
        char digits[2 * SEAL_PCR_SIZE + 1];

        hex_encode(s->sealed.ways[i].pcr7, SEAL_PCR_SIZE, digits);
        text_addf(t, "  for PCR 7   %s, %s\n", digits,
                  s->sealed.ways[i].now ? "which it is" : "which it is not");
    }
    if (s->sealed.has_epoch)
        text_addf(t, "epoch         %llu in the TPM, %llu of this generation\n",
                  (unsigned long long)s->sealed.epoch, (unsigned long long)s->epoch);
}

static void add_dangers(const struct shown *s, struct text *t)
{
    if (s->slots.tpm == 0) {
        text_add(t, "a thief       reads nothing without the recovery key\n");
        return;
    }
    text_add(t,
             "bound to      this TPM, Secure Boot's keys, boot files that were signed for it, and "
             "an epoch\n"
             "a thief       of the whole machine starts it as it is, and gets no further than "
             "its login; of the disk alone reads nothing\n"
             "would break   a cleared or exchanged TPM, Secure Boot off or with other keys, "
             "another main board: then the recovery key opens it\n");
    if (s->state.unowned[0])
        text_addf(t,
                  "not owned     %s: whoever owns the TPM can lower its epoch, and then start an "
                  "older generation that opens the disk\n",
                  s->state.unowned);
}

/* Nothing where there is none. */
static void add_value(const struct request *r, const char *before, struct text *t)
{
    char value[2 * SEAL_PCR_SIZE + 1];
    struct line l = line_make(value, sizeof(value));

    request_add_value(r, &l);
    if (strcmp(value, "-") != 0)
        text_addf(t, "%s%s", before, value);
}

static void add_asked(const struct shown *s, struct text *t)
{
    for (size_t i = 0; i < REQUEST_KIND_MAX_; i++) {
        const struct asked *a = &s->asked[i];
        const char *name = request_kind_name((enum request_kind)i);

        if (a->waits) {
            text_addf(t, "asked for     %s", name);
            add_value(&a->request, " ", t);
            text_add(t, ", at the next start\n");
        }
        if (a->ended && !a->result.code[0])
            text_addf(t, "last asked    %s: done by %s\n", name, a->result.generation);
        else if (a->ended)
            text_addf(t, "last asked    %s: refused by %s, %s: %s\n", name, a->result.generation,
                      a->result.code, a->result.text);
    }
}

void shown_add_table(const struct shown *s, struct text *t)
{
    text_addf(t, "disk          %s on %s, %s\n", s->state.device, s->state.partition,
              s->state.uuid);
    text_addf(t, "opened by     %s\n", route_words(&s->state));
    if (s->state.refusal[0])
        text_addf(t, "TPM refused   %s\n", s->state.refusal);
    add_ways(s, t);
    text_addf(t, "recovery key  %s\n",
              s->slots.recovery == 0 ? "none"
              : s->state.confirmed   ? "confirmed"
                                     : "unconfirmed: type it back with 'broch recovery verify'");
    if (s->slots.other > 0)
        text_addf(t, "other keys    %u, which Broch did not make\n", s->slots.other);
    add_dangers(s, t);
    add_asked(s, t);
}

/* --- As JSON --- */

static void add_json_text(const char *value, struct text *t)
{
    char quoted[6 * REQUEST_TEXT_SIZE + 3];
    struct line l = line_make(quoted, sizeof(quoted));

    line_add_json_string(&l, value);
    text_add(t, value[0] ? quoted : "null");
}

static void add_json_ways(const struct shown *s, struct text *t)
{
    text_add(t, "\"tpm\":[");
    for (size_t i = 0; i < s->sealed.count; i++) {
        char digits[2 * SEAL_PCR_SIZE + 1];

        hex_encode(s->sealed.ways[i].pcr7, SEAL_PCR_SIZE, digits);
        text_addf(t, "%s{\"pcr7\":\"%s\",\"now\":%s}", i > 0 ? "," : "", digits,
                  s->sealed.ways[i].now ? "true" : "false");
    }
    text_add(t, "],\"epoch\":{\"tpm\":");
    if (s->sealed.has_epoch)
        text_addf(t, "%llu", (unsigned long long)s->sealed.epoch);
    else
        text_add(t, "null");
    text_addf(t, ",\"generation\":%llu},", (unsigned long long)s->epoch);
}

/* Words that stay the same, for programs. */
static void add_json_dangers(const struct shown *s, struct text *t)
{
    text_add(t, s->slots.tpm == 0
                    ? "\"bound\":[],\"thief\":\"nothing\",\"would_break\":[],"
                    : "\"bound\":[\"tpm\",\"secure-boot-keys\",\"signed-boot-file\",\"epoch\"],"
                      "\"thief\":\"login\",\"would_break\":[\"tpm-cleared\",\"tpm-exchanged\","
                      "\"secure-boot-off\",\"secure-boot-keys-changed\"],");
}

static void add_json_asked(const struct shown *s, struct text *t)
{
    bool first = true;

    text_add(t, "\"requests\":[");
    for (size_t i = 0; i < REQUEST_KIND_MAX_; i++) {
        const struct asked *a = &s->asked[i];

        if (!a->waits && !a->ended)
            continue;
        text_addf(t, "%s{\"kind\":\"%s\",\"waits\":%s,\"last\":", first ? "" : ",",
                  request_kind_name((enum request_kind)i), a->waits ? "true" : "false");
        if (a->ended) {
            text_addf(t, "{\"result\":\"%s\",\"code\":", a->result.code[0] ? "refused" : "done");
            add_json_text(a->result.code, t);
            text_add(t, ",\"generation\":");
            add_json_text(a->result.generation, t);
            text_add(t, ",\"text\":");
            add_json_text(a->result.text, t);
            text_add(t, "}}");
        } else {
            text_add(t, "null}");
        }
        first = false;
    }
    text_add(t, "]}\n");
}

void shown_add_json(const struct shown *s, struct text *t)
{
    text_addf(t, "{\"schema\":1,\"state\":\"open\",\"uuid\":\"%s\",\"device\":\"%s\",",
              s->state.uuid, s->state.device);
    text_addf(t, "\"partition\":\"%s\",\"route\":\"%s\",\"refusal\":", s->state.partition,
              s->state.route);
    add_json_text(s->state.refusal, t);
    text_add(t, ",\"unowned\":");
    add_json_text(s->state.unowned, t);
    text_addf(t, ",\"keyslots\":{\"tpm\":%u,\"recovery\":%u,\"other\":%u},", s->slots.tpm,
              s->slots.recovery, s->slots.other);
    text_addf(t, "\"recovery\":\"%s\",", s->state.confirmed ? "confirmed" : "unconfirmed");
    add_json_ways(s, t);
    add_json_dangers(s, t);
    add_json_asked(s, t);
}
