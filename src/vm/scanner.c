#include "vm/scanner.h"

#include <string.h>

void scanner_done(struct scanner *s)
{
    text_done(&s->text);
    text_done(&s->line);
    *s = (struct scanner)SCANNER_INIT;
}

void scanner_clear(struct scanner *s)
{
    text_clear(&s->text);
    text_clear(&s->line);
    s->position = 0;
    s->state = SCANNER_PLAIN;
    s->return_pending = false;
}

static void drop_oldest(struct scanner *s)
{
    size_t dropped = s->text.length / 2;

    memmove(s->text.data, s->text.data + dropped, s->text.length - dropped + 1);
    s->text.length -= dropped;
    s->position = s->position > dropped ? s->position - dropped : 0;
}

static void put(struct scanner *s, uint8_t byte)
{
    if (s->text.length >= SCANNER_TEXT_MAX)
        drop_oldest(s);
    text_add_bytes(&s->text, &byte, 1);
}

static bool line_is_empty(const struct scanner *s)
{
    return s->text.length == 0 || s->text.data[s->text.length - 1] == '\n';
}

static void break_line(struct scanner *s)
{
    if (!line_is_empty(s))
        put(s, '\n');
}

static void feed_plain(struct scanner *s, uint8_t byte)
{
    if (s->return_pending && byte != '\n' && byte != '\r')
        break_line(s);
    if (byte == '\r') {
        s->return_pending = true;
        return;
    }
    s->return_pending = false;
    if (byte == 0x1b)
        s->state = SCANNER_ESCAPE;
    else if (byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 0x7f))
        put(s, byte);
}

static void feed_escape(struct scanner *s, uint8_t byte)
{
    switch (byte) {
    case '[':
        s->state = SCANNER_CSI;
        break;
    case ']':
        s->state = SCANNER_OSC;
        break;
    case '(':
    case ')':
        s->state = SCANNER_CHARSET;
        break;
    default:
        s->state = SCANNER_PLAIN;
    }
}

static void feed_csi(struct scanner *s, uint8_t byte)
{
    if (byte < 0x40 || byte > 0x7e)
        return; /* a parameter */
    if (byte == 'H' || byte == 'f')
        break_line(s);
    s->state = SCANNER_PLAIN;
}

static void feed_byte(struct scanner *s, uint8_t byte)
{
    switch (s->state) {
    case SCANNER_PLAIN:
        feed_plain(s, byte);
        break;
    case SCANNER_ESCAPE:
        feed_escape(s, byte);
        break;
    case SCANNER_CSI:
        feed_csi(s, byte);
        break;
    case SCANNER_OSC:
        if (byte == 0x07)
            s->state = SCANNER_PLAIN;
        else if (byte == 0x1b)
            s->state = SCANNER_OSC_ESCAPE;
        break;
    case SCANNER_OSC_ESCAPE:
    case SCANNER_CHARSET:
        s->state = SCANNER_PLAIN;
        break;
    }
}

void scanner_feed(struct scanner *s, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        feed_byte(s, bytes[i]);
}

void scanner_end(struct scanner *s)
{
    s->state = SCANNER_PLAIN;
    s->return_pending = false;
    break_line(s);
}

bool scanner_next(struct scanner *s, const char **ret_line)
{
    const char *start = text_string(&s->text) + s->position;
    const char *end = memchr(start, '\n', s->text.length - s->position);

    if (!end)
        return false;
    text_clear(&s->line);
    text_add_bytes(&s->line, start, (size_t)(end - start));
    s->position += (size_t)(end - start) + 1;
    *ret_line = text_string(&s->line);
    return true;
}

bool scanner_find(struct scanner *s, const char *const *texts, size_t count, size_t *ret_index,
                  const char **ret_line)
{
    const char *line;

    while (scanner_next(s, &line)) {
        for (size_t i = 0; i < count; i++) {
            if (strstr(line, texts[i])) {
                *ret_index = i;
                *ret_line = line;
                return true;
            }
        }
    }
    return false;
}

bool scanner_find_prompt(struct scanner *s, const char *text)
{
    const char *start = text_string(&s->text) + s->position;
    const char *place = strstr(start, text);

    if (!place)
        return false;
    s->position += (size_t)(place - start) + strlen(text);
    return true;
}

const char *scanner_text(const struct scanner *s)
{
    return text_string(&s->text);
}

const char *scanner_tail(const struct scanner *s, size_t count)
{
    const char *text = text_string(&s->text);
    size_t start = s->text.length;

    if (start > 0 && text[start - 1] == '\n')
        start--;
    for (size_t lines = 0; start > 0; start--) {
        if (text[start - 1] == '\n' && ++lines == count)
            break;
    }
    return text + start;
}

int scanner_status(const struct scanner *s)
{
    int r = text_status(&s->text);

    return r < 0 ? r : text_status(&s->line);
}
