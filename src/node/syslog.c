#include "node/syslog.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/number.h"

enum {
    PRIORITY_MAX = 191,    /* RFC 3164, 4.1.1: 23 facilities of 8 severities */
    PRIORITY_DEFAULT = 13, /* 4.3.3: user.notice for what has none */
    PRIORITY_DIGITS_MAX = 3,
    TIMESTAMP_LENGTH = 16, /* "Jan  1 00:00:00 " */
    SEVERITIES = 8,
    PID_MAX = 4194304, /* the kernel's own limit */
};

static const char *const severities[SEVERITIES] = { "emerg",   "alert",  "crit", "err",
                                                    "warning", "notice", "info", "debug" };
static const char *const facilities[] = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7",
};
_Static_assert(ARRAY_SIZE(facilities) == (PRIORITY_MAX + 1) / SEVERITIES, "one name each");

/* --- Parsing --- */

static unsigned take_priority(struct cursor *c)
{
    const char *text = (const char *)c->bytes + c->offset;
    const char *end =
        cursor_left(c) > 0 && text[0] == '<' ? memchr(text, '>', cursor_left(c)) : NULL;
    uint64_t value;

    if (!end || end - text - 1 > PRIORITY_DIGITS_MAX ||
        number_parse(text + 1, (size_t)(end - text - 1), PRIORITY_MAX, &value) < 0)
        return PRIORITY_DEFAULT;
    cursor_skip(c, (size_t)(end - text + 1));
    return (unsigned)value;
}

/* The sender's clock: ours stands in front of the line. 'A' is a letter, 'd' a digit or space. */
static void skip_timestamp(struct cursor *c)
{
    static const char form[] = "AAA dd dd:dd:dd ";
    const char *text = (const char *)c->bytes + c->offset;

    if (cursor_left(c) < TIMESTAMP_LENGTH)
        return;
    for (size_t i = 0; i < TIMESTAMP_LENGTH; i++) {
        bool letter = (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z');
        bool digit = (text[i] >= '0' && text[i] <= '9') || text[i] == ' ';

        if (form[i] == 'A' ? !letter : form[i] == 'd' ? !digit : text[i] != form[i])
            return;
    }
    cursor_skip(c, TIMESTAMP_LENGTH);
}

static bool is_tag_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_./()@", c));
}

/* `tag[pid]: ` or `tag: `; anything else is text. */
static void take_tag(struct cursor *c, struct syslog_message *message)
{
    const char *text = (const char *)c->bytes + c->offset;
    size_t left = cursor_left(c), tag = 0, at;
    uint64_t pid = 0;

    while (tag < left && tag < SYSLOG_TAG_MAX && is_tag_character(text[tag]))
        tag++;
    at = tag;
    if (at < left && text[at] == '[') {
        const char *end = memchr(text + at, ']', left - at);
        size_t length = end ? (size_t)(end - text) - at - 1 : 0;

        if (!end || number_parse(text + at + 1, length, PID_MAX, &pid) < 0)
            return;
        at += length + 2;
    }
    if (tag == 0 || at >= left || text[at] != ':')
        return;
    at++;
    if (at < left && text[at] == ' ')
        at++;
    message->tag = text;
    message->tag_length = tag;
    message->pid = pid;
    cursor_skip(c, at);
}

void syslog_parse(const char *bytes, size_t size, struct syslog_message *ret)
{
    struct cursor c;

    while (size > 0 && (bytes[size - 1] == '\0' || bytes[size - 1] == '\n'))
        size--;
    c = cursor_make(bytes, size);
    *ret = (struct syslog_message){ .priority = take_priority(&c) };
    skip_timestamp(&c);
    take_tag(&c, ret);
    ret->text = bytes + c.offset;
    ret->text_length = cursor_left(&c);
}

/* A number up to one of the two ends, which is consumed and returned; '\0' when there is none. */
static char take_number(struct cursor *c, uint64_t limit, uint64_t *ret)
{
    const char *text = (const char *)c->bytes + c->offset;
    size_t left = cursor_left(c), length = 0;

    while (length < left && text[length] != ',' && text[length] != ';')
        length++;
    if (length == left || number_parse(text, length, limit, ret) < 0)
        return '\0';
    cursor_skip(c, length + 1);
    return text[length];
}

