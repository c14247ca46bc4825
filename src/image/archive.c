#include "image/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/text.h"
#include "sys/spawn.h"

enum { OUTPUT_MAX = 1 << 20 };

static const char *const archive_folders[] = {
    [LOCK_ARCHIVE_MAIN] = "debian", [LOCK_ARCHIVE_SECURITY] = "debian-security"
};

void archives_done(struct archives *archives)
{
    free(archives->base[LOCK_ARCHIVE_MAIN]);
    free(archives->base[LOCK_ARCHIVE_SECURITY]);
    *archives = (struct archives)ARCHIVES_INIT;
}

/* Keeps `base` for the archive unless a better source named one before. */
static void offer(struct archives *archives, enum lock_archive archive, const char *base,
                  size_t length)
{
    while (length > 0 && base[length - 1] == '/')
        length--;
    if (!archives->base[archive] && length > 0)
        archives->base[archive] = strndup(base, length);
}

static void offer_variable(struct archives *archives, const char *variable)
{
    static const char placeholder[] = "{archive}";
    const char *value = getenv(variable);
    const char *place = value ? strstr(value, placeholder) : NULL;

    if (!value || value[0] == '\0')
        return;
    if (!place) {
        offer(archives, LOCK_ARCHIVE_MAIN, value, strlen(value));
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(archive_folders); i++) {
        _cleanup_text_ struct text base = TEXT_INIT;

        text_add_bytes(&base, value, (size_t)(place - value));
        text_add(&base, archive_folders[i]);
        text_add(&base, place + strlen(placeholder));
        offer(archives, (enum lock_archive)i, text_string(&base), base.length);
    }
}

/* An address counts as Debian's when its last folder is "debian" or "debian-security". */
static void offer_address(struct archives *archives, const char *address, size_t length)
{
    while (length > 0 && address[length - 1] == '/')
        length--;
    for (size_t i = 0; i < ARRAY_SIZE(archive_folders); i++) {
        size_t folder = strlen(archive_folders[i]);

        if (length > folder && address[length - folder - 1] == '/' &&
            memcmp(address + length - folder, archive_folders[i], folder) == 0)
            offer(archives, (enum lock_archive)i, address, length);
    }
}

static void offer_lines(struct archives *archives, const char *output, size_t size)
{
    struct cursor cursor = cursor_make(output, size);
    const char *line;
    size_t length;

    while (cursor_line(&cursor, &line, &length)) {
        /* Either a bare address or a line of sources.list, where the address is a word of its own.
         */
        const char *scheme = memmem(line, length, "http", 4);
        size_t word = 0;

        if (!scheme)
            continue;
        while (scheme + word < line + length && scheme[word] != ' ')
            word++;
        offer_address(archives, scheme, word);
    }
}

static void offer_program(struct archives *archives, const struct arguments *arguments)
{
    /* The builder is stopped by a hook that fails, so its status says nothing. */
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .any_status = true };
    _cleanup_free_ char *output = NULL;
    struct failure ignored = FAILURE_NONE;
    size_t size;

    /* A host without this program simply has nothing to offer. */
    if (spawn_capture(&spawn, OUTPUT_MAX, &output, &size, &ignored) == 0)
        offer_lines(archives, output, size);
}

int archives_find(struct archives *ret, struct failure *f)
{
    const struct arguments host =
        ARGUMENTS("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages");
    /* The builder writes its default sources before it fetches anything; that is where it stops. */
    const struct arguments builder =
        ARGUMENTS("mmdebstrap", "--quiet", "--variant=extract", "--format=null",
                  "--setup-hook=cat \"$1\"/etc/apt/sources.list; exit 1", "trixie", "-");
    struct archives archives = ARCHIVES_INIT;

    offer_variable(&archives, "BROCH_SNAPSHOT");
    offer_variable(&archives, "BROCH_MIRROR");
    if (!archives.base[LOCK_ARCHIVE_MAIN] || !archives.base[LOCK_ARCHIVE_SECURITY])
        offer_program(&archives, &host);
    if (!archives.base[LOCK_ARCHIVE_MAIN] || !archives.base[LOCK_ARCHIVE_SECURITY])
        offer_program(&archives, &builder);
    if (!archives.base[LOCK_ARCHIVE_MAIN]) {
        archives_done(&archives);
        return failure_set(f, CODE_DOWNLOAD, -EINVAL,
                           "no Debian mirror is known; set BROCH_MIRROR to the address of one");
    }
    if (!archives.base[LOCK_ARCHIVE_SECURITY])
        archives.base[LOCK_ARCHIVE_SECURITY] =
            text_make("%s-security", archives.base[LOCK_ARCHIVE_MAIN]);
    if (!archives.base[LOCK_ARCHIVE_SECURITY]) {
        archives_done(&archives);
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    }
    *ret = archives;
    return 0;
}
