#include "update/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "trust/latest.h"

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void source_done(struct source *source)
{
    free(source->place);
    *source = (struct source)SOURCE_INIT;
}

void source_head_done(struct source_head *head)
{
    free(head->manifest);
    free(head->signature);
    *head = (struct source_head){ .manifest = NULL };
}

/* --- Small files --- */

struct small {
    struct text *text;
    size_t limit;
    const char *address;
};

static int take_small(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    struct small *small = context;

    if (size > small->limit - small->text->length)
        return failure_set(f, CODE_UPDATE_SOURCE, -ERANGE, "%s has more than %zu bytes",
                           range_shown(small->address), small->limit);
    text_add_bytes(small->text, bytes, size);
    return text_status(small->text) < 0 ? out_of_memory(f) : 0;
}

/* Reads a whole file of at most `limit` bytes. */
static int read_small(const struct source *source, const char *address, size_t limit,
                      struct text *ret, struct failure *f)
{
    const struct range_request request = { .address = address,
                                           .limit = (uint64_t)limit + 1,
                                           .stall_seconds = source->stall_seconds };
    struct small small = { .text = ret, .limit = limit, .address = address };
    struct range_result result;

    return range_read(&request, take_small, &small, &result, f);
}

/* --- Finding --- */

static bool is_one_file(const char *from)
{
    static const char ending[] = ".broch";
    size_t length = strcspn(from, range_is_url(from) ? "?#" : "");

    return length > strlen(ending) &&
           strncmp(from + length - strlen(ending), ending, strlen(ending)) == 0;
}

/* Without the slashes at its end; the root folder keeps its one. */
static char *trim(const char *from)
{
    size_t length = strlen(from);

    while (length > 1 && from[length - 1] == '/')
        length--;
    return strndup(from, length);
}

/* The folder of the newest generation of this kind, by the index. */
static int pick(const struct text *index, const struct source_kind *kind,
                char ret[static LATEST_FOLDER_SIZE], struct failure *f)
{
    struct latest *latest = calloc(1, sizeof(*latest));
    const struct latest_line *line;
    int r = latest ? latest_parse(LATEST_NAME, text_string(index), index->length, latest, f)
                   : out_of_memory(f);

    if (r == 0) {
        line = latest_find(latest, kind->profile, kind->arch);
        if (line)
            latest_folder(line, ret);
        else
            r = failure_set(f, CODE_UPDATE_SOURCE, -ENOENT,
                            "the index has no release of '%s' for %s", kind->profile, kind->arch);
    }
    free(latest);
    return r;
}

/* An index leads to the generation; without one the folder is a generation itself. */
static int find_in_folder(struct source *source, const struct source_kind *kind, struct failure *f)
{
    _cleanup_free_ char *address = text_make("%s/" LATEST_NAME, source->place);
    _cleanup_text_ struct text index = TEXT_INIT;
    char folder[LATEST_FOLDER_SIZE], *found;
    int r = address ? read_small(source, address, LATEST_SIZE_MAX, &index, f) : out_of_memory(f);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = pick(&index, kind, folder, f);
    if (r < 0)
        return r;
    found = text_make("%s/%s", source->place, folder);
    if (!found)
        return out_of_memory(f);
    free(source->place);
    source->place = found;
    return 0;
}

int source_open(const char *from, const struct source_kind *kind, struct source *ret,
                struct failure *f)
{
    struct source source = { .place = trim(from), .one_file = is_one_file(from) };
    int r = source.place ? 0 : out_of_memory(f);

    source.stall_seconds = ret->stall_seconds;
    if (r == 0 && strlen(from) >= RANGE_ADDRESS_MAX - LATEST_FOLDER_SIZE)
        r = failure_set(f, CODE_UPDATE_SOURCE, -ENAMETOOLONG, "the source's address is too long");
    if (r == 0 && strstr(from, "://") && !range_is_url(from))
        r = failure_set(f, CODE_UPDATE_SOURCE, -EPROTONOSUPPORT,
                        "'%s' is neither http nor https, nor a path", from);
    if (r == 0 && !source.one_file)
        r = find_in_folder(&source, kind, f);
    if (r < 0)
        source_done(&source);
    else
        *ret = source;
    return r;
}

