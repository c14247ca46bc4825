#include "image/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/cache.h"
#include "sys/file.h"

enum { LOG_TAIL_MAX = 400, LOG_MAX = 64 << 20 };

struct tool tool_make(const struct tree *tree, const char *step, uint64_t date)
{
    return (struct tool){
        .step = step, .date = date, .input_fd = -1, .sandbox = { .tree = tree->path }
    };
}

void tool_bind(struct tool *tool, const char *source, const char *target, bool read_only)
{
    size_t i = 0;

    while (i < SANDBOX_BINDS_MAX && tool->sandbox.binds[i].source)
        i++;
    CHECK(i < SANDBOX_BINDS_MAX);
    tool->sandbox.binds[i] = (struct sandbox_bind){ source, target, read_only };
}

static int open_log(const struct tool *tool, char **ret_path, int *ret_fd, struct failure *f)
{
    int r = cache_path(ret_path, f, "logs/%s.log", tool->step);

    if (r == 0)
        r = file_make_parent(*ret_path, f);
    if (r < 0)
        return r;
    *ret_fd = open(*ret_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return *ret_fd < 0 ? file_failure(f, errno, "write", *ret_path) : 0;
}

/* The last lines of a log in one line, for the message; nothing that a terminal would obey. */
static void quote_log(const char *path, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    struct failure former = *f;
    char tail[LOG_TAIL_MAX + 1] = "";
    size_t size, length = 0;

    if (file_read(path, LOG_MAX, &bytes, &size, &ignored) == 0) {
        size_t from = size > LOG_TAIL_MAX ? size - LOG_TAIL_MAX : 0;

        for (size_t i = from; i < size; i++)
            tail[length++] = bytes[i] > ' ' && bytes[i] <= '~' ? (char)bytes[i] : ' ';
        tail[length] = '\0';
    }
    (void)failure_set(f, former.code, former.cause, "%.200s (log: %s): %s", former.text, path,
                      tail);
}

static int start(const struct tool *tool, const struct arguments *arguments, size_t limit,
                 char **ret_output, size_t *ret_size, struct failure *f)
{
    char date[64];
    const char *const environment[] = { date, "TMPDIR=/tmp", "PYTHONDONTWRITEBYTECODE=1", NULL };
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .environment = environment,
                           .sandbox = &tool->sandbox, .folder = tool->folder };
    _cleanup_free_ char *log_path = NULL;
    _cleanup_close_ int log_fd = -1;
    int r = open_log(tool, &log_path, &log_fd, f);

    if (r < 0)
        return r;
    (void)snprintf(date, sizeof(date), "SOURCE_DATE_EPOCH=%llu", (unsigned long long)tool->date);
    spawn.input_fd = tool->input_fd;
    spawn.error_fd = log_fd;
    if (ret_output) {
        r = spawn_capture(&spawn, limit, ret_output, ret_size, f);
    } else {
        spawn.output_fd = log_fd;
        r = spawn_run(&spawn, f);
    }
    if (r < 0 && f->code == CODE_STEP_FAILED)
        quote_log(log_path, f);
    return r;
}

int tool_run(const struct tool *tool, const struct arguments *arguments, struct failure *f)
{
    return start(tool, arguments, 0, NULL, NULL, f);
}

int tool_capture(const struct tool *tool, const struct arguments *arguments, size_t limit,
                 char **ret_output, size_t *ret_size, struct failure *f)
{
    return start(tool, arguments, limit, ret_output, ret_size, f);
}
