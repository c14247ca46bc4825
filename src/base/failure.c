#include "base/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

int failure_set(struct failure *f, enum code code, int cause, const char *format, ...)
{
    va_list arguments;

    f->code = code;
    f->cause = cause < 0 ? cause : -EIO;
    va_start(arguments, format);
    (void)vsnprintf(f->text, sizeof(f->text), format, arguments); /* a cut message is still one */
    va_end(arguments);
    return f->cause;
}

void failure_prefix(struct failure *f, const char *format, ...)
{
    char former[FAILURE_TEXT_MAX];
    va_list arguments;
    size_t length;

    memcpy(former, f->text, sizeof(former));
    va_start(arguments, format);
    (void)vsnprintf(f->text, sizeof(f->text), format, arguments);
    va_end(arguments);
    length = strlen(f->text);
    (void)snprintf(f->text + length, sizeof(f->text) - length, ": %s", former);
}

/* These mark a verdict of ours; the kernel's words for them ("Numerical result out of range",
 * "Stale file handle") would only mislead. */
static bool is_verdict(int cause)
{
    return cause == -EBADMSG || cause == -EKEYREJECTED || cause == -EINVAL || cause == -ERANGE ||
           cause == -ESTALE;
}

enum exit_code failure_print(const struct failure *f, const char *program, FILE *stream)
{
    const struct code_entry *entry = code_entry(f->code);

    if (is_verdict(f->cause))
        (void)fprintf(stream, "%s: %s: %s\n", program, entry->id, f->text);
    else
        (void)fprintf(stream, "%s: %s: %s (%s)\n", program, entry->id, f->text,
                      strerror(-f->cause));
    (void)fprintf(stream, "  next: %s\n", entry->advice);
    return entry->exit;
}
