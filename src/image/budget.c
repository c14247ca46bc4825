#include "image/budget.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "image/component_room.h"
#include "image/mapped.h"
#include "trust/pe_section.h"

enum { ROWS_MAX = 12 };

/* An artifact, and who made it. */
struct budget {
    const struct step *step;
    const char *name;
    uint64_t limit;
    int (*show)(const struct build *build, struct span artifact, struct failure *f);
};

static int open_output(const struct step *step, const char *name, struct span *ret,
                       struct failure *f)
{
    _cleanup_free_ char *path = step_path(step, name);

    return path ? mapped_open(path, ret, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static int show_components(const struct build *build, const struct contents *system,
                           const struct contents *initrd, struct failure *f)
{
    _cleanup_mapped_ struct span list = { NULL, 0 };
    struct component_room *rooms = NULL;
    size_t count = 0;
    int r = open_output(&build->sbom, "sbom.cdx.json", &list, f);

    if (r == 0)
        r = component_rooms(list, system, initrd, &rooms, &count, f);
    for (size_t i = 0; i < count && i < ROWS_MAX && rooms[i].size > 0; i++)
        progress_note(build->progress, "%12llu  %s %s", (unsigned long long)rooms[i].size,
                      rooms[i].name, rooms[i].version);
    component_rooms_done(rooms, count);
    return r;
}

static int show_initrd(const struct build *build, struct span artifact, struct failure *f)
{
    static const struct contents none = CONTENTS_INIT;
    _cleanup_contents_ struct contents initrd = CONTENTS_INIT;
    int r = contents_of_initrd(artifact, false, &initrd, f);

    return r < 0 ? r : show_components(build, &none, &initrd, f);
}

static int show_system(const struct build *build, struct span artifact, struct failure *f)
{
    static const struct contents none = CONTENTS_INIT;
    _cleanup_contents_ struct contents system = CONTENTS_INIT;
    int r = contents_of_system(artifact, false, &system, f);

    return r < 0 ? r : show_components(build, &system, &none, f);
}

static int by_room(const void *a, const void *b)
{
    const struct pe_section *first = a, *second = b;

    return (first->room < second->room) - (first->room > second->room);
}

static int show_uki(const struct build *build, struct span artifact, struct failure *f)
{
    struct pe_sections sections;
    int r = pe_sections_read(artifact.bytes, artifact.size, &sections);

    if (r < 0)
        return failure_set(f, CODE_ARTIFACT_BAD, r, "the boot file has no sections");
    qsort(sections.list, sections.count, sizeof(sections.list[0]), by_room);
    for (size_t i = 0; i < sections.count && i < ROWS_MAX; i++)
        progress_note(build->progress, "%12zu  %s", sections.list[i].room, sections.list[i].name);
    return 0;
}

/* What cannot be shown is still too large. */
static void show(const struct build *build, const struct budget *b)
{
    _cleanup_mapped_ struct span artifact = { NULL, 0 };
    struct failure f = FAILURE_NONE;

    progress_note(build->progress, "what takes the room in %s, in bytes%s:", b->name,
                  b->show == show_uki ? "" : " as unpacked");
    if (open_output(b->step, b->name, &artifact, &f) < 0 || b->show(build, artifact, &f) < 0)
        progress_note(build->progress, "%s", f.text);
}

static int check(const struct build *build, const struct budget *b, struct failure *f)
{
    uint64_t size = step_output(b->step, b->name)->size;

    if (size <= b->limit)
        return 0;
    show(build, b);
    return failure_set(f, CODE_BUDGET, -EINVAL,
                       "%s has %llu bytes, the budget of profile '%s' is %llu (%llu too many)",
                       b->name, (unsigned long long)size, build->profile.name,
                       (unsigned long long)b->limit, (unsigned long long)(size - b->limit));
}

int budget_check(const struct build *build, struct failure *f)
{
    const struct profile_budgets *limits = &build->profile.budgets;
    const struct budget budgets[] = {
        { &build->initrd, "initrd", limits->initrd, show_initrd },
        { &build->uki, "linux.efi", limits->uki, show_uki },
        { &build->system, "system.erofs", limits->system, show_system },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(budgets); i++)
        r = check(build, &budgets[i], f);
    return r;
}
