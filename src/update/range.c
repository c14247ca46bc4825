#include "update/range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/number.h"
#include "sys/file.h"

enum {
    CHUNK = 256 * 1024,
    REDIRECTS_MAX = 5,
    CONNECT_SECONDS_MAX = 20,
    STALL_BYTES = 10, /* a second: less is no transfer */
    RANGE_TEXT_SIZE = 48,
    STATUS_PART = 206,
    STATUS_RANGE = 416,
    STATUS_SERVER = 500, /* and above: its trouble, which may pass */
};

struct reading {
    const struct range_request *request;
    range_sink sink;
    void *context;
    struct range_result *result;
    struct failure *f;
    CURL *curl;
    uint64_t before; /* bytes still to be thrown away */
    bool begun;      /* the first byte of the body came: status and sizes are known */
    bool full;       /* the limit is reached */
    int error;       /* of the sink, or of what the server says */
};

static bool has_scheme(const char *address, const char *scheme)
{
    return strncasecmp(address, scheme, strlen(scheme)) == 0;
}

bool range_is_url(const char *address)
{
    return has_scheme(address, "http://") || has_scheme(address, "https://");
}

const char *range_shown(const char *address)
{
    static char buffer[RANGE_ADDRESS_MAX];
    struct line line = line_make(buffer, sizeof(buffer));
    const char *host, *at;
    size_t length;

    if (!range_is_url(address))
        return address;
    host = strstr(address, "//") + 2;
    length = strcspn(host, "/?#");
    at = memrchr(host, '@', length);
    line_add_bytes(&line, address, (size_t)(host - address));
    host = at ? at + 1 : host;
    line_add_bytes(&line, host, strcspn(host, "?#"));
    return buffer;
}

/* Hands on what is wanted of a piece. Returns false when there is nothing more to read. */
static bool deliver(struct reading *r, const uint8_t *bytes, size_t size)
{
    uint64_t left = r->request->limit - r->result->done;
    size_t count;

    if (r->before > 0) {
        size_t skip = size < r->before ? size : (size_t)r->before;

        r->before -= skip;
        bytes += skip;
        size -= skip;
    }
    count = size < left ? size : (size_t)left;
    if (count > 0)
        r->error = r->sink(bytes, count, r->context, r->f);
    if (r->error < 0)
        return false;
    r->result->done += count;
    r->full = r->result->done == r->request->limit;
    return !r->full;
}

/* --- Files --- */

static int read_file(struct reading *r)
{
    const char *path = r->request->address;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _cleanup_free_ uint8_t *chunk = malloc(CHUNK);
    struct stat status;
    ssize_t got = 1;
    off_t at;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return failure_set(r->f, CODE_UPDATE_SOURCE, -ENOENT, "there is no '%s'", path);
    if (fd < 0 || fstat(fd, &status) < 0 || !chunk)
        return file_failure(r->f, chunk ? errno : ENOMEM, "read", path);
    if (!S_ISREG(status.st_mode))
        return failure_set(r->f, CODE_UPDATE_SOURCE, -ENOENT, "'%s' is not a file", path);
    r->result->total_known = true;
    r->result->parts = true;
    r->result->total = (uint64_t)status.st_size;
    if (r->request->offset > r->result->total)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -ERANGE, "'%s' has only %llu bytes", path,
                           (unsigned long long)r->result->total);
    at = (off_t)r->request->offset;
    while (got > 0 && !r->full) {
        got = pread(fd, chunk, CHUNK, at);
        if (got < 0)
            return file_failure(r->f, errno, "read", path);
        at += got;
        if (got > 0 && !deliver(r, chunk, (size_t)got))
            return r->error;
    }
    return 0;
}

/* --- HTTP --- */

/* "bytes 5-9/100" or, with nothing of it to give, "bytes * /100" (RFC 9110, 14.4). */
static int parse_content_range(const char *text, uint64_t *ret_start, uint64_t *ret_total)
{
    const char *slash = strchr(text, '/');
    uint64_t total;
    int r;

    if (strncasecmp(text, "bytes ", 6) != 0 || !slash)
        return -EBADMSG;
    text += 6;
    r = number_parse_text(slash + 1, INT64_MAX, &total);
    if (r == 0)
        r = number_parse(text, strspn(text, "0123456789"), INT64_MAX, ret_start);
    if (r == 0)
        *ret_total = total;
    return r;
}

static long status_of(CURL *curl)
{
    long status = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status); /* stays 0 when unknown */
    return status;
}

