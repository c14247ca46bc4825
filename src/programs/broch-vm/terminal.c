#include "programs/broch-vm/terminal.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool is_raw;

bool terminal_filter(struct terminal_filter *filter, const uint8_t *bytes, size_t size,
                     uint8_t *ret_bytes, size_t *ret_size)
{
    *ret_size = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes[i];

        if (!filter->prefix) {
            filter->prefix = byte == TERMINAL_PREFIX;
            if (!filter->prefix)
                ret_bytes[(*ret_size)++] = byte;
            continue;
        }
        filter->prefix = false;
        if (byte == 'x' || byte == 'X')
            return true;
        ret_bytes[(*ret_size)++] = TERMINAL_PREFIX;
        if (byte != TERMINAL_PREFIX)
            ret_bytes[(*ret_size)++] = byte;
    }
    return false;
}

void terminal_restore(void)
{
    if (is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved); /* we are leaving in any case */
    is_raw = false;
}

bool terminal_raw(void)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0)
        return false;
    raw = saved;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return false;
    is_raw = true;
    (void)atexit(terminal_restore); /* when it fails, the normal path still restores */
    return true;
}
