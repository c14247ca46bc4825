#include "image/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/hex.h"
#include "base/number.h"
#include "image/cache.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "sys/sandbox.h"

enum {
    RESULT_FILE_MAX = 1 << 16,
    KEPT_RESULTS = 6,
    CLEAR_TRIES_MAX = 250,
    CLEAR_PAUSE_MS = 20,
    FOLDER_ENTRIES_MAX = 256
};

#define RESULT_NAME ".result"
#define WORK_ENDING ".work"

void step_init(struct step *step, const char *name)
{
    *step = (struct step){ .name = name, .inputs = TEXT_INIT };
    /* Raised when a step's code changes what it makes of the same inputs. */
    text_addf(&step->inputs, "input recipe 3 %s\n", name);
}

void step_done(struct step *step)
{
    text_done(&step->inputs);
    free(take_ptr(step->folder));
}

void step_input_text(struct step *step, const char *name, const char *value)
{
    text_addf(&step->inputs, "input %s %zu:%s\n", name, strlen(value), value);
}

void step_input_number(struct step *step, const char *name, uint64_t value)
{
    text_addf(&step->inputs, "input %s %llu\n", name, (unsigned long long)value);
}

void step_input_digest(struct step *step, const char *name, const struct digest *digest)
{
    char digits[DIGEST_TEXT_SIZE];

    text_addf(&step->inputs, "input %s %s\n", name, digest_text(digest, digits));
}

char *step_path(const struct step *step, const char *name)
{
    CHECK(step->folder);
    return text_make("%s/%s", step->folder, name);
}

const struct step_output *step_output(const struct step *step, const char *name)
{
    const struct step_output *found = NULL;

    for (size_t i = 0; i < step->output_count && !found; i++) {
        if (strcmp(step->outputs[i].name, name) == 0)
            found = &step->outputs[i];
    }
    CHECK(found);
    return found;
}

static bool stat_output(const char *path, uint64_t *ret_size, uint64_t *ret_mtime_ns)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return false;
    if (S_ISDIR(status.st_mode)) {
        *ret_size = *ret_mtime_ns = 0;
        return true;
    }
    *ret_size = (uint64_t)status.st_size;
    *ret_mtime_ns = (uint64_t)status.st_mtim.tv_sec * NS_PER_S + (uint64_t)status.st_mtim.tv_nsec;
    return true;
}

/* The result file has a line per output: NAME SIZE MTIME_NS SHA256. It is our own and in our own
 * cache; whatever does not parse is simply no result. */
static bool parse_output(const char *line, size_t length, struct step_output *ret)
{
    const char *fields[4] = { line, NULL, NULL, NULL };
    size_t lengths[4];

    for (size_t i = 0; i < 4; i++) {
        const char *space = memchr(fields[i], ' ', (size_t)(line + length - fields[i]));

        if ((i < 3) != (space != NULL))
            return false;
        lengths[i] = (size_t)((space ? space : line + length) - fields[i]);
        if (i < 3)
            fields[i + 1] = space + 1;
    }
    if (lengths[0] == 0 || lengths[0] >= sizeof(ret->name))
        return false;
    memcpy(ret->name, fields[0], lengths[0]);
    ret->name[lengths[0]] = '\0';
    return number_parse(fields[1], lengths[1], UINT64_MAX, &ret->size) == 0 &&
           number_parse(fields[2], lengths[2], UINT64_MAX, &ret->mtime_ns) == 0 &&
           hex_decode(fields[3], lengths[3], ret->digest.bytes, DIGEST_SIZE) == 0;
}

static bool output_is_there(const struct step *step, const struct step_output *output)
{
    _cleanup_free_ char *path = step_path(step, output->name);
    uint64_t size, mtime_ns;

    return path && stat_output(path, &size, &mtime_ns) && size == output->size &&
           mtime_ns == output->mtime_ns;
}

static void sum_up(struct step *step)
{
    _cleanup_text_ struct text all = TEXT_INIT;
    char digits[DIGEST_TEXT_SIZE];

    for (size_t i = 0; i < step->output_count; i++)
        text_addf(&all, "%s %s\n", step->outputs[i].name,
                  digest_text(&step->outputs[i].digest, digits));
    CHECK(text_status(&all) == 0);
    step->result = digest_bytes(text_string(&all), all.length);
}

