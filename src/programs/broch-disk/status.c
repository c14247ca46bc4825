/* Says how the encrypted disk opens, and how what was asked of stage 1 ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "disk/request_file.h"
#include "disk/volume.h"
#include "node/facts.h"
#include "programs/broch-disk/actions.h"
#include "programs/broch-disk/shown.h"

static void gather_asked(struct shown *s)
{
    _cleanup_close_ int fd = request_folder_open(AT_FDCWD, REQUEST_FOLDER, false);
    struct failure ignored = FAILURE_NONE; /* stage 1 is going to say what is wrong with it */

    for (size_t i = 0; fd >= 0 && i < REQUEST_KIND_MAX_; i++) {
        struct asked *a = &s->asked[i];

        a->waits = request_read(fd, (enum request_kind)i, &a->request, &ignored) == 0;
        a->ended = request_result_read(fd, (enum request_kind)i, &a->result) == 0;
    }
}

static int gather(struct shown *s, struct failure *f)
{
    _cleanup_volume_ struct volume *v = NULL;
    struct facts facts;
    int r = facts_read(FACTS_PATH, &facts, f);

    if (r == 0)
        r = state_open_volume(&s->state, &v, f);
    if (r == 0)
        r = volume_count_slots(v, &s->slots, f);
    if (r == 0)
        r = sealed_read(s->state.partition, &s->sealed, f);
    if (r < 0)
        return r;
    s->epoch = facts.epoch;
    gather_asked(s);
    return 0;
}

static int print(struct text *t, struct failure *f)
{
    if (text_status(t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "cannot word the answer");
    if (fputs(text_string(t), stdout) < 0 || fflush(stdout) != 0)
        return failure_set(f, CODE_IO, -errno, "cannot write the answer");
    return 0;
}

int action_status(const struct action_options *options, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    static struct shown s;
    int r = state_read(&s.state, f);

    if (r < 0)
        return r;
    if (!s.state.open) {
        text_add(&t, options->json
                         ? "{\"schema\":1,\"state\":\"volatile\"}\n"
                         : "no encrypted disk: what is written is gone at the next start\n");
        return print(&t, f);
    }
    r = gather(&s, f);
    if (r < 0)
        return r;
    if (options->json)
        shown_add_json(&s, &t);
    else
        shown_add_table(&s, &t);
    return print(&t, f);
}