/* --- The manifest --- */

/* Both texts become the caller's, zero-terminated. */
static int take_head(struct text texts[static ARCHIVE_SIGNATURE + 1], struct source_head *ret,
                     struct failure *f)
{
    struct source_head head = { .manifest_size = texts[ARCHIVE_MANIFEST].length };

    for (unsigned i = 0; i <= ARCHIVE_SIGNATURE; i++)
        text_add(&texts[i], ""); /* also one of an empty file has an end */
    head.manifest = (uint8_t *)text_take(&texts[ARCHIVE_MANIFEST]);
    head.signature = text_take(&texts[ARCHIVE_SIGNATURE]);
    if (!head.manifest || !head.signature) {
        source_head_done(&head);
        return out_of_memory(f);
    }
    *ret = head;
    return 0;
}

static int read_head_folder(struct source *source, struct source_head *ret, struct failure *f)
{
    struct text texts[ARCHIVE_SIGNATURE + 1] = { TEXT_INIT, TEXT_INIT };
    int r = 0;

    for (unsigned i = 0; r == 0 && i <= ARCHIVE_SIGNATURE; i++) {
        const enum archive_member member = (enum archive_member)i;
        _cleanup_free_ char *address =
            text_make("%s/%s", source->place, archive_member_name(member));

        r = address
                ? read_small(source, address, (size_t)archive_member_limit(member), &texts[i], f)
                : out_of_memory(f);
    }
    if (r == 0)
        r = take_head(texts, ret, f);
    for (unsigned i = 0; i <= ARCHIVE_SIGNATURE; i++)
        text_done(&texts[i]);
    return r;
}

/* What goes on while one file is read. */
struct following {
    struct source *source;
    struct text texts[ARCHIVE_SIGNATURE + 1];
    enum archive_member until; /* ends when this member begins; ARCHIVE_MEMBER_MAX_: at the end */
    bool there;
};

/* Positive from the sink's helper: what was waited for is there. */
static int note_event(struct following *following, const struct archive_event *event)
{
    struct source *source = following->source;

    if (event->kind == ARCHIVE_DATA && event->member <= ARCHIVE_SIGNATURE) {
        text_add_bytes(&following->texts[event->member], event->bytes, event->count);
        return text_status(&following->texts[event->member]);
    }
    if (event->kind == ARCHIVE_END)
        following->there = following->until == ARCHIVE_MEMBER_MAX_;
    if (event->kind == ARCHIVE_ENTRY) {
        source->offsets[event->member] = source->head.offset;
        source->sizes[event->member] = event->size;
        following->there = event->member == following->until;
    }
    return 0;
}

static int follow(const uint8_t *bytes, size_t size, void *context, struct failure *f)
{
    struct following *following = context;
    struct archive_event event;
    size_t used;

    while (size > 0) {
        int r = archive_feed(&following->source->head, bytes, size, &used, &event);

        if (r == 0)
            r = note_event(following, &event);
        if (r < 0)
            return failure_set(f, CODE_UPDATE_ARCHIVE, r, "%s is no release in one file",
                               range_shown(following->source->place));
        bytes += used;
        size -= used;
        if (following->there && following->until < ARCHIVE_MEMBER_MAX_)
            return -ECANCELED; /* far enough */
    }
    return 0;
}

/* Reads one file from where its reader is until `until` begins, or to its end. */
static int follow_until(struct source *source, struct following *following, struct failure *f)
{
    const struct range_request request = { .address = source->place,
                                           .offset = source->head.offset,
                                           .limit = UINT64_MAX,
                                           .stall_seconds = source->stall_seconds };
    struct range_result result;
    int r = range_read(&request, follow, following, &result, f);

    source->parts = result.parts;
    source->total_known = result.total_known;
    source->total = result.total;
    if (r == -ECANCELED)
        return 0;
    if (r == 0 && !following->there)
        r = failure_set(f, CODE_UPDATE_ARCHIVE, -ENODATA, "%s ends too early",
                        range_shown(source->place));
    return r;
}