static bool load_result(struct step *step)
{
    _cleanup_free_ char *path = step_path(step, RESULT_NAME);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE;
    struct cursor cursor;
    const char *line;
    size_t size, length;

    step->output_count = 0;
    if (!path || file_read(path, RESULT_FILE_MAX, &bytes, &size, &ignored) < 0)
        return false;
    cursor = cursor_make(bytes, size);
    while (cursor_line(&cursor, &line, &length)) {
        struct step_output *output = &step->outputs[step->output_count];

        if (step->output_count >= STEP_OUTPUTS_MAX || !parse_output(line, length, output) ||
            !output_is_there(step, output))
            return false;
        step->output_count++;
    }
    if (!cursor_finished(&cursor))
        return false;
    sum_up(step);
    (void)utimensat(AT_FDCWD, path, NULL, 0); /* prune() goes by last use */
    return true;
}

static int locate(struct step *step, struct failure *f)
{
    struct digest key;
    char digits[DIGEST_TEXT_SIZE];

    if (text_status(&step->inputs) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    key = digest_bytes(step->inputs.data, step->inputs.length);
    free(take_ptr(step->folder));
    return cache_path(&step->folder, f, "steps/%s/%s", step->name, digest_text(&key, digits));
}

bool step_is_cached(struct step *step)
{
    struct failure ignored = FAILURE_NONE;

    return locate(step, &ignored) == 0 && load_result(step);
}

static int record_output(const char *folder, const char *name, void *context, struct failure *f)
{
    struct step *step = context;
    struct step_output *output = &step->outputs[step->output_count];
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    int r;

    if (name[0] == '.')
        return 0;
    CHECK(step->output_count < STEP_OUTPUTS_MAX && strlen(name) < sizeof(output->name));
    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    memcpy(output->name, name, strlen(name) + 1);
    if (!stat_output(path, &output->size, &output->mtime_ns))
        return file_failure(f, errno, "read", path);
    r = digest_tree(path, &output->digest, f);
    if (r == 0)
        step->output_count++;
    return r;
}

static int save_result(struct step *step, const char *folder, struct failure *f)
{
    _cleanup_free_ char *result = text_make("%s/" RESULT_NAME, folder);
    _cleanup_free_ char *inputs = text_make("%s/.inputs", folder);
    _cleanup_text_ struct text lines = TEXT_INIT;
    char digits[DIGEST_TEXT_SIZE];
    int r;

    step->output_count = 0;
    r = file_list(folder, record_output, step, f);
    if (r < 0)
        return r;
    for (size_t i = 0; i < step->output_count; i++)
        text_addf(&lines, "%s %llu %llu %s\n", step->outputs[i].name,
                  (unsigned long long)step->outputs[i].size,
                  (unsigned long long)step->outputs[i].mtime_ns,
                  digest_text(&step->outputs[i].digest, digits));
    if (!result || !inputs || text_status(&lines) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    sum_up(step);
    r = file_write(inputs, step->inputs.data, step->inputs.length, 0644, f);
    return r < 0 ? r : file_write(result, text_string(&lines), lines.length, 0644, f);
}

/* Prints the input lines that differ from those of the last run for this profile. */
static void explain(const struct step *step, const struct step_shared *shared, const char *latest)
{
    _cleanup_free_ uint8_t *former = NULL;
    struct failure ignored = FAILURE_NONE;
    struct cursor cursor = cursor_make(step->inputs.data, step->inputs.length);
    const char *line;
    size_t size, length, changed = 0;

    if (file_read(latest, RESULT_FILE_MAX, &former, &size, &ignored) < 0) {
        progress_note(shared->progress, "%s runs: it never ran before", step->name);
        return;
    }
    while (cursor_line(&cursor, &line, &length)) {
        if (memmem(former, size, line, length + 1))
            continue;
        progress_note(shared->progress, "%s runs: changed %.*s", step->name,
                      (int)(length < 100 ? length : 100), line);
        changed++;
    }
    if (changed == 0)
        progress_note(shared->progress, "%s runs: its result is gone or was changed", step->name);
}

struct aged {
    char *path;
    uint64_t mtime_ns;
};

struct aged_list {
    struct aged list[FOLDER_ENTRIES_MAX];
    size_t count;
};

static int collect_aged(const char *folder, const char *name, void *context, struct failure *f)
{
    struct aged_list *aged = context;
    char *path = text_make("%s/%s/" RESULT_NAME, folder, name);
    uint64_t size, mtime_ns;

    /* The caller holds the guard: no other build is in this folder, so this one was killed. */
    if (strlen(name) > strlen(WORK_ENDING) &&
        strcmp(name + strlen(name) - strlen(WORK_ENDING), WORK_ENDING) == 0) {
        free(path);
        path = text_make("%s/%s", folder, name);
        if (path)
            (void)!sandbox_remove_tree(path, f);
        free(path);
        return 0;
    }
    if (path && aged->count < FOLDER_ENTRIES_MAX && strlen(name) == 2 * DIGEST_SIZE &&
        stat_output(path, &size, &mtime_ns)) {
        *strrchr(path, '/') = '\0';
        aged->list[aged->count++] = (struct aged){ .path = path, .mtime_ns = mtime_ns };
    } else {
        free(path);
    }
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct aged *first = a, *second = b;

    return (first->mtime_ns < second->mtime_ns) - (first->mtime_ns > second->mtime_ns);
}

/* Keeps the newest results of a step, and nothing of those that failed. Failing to remove is no
 * failure of the build. */
static void prune(const char *folder)
{
    struct failure ignored = FAILURE_NONE;
    struct aged_list aged = { .count = 0 };

    (void)!file_list(folder, collect_aged, &aged, &ignored);
    if (aged.count > 0)
        qsort(aged.list, aged.count, sizeof(aged.list[0]), newest_first);
    for (size_t i = 0; i < aged.count; i++) {
        if (i >= KEPT_RESULTS)
            (void)!file_remove_tree(aged.list[i].path, &ignored);
        free(aged.list[i].path);
    }
}

/* Removes what a killed build left. The kernel drops that build's lock a moment before the last of
 * its processes ends, and there is nothing to wait on for somebody else's processes: until they are
 * gone the folder may fill again, so it is tried again for a while. */
static int clear_work(const char *work, struct failure *f)
{
    int r = sandbox_remove_tree(work, f);

    for (unsigned tries = 0; r == -ENOTEMPTY && tries < CLEAR_TRIES_MAX; tries++) {
        (void)poll(NULL, 0, CLEAR_PAUSE_MS);
        r = sandbox_remove_tree(work, f);
    }
    return r;
}

static int run_into(struct step *step, const char *work, step_run run, void *context,
                    struct failure *f)
{
    int r = clear_work(work, f);

    if (r == 0)
        r = file_make_folders(work, f);
    if (r == 0)
        r = cache_judge_space(run(work, context, f), f);
    if (r == 0)
        r = save_result(step, work, f);
    if (r == 0)
        r = file_remove_tree(step->folder, f);
    if (r == 0 && rename(work, step->folder) < 0)
        r = file_failure(f, errno, "rename", work);
    return r;
}

static int run_step(struct step *step, const struct step_shared *shared, step_run run,
                    void *context, struct failure *f)
{
    _cleanup_free_ char *work = text_make("%s" WORK_ENDING, step->folder), *home = NULL,
                        *latest = NULL;
    _cleanup_free_ char *guard = NULL;
    _cleanup_close_ int lock_fd = -1;
    int r = cache_path(&home, f, "steps/%s", step->name);

    if (r == 0)
        r = file_make_folders(home, f);
    if (r < 0)
        return r;
    latest = text_make("%s/latest.%s", home, shared->profile);
    guard = text_make("%s/guard", home);
    if (!work || !latest || !guard)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = lockfile_take(guard, true, &lock_fd, f);
    if (r < 0 || load_result(step))
        return r; /* another build made it meanwhile */
    if (shared->explain)
        explain(step, shared, latest);
    r = run_into(step, work, run, context, f);
    step->ran = r == 0;
    if (r == 0)
        r = file_write(latest, step->inputs.data, step->inputs.length, 0644, f);
    prune(home);
    return r;
}

int step_do(struct step *step, const struct step_shared *shared, step_run run, void *context,
            struct failure *f)
{
    int r = locate(step, f);

    progress_step(shared->progress, step->name);
    if (r == 0 && load_result(step)) {
        progress_end(shared->progress, "cached");
        return 0;
    }
    if (r == 0)
        r = run_step(step, shared, run, context, f);
    progress_end(shared->progress, r < 0 ? "failed" : step->ran ? "done" : "cached");
    if (r < 0)
        failure_prefix(f, "step %s", step->name);
    return r;
}
