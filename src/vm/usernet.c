#include "vm/usernet.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/number.h"

enum { WORDS_MAX = 8, WORD_STATE = 0, WORD_HOST_PORT = 3, WORD_GUEST_PORT = 5, PORT_MAX = 65535 };

struct word {
    const char *text;
    size_t length;
};

static size_t split(const char *line, size_t length, struct word words[static WORDS_MAX])
{
    static const char blanks[] = " \t\r";
    size_t count = 0, i = 0;

    while (count < WORDS_MAX) {
        size_t start;

        while (i < length && strchr(blanks, line[i]))
            i++;
        start = i;
        while (i < length && line[i] != '\0' && !strchr(blanks, line[i]))
            i++;
        if (i == start)
            break;
        words[count++] = (struct word){ line + start, i - start };
    }
    return count;
}

static bool is_text(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

int usernet_find_port(const char *text, const struct vm_forward *forward, uint16_t *ret_port)
{
    const char *state = forward->udp ? "UDP[HOST_FORWARD]" : "TCP[HOST_FORWARD]";
    struct cursor c = cursor_make(text, strlen(text));
    const char *line;
    size_t length;

    while (cursor_line(&c, &line, &length)) {
        struct word words[WORDS_MAX];
        uint64_t host, guest;

        if (split(line, length, words) <= WORD_GUEST_PORT || !is_text(&words[WORD_STATE], state) ||
            number_parse(words[WORD_HOST_PORT].text, words[WORD_HOST_PORT].length, PORT_MAX,
                         &host) < 0 ||
            number_parse(words[WORD_GUEST_PORT].text, words[WORD_GUEST_PORT].length, PORT_MAX,
                         &guest) < 0)
            continue;
        if (guest == forward->guest_port && host != 0) {
            *ret_port = (uint16_t)host;
            return 0;
        }
    }
    return -ENOENT;
}