/* A part must be the part that was asked for: bytes at a wrong place would only be noticed by the
 * sum at the end. */
static int begin_part(struct reading *r)
{
    struct curl_header *header;
    uint64_t start = 0, total = 0;

    if (curl_easy_header(r->curl, "Content-Range", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
        parse_content_range(header->value, &start, &total) < 0 || start != r->request->offset)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -EBADMSG,
                           "%s answers with another part than it was asked for",
                           range_shown(r->request->address));
    r->result->total_known = true;
    r->result->total = total;
    r->result->parts = true;
    return 0;
}

static void begin_whole(struct reading *r)
{
    curl_off_t length = -1;

    (void)curl_easy_getinfo(r->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length); /* or -1 */
    r->before = r->request->offset;
    r->result->total_known = length >= 0;
    r->result->total = length >= 0 ? (uint64_t)length : 0;
}

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct reading *r = context;
    size_t length = size * count;

    if (!r->begun) {
        r->begun = true;
        if (status_of(r->curl) == STATUS_PART)
            r->error = begin_part(r);
        else
            begin_whole(r);
        if (r->error < 0)
            return CURL_WRITEFUNC_ERROR;
    }
    return deliver(r, (const uint8_t *)bytes, length) ? length : CURL_WRITEFUNC_ERROR;
}

static bool set_options(struct reading *r, const char *range)
{
    CURL *c = r->curl;
    unsigned stall = r->request->stall_seconds ? r->request->stall_seconds : RANGE_STALL_SECONDS;
    long connect = stall < CONNECT_SECONDS_MAX ? stall : CONNECT_SECONDS_MAX;
    const char *protocols = has_scheme(r->request->address, "https://") ? "https" : "http,https";

    return curl_easy_setopt(c, CURLOPT_URL, r->request->address) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, protocols) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, connect) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)stall) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "broch/" BROCH_VERSION) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_RANGE, range) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, r) == CURLE_OK;
}

/* What went wrong, as something to try again or not. */
static int judge(struct reading *r, CURLcode code)
{
    const char *shown = range_shown(r->request->address);
    long status = status_of(r->curl);

    if (r->error < 0)
        return r->error;
    if (r->full)
        return 0;
    if (status == STATUS_RANGE && r->request->offset == 0)
        return 0; /* it is empty */
    if (status == STATUS_RANGE)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -ERANGE, "%s has fewer than %llu bytes",
                           shown, (unsigned long long)r->request->offset);
    if (code == CURLE_OK && r->before > 0)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -ERANGE, "%s has fewer than %llu bytes",
                           shown, (unsigned long long)r->request->offset);
    if (code == CURLE_OK)
        return 0;
    if (status == 404 || status == 410)
        return failure_set(r->f, CODE_UPDATE_SOURCE, -ENOENT, "there is no %s (HTTP %ld)", shown,
                           status);
    if (code == CURLE_HTTP_RETURNED_ERROR && status < STATUS_SERVER)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -EACCES, "%s is refused (HTTP %ld)", shown,
                           status);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
        code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE)
        return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -EPROTO, "%s: %s", shown,
                           curl_easy_strerror(code));
    return failure_set(r->f, CODE_UPDATE_DOWNLOAD, -EAGAIN, "%s: %s, after %llu bytes", shown,
                       curl_easy_strerror(code), (unsigned long long)r->result->done);
}

static int read_url(struct reading *r)
{
    char range[RANGE_TEXT_SIZE];
    const struct range_request *request = r->request;
    int result;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(r->curl = curl_easy_init()))
        return failure_set(r->f, CODE_INTERNAL, -ENOMEM, "the download library does not start");
    /* From 0 as well: the answer tells whether the server knows parts. */
    (void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)request->offset);
    if (set_options(r, range))
        result = judge(r, curl_easy_perform(r->curl));
    else
        result = failure_set(r->f, CODE_INTERNAL, -ENOMEM, "cannot prepare a download");
    curl_easy_cleanup(r->curl);
    return result;
}

int range_read(const struct range_request *request, range_sink sink, void *context,
               struct range_result *ret, struct failure *f)
{
    struct reading reading = {
        .request = request, .sink = sink, .context = context, .result = ret, .f = f
    };

    *ret = (struct range_result){ .done = 0 };
    CHECK(request->limit > 0);
    return range_is_url(request->address) ? read_url(&reading) : read_file(&reading);
}