static int read_head_file(struct source *source, struct source_head *ret, struct failure *f)
{
    struct following following = { .source = source, .until = ARCHIVE_UKI };
    int r;

    source->head = (struct archive)ARCHIVE_INIT;
    r = follow_until(source, &following, f);
    if (r == 0)
        r = take_head(following.texts, ret, f);
    for (unsigned i = 0; i < ARRAY_SIZE(following.texts); i++)
        text_done(&following.texts[i]);
    return r;
}

int source_read_head(struct source *source, struct source_head *ret, struct failure *f)
{
    return source->one_file ? read_head_file(source, ret, f) : read_head_folder(source, ret, f);
}

/* --- The large files --- */

const struct manifest_file *source_file(const struct manifest *manifest, enum archive_member member)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (strcmp(manifest->files[i].name, archive_member_name(member)) == 0)
            return &manifest->files[i];
    }
    return NULL;
}

static int wrong_size(const struct source *source, struct failure *f)
{
    return failure_set(f, CODE_UPDATE_ARCHIVE, -EBADMSG,
                       "%s has other members, or more, than its manifest says",
                       range_shown(source->place));
}

/* The rest of the headers and the end, without the bytes between them. */
static int check_rest(struct source *source, struct failure *f)
{
    for (unsigned next = ARCHIVE_SYSTEM; next <= ARCHIVE_MEMBER_MAX_; next++) {
        struct following following = { .source = source, .until = (enum archive_member)next };
        int r;

        archive_skip(&source->head);
        r = follow_until(source, &following, f);
        if (r < 0)
            return r;
    }
    return 0;
}

int source_check(struct source *source, const struct manifest *manifest, struct failure *f)
{
    const struct manifest_file *uki = source_file(manifest, ARCHIVE_UKI);
    const struct manifest_file *image = source_file(manifest, ARCHIVE_SYSTEM);
    uint64_t total;
    int r = 0;

    CHECK(uki && image);
    if (!source->one_file)
        return 0;
    if (source->sizes[ARCHIVE_UKI] != uki->size ||
        image->size > archive_member_limit(ARCHIVE_SYSTEM))
        return wrong_size(source, f);
    source->sizes[ARCHIVE_SYSTEM] = image->size;
    source->offsets[ARCHIVE_SYSTEM] =
        source->offsets[ARCHIVE_UKI] + uki->size + archive_padding(uki->size) + ARCHIVE_BLOCK;
    total = archive_size(source->sizes);
    if (source->total_known && source->total != total)
        return failure_set(f, CODE_UPDATE_ARCHIVE, -EBADMSG, "%s has %llu bytes instead of %llu",
                           range_shown(source->place), (unsigned long long)source->total,
                           (unsigned long long)total);
    /* A server that does not know ranges would send all that is skipped. */
    if (source->parts)
        r = check_rest(source, f);
    return r < 0 || source->sizes[ARCHIVE_SYSTEM] == image->size ? r : wrong_size(source, f);
}

int source_read(const struct source *source, const struct source_part *part, range_sink sink,
                void *context, struct range_result *ret, struct failure *f)
{
    _cleanup_free_ char *address =
        source->one_file ? strdup(source->place)
                         : text_make("%s/%s", source->place, archive_member_name(part->member));
    const struct range_request request = {
        .address = address,
        .offset = part->offset + (source->one_file ? source->offsets[part->member] : 0),
        .limit = part->limit,
        .stall_seconds = source->stall_seconds,
    };

    *ret = (struct range_result){ .done = 0 };
    return address ? range_read(&request, sink, context, ret, f) : out_of_memory(f);
}
