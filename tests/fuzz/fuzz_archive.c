/* A release in one file, in pieces whose size is the first byte: what is told fits what was given.
 */
#include "fuzz.h"
#include "update/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? (size_t)data[0] * 8 + 1 : 1, at = size > 0 ? 1 : 0, begun = 0;
    struct archive archive = ARCHIVE_INIT;
    struct archive_event event = { .kind = ARCHIVE_NEED };

    while (at < size && event.kind != ARCHIVE_END) {
        size_t count = size - at < piece ? size - at : piece, used = 0;

        if (archive_feed(&archive, data + at, count, &used, &event) < 0)
            return 0;
        CHECK(used <= count && (used > 0 || event.kind != ARCHIVE_NEED));
        if (event.kind == ARCHIVE_ENTRY)
            CHECK(event.member == begun++ && event.size <= archive_member_limit(event.member));
        if (event.kind == ARCHIVE_DATA)
            CHECK(event.bytes >= data + at && event.bytes + event.count <= data + at + used);
        at += used;
        CHECK(archive.offset == at - 1);
    }
    CHECK(event.kind != ARCHIVE_END || begun == ARCHIVE_MEMBER_MAX_);
    return 0;
}