int syslog_parse_record(const char *bytes, size_t size, struct syslog_record *ret)
{
    struct cursor c = cursor_make(bytes, size);
    const char *text, *end;
    uint64_t priority, sequence, time;

    /* The facility of what user space wrote may be any number. */
    if (take_number(&c, UINT32_MAX, &priority) != ',' ||
        take_number(&c, UINT64_MAX, &sequence) != ',' || take_number(&c, UINT64_MAX, &time) != ',')
        return -EBADMSG;
    text = (const char *)c.bytes + c.offset;
    end = cursor_left(&c) > 0 ? memchr(text, ';', cursor_left(&c)) : NULL;
    if (!end)
        return -EBADMSG;
    cursor_skip(&c, (size_t)(end - text) + 1);
    text = end + 1;
    end = cursor_left(&c) > 0 ? memchr(text, '\n', cursor_left(&c)) : NULL;
    *ret = (struct syslog_record){ .priority = (unsigned)priority,
                                   .sequence = sequence,
                                   .time_us = time,
                                   .text = text,
                                   .text_length = end ? (size_t)(end - text) : cursor_left(&c) };
    return 0;
}

/* --- Wording --- */

/* The length of the UTF-8 sequence at text[0..left) when it is one that may be shown, else 0. The
 * control characters of Latin-1 (U+0080 to U+009F) speak to terminals. */
static size_t shown_sequence(const uint8_t *text, size_t left)
{
    static const struct {
        uint8_t first, last; /* of the first byte */
        uint8_t second_first, second_last;
        uint8_t length;
    } forms[] = {
        { 0xc2, 0xc2, 0xa0, 0xbf, 2 }, { 0xc3, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (text[0] < 0x80)
        return text[0] >= ' ' && text[0] != 0x7f ? 1 : 0;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last || left < forms[i].length ||
            text[1] < forms[i].second_first || text[1] > forms[i].second_last)
            continue;
        for (size_t k = 2; k < forms[i].length; k++) {
            if (text[k] < 0x80 || text[k] > 0xbf)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static void add_shown(struct line *l, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        const uint8_t *at = (const uint8_t *)text + i;
        size_t sequence = shown_sequence(at, length - i);

        if (sequence > 0)
            line_add_bytes(l, at, sequence);
        else if (*at == '\t')
            line_add(l, " ");
        else if (*at == '\n')
            line_add(l, "\\n");
        else
            line_addf(l, "\\x%02x", *at);
        i += sequence > 0 ? sequence : 1;
    }
}

static void add_priority(struct line *l, unsigned priority)
{
    unsigned facility = priority / SEVERITIES;

    line_addf(l, "%s.%s ", facility < ARRAY_SIZE(facilities) ? facilities[facility] : "other",
              severities[priority % SEVERITIES]);
}

void syslog_word(const struct syslog_message *message, const struct syslog_sender *sender,
                 struct line *l)
{
    add_priority(l, message->priority);
    if (message->tag_length > 0)
        add_shown(l, message->tag, message->tag_length);
    else
        line_add(l, "-");
    if (message->pid != 0)
        line_addf(l, "[%llu]", (unsigned long long)message->pid);
    line_addf(l, " uid=%u", sender->uid);
    if (message->pid != sender->pid)
        line_addf(l, " pid=%u", sender->pid);
    line_add(l, ": ");
    add_shown(l, message->text, message->text_length);
}

void syslog_word_record(const struct syslog_record *record, struct line *l)
{
    const uint64_t us_per_s = NS_PER_S / NS_PER_US;

    add_priority(l, record->priority);
    line_addf(l, "kernel %llu.%06llu: ", (unsigned long long)(record->time_us / us_per_s),
              (unsigned long long)(record->time_us % us_per_s));
    add_shown(l, record->text, record->text_length);
}

/* --- Floods --- */

/* Each message moves the time at which the burst is whole by one interval; a burst is the distance
 * that this time may lie ahead. */
bool syslog_rate_allows(struct syslog_rate *rate, uint64_t now_ns)
{
    const uint64_t interval = NS_PER_S / SYSLOG_PER_SECOND, burst = interval * SYSLOG_BURST;
    uint64_t from = rate->full_ns > now_ns ? rate->full_ns : now_ns;

    if (from - now_ns > burst - interval) {
        rate->dropped++;
        return false;
    }
    rate->full_ns = from + interval;
    return true;
}
