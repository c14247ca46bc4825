/* Messages of /dev/log and records of /dev/kmsg, to the line that is made of them. */
#include <string.h>

#include "fuzz.h"
#include "node/syslog.h"

static char buffer[SYSLOG_LINE_MAX];

static void check_line(const struct line *l)
{
    CHECK(!l->cut);
    for (size_t i = 0; i < l->length; i++)
        CHECK((uint8_t)l->buffer[i] >= ' ' && l->buffer[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct syslog_sender sender = { .uid = UINT32_MAX, .pid = UINT32_MAX };
    const char *bytes = (const char *)data;
    struct line l = line_make(buffer, sizeof(buffer));
    struct syslog_message message;
    struct syslog_record record;

    if (size > SYSLOG_MESSAGE_MAX)
        return 0;
    syslog_parse(bytes, size, &message);
    CHECK(message.text + message.text_length <= bytes + size);
    CHECK(message.tag_length <= SYSLOG_TAG_MAX);
    syslog_word(&message, &sender, &l);
    check_line(&l);
    l = line_make(buffer, sizeof(buffer));
    if (syslog_parse_record(bytes, size, &record) == 0) {
        CHECK(record.text + record.text_length <= bytes + size);
        syslog_word_record(&record, &l);
        check_line(&l);
    }
    return 0;
}
