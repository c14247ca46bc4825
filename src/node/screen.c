#include "node/screen.h"

#include <string.h>

#include "base/line.h"

enum { LABEL_WIDTH = 12, LINE_SIZE = SCREEN_SIDE_MAX + 1, NOT_READY_MAX = 8 };

struct canvas {
    struct text *text;
    unsigned width, height;
    unsigned used; /* lines */
};

/* One line, cut at the width. The last line has no line feed: the screen must not scroll. */
static void put(struct canvas *canvas, bool bold, const char *line)
{
    unsigned column = 0;

    if (canvas->used == canvas->height)
        return;
    text_add(canvas->text, canvas->used++ > 0 ? "\r\n" : "");
    text_add(canvas->text, bold ? "\x1b[1m" : "");
    for (const char *p = line; *p && column < canvas->width; p++, column++)
        text_addf(canvas->text, "%c", *p >= ' ' && *p <= '~' ? *p : '?');
    text_add(canvas->text, bold ? "\x1b[0m" : "");
    /* On a full line the cursor still stands on its last column: erasing would take that. */
    text_add(canvas->text, column < canvas->width ? "\x1b[K" : "");
}

static void row(struct canvas *canvas, const char *label, const char *value)
{
    char buffer[LINE_SIZE];
    struct line l = line_make(buffer, sizeof(buffer));

    line_addf(&l, "%-*s%s", LABEL_WIDTH, label, value);
    put(canvas, false, buffer);
}

static bool is_settled(const struct snapshot_service *service)
{
    return service->state == SNAPSHOT_READY || service->state == SNAPSHOT_DONE ||
           service->state == SNAPSHOT_OFF || service->state == SNAPSHOT_DOWN;
}

static void put_services(struct canvas *canvas, const struct snapshot *services)
{
    size_t shown = 0;

    if (!services) {
        row(canvas, "services", "not known");
        return;
    }
    for (size_t i = 0; i < services->count; i++) {
        const struct snapshot_service *service = &services->services[i];
        char buffer[LINE_SIZE];
        struct line l = line_make(buffer, sizeof(buffer));

        if (is_settled(service))
            continue;
        if (shown == NOT_READY_MAX) {
            row(canvas, "", "...");
            return;
        }
        line_addf(&l, "%s %s%s%s", service->name, snapshot_state_name(service->state),
                  service->reason[0] ? ": " : "", service->reason);
        row(canvas, shown++ == 0 ? "not ready" : "", buffer);
    }
    if (shown == 0)
        row(canvas, "services", "all are as they should be");
}

static void put_addresses(struct canvas *canvas, const struct screen_facts *facts)
{
    if (facts->address_count == 0)
        row(canvas, "addresses", "none");
    for (size_t i = 0; i < facts->address_count; i++)
        row(canvas, i == 0 ? "addresses" : "", facts->addresses[i]);
}

static void put_head(struct canvas *canvas, const struct screen_facts *facts)
{
    char buffer[LINE_SIZE];
    struct line l = line_make(buffer, sizeof(buffer));

    line_addf(&l, "%s  %s", facts->name, facts->ready ? "ready" : "starting");
    put(canvas, true, buffer);
    put(canvas, false, "");
    row(canvas, "generation", facts->generation);
    l = line_make(buffer, sizeof(buffer));
    line_addf(&l, "%s, Secure Boot %s, TPM %s", facts->slot, facts->secure_boot, facts->tpm);
    row(canvas, "slot", buffer);
}

static void put_login(struct canvas *canvas, const struct screen_facts *facts)
{
    const struct snapshot_service *ssh =
        facts->services ? snapshot_find(facts->services, "ssh") : NULL;

    put(canvas, false, "");
    if (ssh && ssh->state == SNAPSHOT_READY)
        row(canvas, "log in", "ssh admin@ADDRESS, or Alt-F2 for a console here");
    else
        row(canvas, "log in", "Alt-F2 for a console; ssh is off until admin.ssh_keys is set");
    if (facts->known_password)
        row(canvas, "", "DEVELOPMENT IMAGE: everybody knows its password");
}

/* As many of the last events as there is room for. */
static void put_events(struct canvas *canvas, const struct screen_facts *facts)
{
    unsigned left = canvas->height - canvas->used;
    size_t first;

    if (left < 3 || facts->event_count == 0)
        return;
    put(canvas, false, "");
    left -= 1;
    first = facts->event_count > left ? facts->event_count - left : 0;
    for (size_t i = first; i < facts->event_count; i++)
        row(canvas, i == first ? "events" : "", facts->events[i]);
}

static unsigned clamp(unsigned value, unsigned low, unsigned high)
{
    return value < low ? low : value > high ? high : value;
}

void screen_render(const struct screen_facts *facts, unsigned width, unsigned height,
                   struct text *t)
{
    struct canvas canvas = {
        .text = t,
        .width = clamp(width, SCREEN_WIDTH_MIN, SCREEN_SIDE_MAX),
        .height = clamp(height, SCREEN_HEIGHT_MIN, SCREEN_SIDE_MAX),
    };

    text_add(t, "\x1b[H");
    put_head(&canvas, facts);
    put_addresses(&canvas, facts);
    put_services(&canvas, facts->services);
    put_login(&canvas, facts);
    put_events(&canvas, facts);
    text_add(t, "\x1b[J");
}
