#include "programs/broch-service/output.h"

#include <errno.h>
#include <stdio.h>

#include "work/follow.h"
#include "work/snapshot.h"

int output_text(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

void output_add_line(const char *line, size_t length, struct text *t)
{
    static char clean[FOLLOW_LINE_SIZE_MAX + 1];

    snapshot_set_text(clean, sizeof(clean), line, length);
    text_addf(t, "%s\n", clean);
}
