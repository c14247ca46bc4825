/* Manifests of services: what is accepted names one program by an absolute path, and nothing in it
 * reaches the scripts of the service directory as more than the words they have. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "work/graph.h"
#include "work/manifest.h"
#include "work/s6dir.h"
#include "work/s6rc.h"

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void check_directory(const struct service_manifest *m)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;

    s6dir_render(m, &files);
    CHECK(!files.error);
    CHECK(count_lines(work_files_find(&files, "run")->content) == 1);
    CHECK(count_lines(work_files_find(&files, "log/run")->content) == 3);
    for (size_t i = 0; i < files.count; i++)
        CHECK(strspn(files.items[i].path, "abcdefghijklmnopqrstuvwxyz-/") ==
              strlen(files.items[i].path));
}

static void check_set(const struct service_manifest *m)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct service_graph graph;
    struct s6rc_set set = { m, &graph, 0 };
    struct failure f = FAILURE_NONE;

    if (service_graph_make(m, 1, &graph, &f) < 0) {
        CHECK(f.cause == -ENOENT && strncmp(f.text, "f:", 2) == 0); /* alone, it has no circle */
        return;
    }
    CHECK(graph.order[0] == 0);
    CHECK(s6rc_render(&set, &files, &f) == 0 && !files.error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_service_manifest_ struct service_manifest m = { .name = NULL };
    struct failure f = FAILURE_NONE;

    if (service_manifest_parse("f", "time", data, size, &m, &f) < 0) {
        CHECK(f.cause < 0 && strncmp(f.text, "f:", 2) == 0 && !m.name);
        return 0;
    }
    CHECK(strcmp(m.name, "time") == 0 && m.tier == WORK_TIER_NODE);
    CHECK(m.run.count > 0 && m.run.items[0][0] == '/' && !strstr(m.run.items[0], "/../"));
    CHECK(m.user && m.path && m.ready.kind < WORK_READY_MAX_);
    CHECK(m.restart.policy < WORK_RESTART_MAX_ && m.network.mode < WORK_NETWORK_MAX_);
    CHECK(m.network.mode == WORK_NETWORK_HOST || m.network.listen.count == 0);
    for (size_t i = 0; i < m.confine.write.count; i++)
        CHECK(m.confine.write.items[i][0] == '/' && !strstr(m.confine.write.items[i], "/.."));
    check_directory(&m);
    check_set(&m);
    return 0;
}
