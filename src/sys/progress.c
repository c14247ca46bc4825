#include "sys/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/line.h"
#include "base/number.h"

enum { JSON_LINE_MAX = 512 };

#define REDRAW_NS (100 * NS_PER_MS) /* ten times a second is as much as an eye wants */

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* One write per line, so that lines stay whole in a pipe. */
static void emit_json(const struct progress *p, struct line *line)
{
    line_add(line, "\n");
    if (p->json_fd >= 0)
        (void)!write(p->json_fd, line->buffer,
                     line->length); /* a reader that left has its reasons */
}

static void clear_line(struct progress *p)
{
    if (p->open_line)
        (void)fprintf(stderr, "\r\033[K");
    p->open_line = false;
}

void progress_start(struct progress *p, int json_fd, bool quiet)
{
    *p = (struct progress){
        .json_fd = json_fd, .terminal = isatty(STDERR_FILENO) == 1, .quiet = quiet, .step = ""
    };
}

static void emit_step(struct progress *p, const char *status, uint64_t ms)
{
    char buffer[JSON_LINE_MAX];
    struct line line = line_make(buffer, sizeof(buffer));

    line_add(&line, "{\"event\":\"step\",\"step\":");
    line_add_json_string(&line, p->step);
    line_addf(&line, ",\"status\":\"%s\",\"ms\":%llu}", status, (unsigned long long)ms);
    emit_json(p, &line);
}

void progress_step(struct progress *p, const char *step)
{
    p->step = step;
    p->started_ns = now_ns();
    p->shown_ns = 0;
    emit_step(p, "start", 0);
    if (!p->quiet && p->terminal) {
        (void)fprintf(stderr, "\r\033[K  %-10s ...", step);
        p->open_line = true;
    }
}

void progress_end(struct progress *p, const char *status)
{
    uint64_t ms = (now_ns() - p->started_ns) / NS_PER_MS;

    emit_step(p, status, ms);
    clear_line(p);
    if (!p->quiet)
        (void)fprintf(stderr, "  %-10s %s%*s%4llu.%llu s\n", p->step, status,
                      (int)(status[0] == 'c' ? 2 : 4), "", (unsigned long long)(ms / 1000),
                      (unsigned long long)(ms % 1000 / 100));
}

void progress_bytes(struct progress *p, uint64_t done, uint64_t total)
{
    uint64_t now = now_ns(), elapsed = now - p->started_ns;
    uint64_t rate = elapsed / NS_PER_MS ? done * 1000 / (elapsed / NS_PER_MS) : 0;
    char buffer[JSON_LINE_MAX];
    struct line line = line_make(buffer, sizeof(buffer));

    if (now - p->shown_ns < REDRAW_NS && done < total)
        return;
    p->shown_ns = now;
    line_add(&line, "{\"event\":\"bytes\",\"step\":");
    line_add_json_string(&line, p->step);
    line_addf(&line, ",\"done\":%llu,\"total\":%llu}", (unsigned long long)done,
              (unsigned long long)total);
    emit_json(p, &line);
    if (p->quiet || !p->terminal)
        return;
    (void)fprintf(stderr, "\r\033[K  %-10s %llu of %llu MiB, %llu MiB/s, %llu s left", p->step,
                  (unsigned long long)(done / MIB), (unsigned long long)(total / MIB),
                  (unsigned long long)(rate / MIB),
                  (unsigned long long)(rate ? (total - done) / rate : 0));
    p->open_line = true;
}

void progress_note(struct progress *p, const char *format, ...)
{
    va_list arguments;

    if (p->quiet)
        return;
    clear_line(p);
    va_start(arguments, format);
    (void)fprintf(stderr, "  ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
    va_end(arguments);
}
