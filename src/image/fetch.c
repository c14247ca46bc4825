#include "image/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

enum {
    PARALLEL_MAX = 8,
    TRIES_MAX = 3,
    CONNECT_SECONDS_MAX = 30, /* libcurl's own 300 look like a build that hangs */
    STALL_BYTES = 100,        /* a second and file; eight at once still pass through a modem */
    WAIT_MS = 1000,
};

/* How long a mirror may send (almost) nothing. */
static unsigned stall_seconds = FETCH_STALL_SECONDS;

struct transfer {
    const struct fetch_item *item;
    CURL *curl;
    FILE *file;
    char *partial;
    unsigned tries;
    uint64_t done; /* bytes of this try */
    bool too_long;
    int write_error; /* errno value of our own disk */
};

struct fetch {
    CURLM *multi;
    const struct fetch_item *items;
    size_t count;
    size_t next; /* first item not yet started */
    size_t finished;
    uint64_t bytes_finished;
    uint64_t bytes_total;
    struct transfer transfers[PARALLEL_MAX];
    struct progress *progress;
    struct failure *f;
};

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t length = size * count;

    /* A server that sends more than was asked for is cut off at once. */
    if (length > t->item->size - t->done) {
        t->too_long = true;
        return 0;
    }
    if (fwrite(bytes, 1, length, t->file) != length) {
        t->write_error = errno;
        return 0;
    }
    t->done += length;
    return length;
}

static void transfer_done(struct transfer *t)
{
    if (t->curl)
        curl_easy_cleanup(t->curl);
    if (t->file)
        (void)fclose(t->file); /* only reached after a failure; success closes and checks */
    if (t->partial)
        (void)unlink(t->partial);
    free(t->partial);
    *t = (struct transfer){ .item = NULL };
}

static bool set_options(struct transfer *t)
{
    CURL *c = t->curl;
    long connect = stall_seconds < CONNECT_SECONDS_MAX ? stall_seconds : CONNECT_SECONDS_MAX;

    return curl_easy_setopt(c, CURLOPT_URL, t->item->address) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, connect) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)stall_seconds) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "broch/" BROCH_VERSION) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PRIVATE, t) == CURLE_OK;
}

static int transfer_start(struct fetch *fetch, struct transfer *t, const struct fetch_item *item)
{
    t->item = item;
    t->done = 0;
    t->tries++;
    if (!t->partial)
        t->partial = text_make("%s.partial", item->target);
    if (!t->partial)
        return failure_set(fetch->f, CODE_INTERNAL, -ENOMEM, "out of memory");
    t->file = fopen(t->partial, "wbe");
    if (!t->file)
        return file_failure(fetch->f, errno, "write", t->partial);
    if (!t->curl)
        t->curl = curl_easy_init();
    if (!t->curl || !set_options(t) || curl_multi_add_handle(fetch->multi, t->curl) != CURLM_OK)
        return failure_set(fetch->f, CODE_INTERNAL, -ENOMEM, "cannot prepare a download");
    return 0;
}

static int check_bytes(const struct transfer *t, struct failure *f)
{
    char expected[DIGEST_TEXT_SIZE], found[DIGEST_TEXT_SIZE];
    struct digest digest;
    int r = digest_file(t->partial, &digest, f);

    if (r < 0)
        return r;
    if (t->done == t->item->size && memcmp(&digest, &t->item->digest, sizeof(digest)) == 0)
        return 0;
    return failure_set(f, CODE_LOCK_HASH, -EBADMSG,
                       "%s: expected sha256 %s, found %s (%llu bytes from %s)", t->item->label,
                       digest_text(&t->item->digest, expected), digest_text(&digest, found),
                       (unsigned long long)t->done, t->item->address);
}

/* The transfer came to its end without an error of the network. */
static int transfer_finish(struct fetch *fetch, struct transfer *t)
{
    FILE *file = t->file;
    int r;

    t->file = NULL;
    if (fclose(file) != 0)
        return file_failure(fetch->f, errno, "write", t->partial);
    r = check_bytes(t, fetch->f);
    if (r < 0)
        return r;
    if (rename(t->partial, t->item->target) < 0)
        return file_failure(fetch->f, errno, "rename", t->partial);
    free(t->partial);
    t->partial = NULL;
    fetch->bytes_finished += t->done;
    fetch->finished++;
    transfer_done(t);
    return 0;
}

void fetch_set_stall(unsigned seconds)
{
    CHECK(seconds > 0);
    stall_seconds = seconds;
}

/* The last try failed. libcurl's word for a stall, "Timeout was reached", says neither who waited
 * nor for what. */
static int give_up(const struct fetch *fetch, const struct transfer *t, CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return failure_set(fetch->f, CODE_DOWNLOAD, -ETIMEDOUT,
                           "%s from %s: the mirror stalls; it sent %llu of %llu bytes and then "
                           "almost nothing, %d times",
                           t->item->label, t->item->address, (unsigned long long)t->done,
                           (unsigned long long)t->item->size, TRIES_MAX);
    return failure_set(fetch->f, CODE_DOWNLOAD, -EIO, "%s from %s: %s", t->item->label,
                       t->item->address, curl_easy_strerror(code));
}

static int transfer_fail(struct fetch *fetch, struct transfer *t, CURLcode code)
{
    const struct fetch_item *item = t->item;
    long status = 0;

    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status); /* stays 0 when unknown */
    if (status == 404 || status == 410 || code == CURLE_FILE_COULDNT_READ_FILE)
        return failure_set(fetch->f, CODE_PACKAGE_GONE, -ENOENT, "%s is no longer at %s",
                           item->label, item->address);
    if (t->write_error)
        return file_failure(fetch->f, t->write_error, "write", t->partial);
    if (t->too_long)
        return failure_set(fetch->f, CODE_LOCK_HASH, -EBADMSG,
                           "%s: %s is longer than the %llu bytes that are expected", item->label,
                           item->address, (unsigned long long)item->size);
    if (t->tries >= TRIES_MAX)
        return give_up(fetch, t, code);
    (void)fclose(t->file); /* what it holds is thrown away */
    t->file = NULL;
    return transfer_start(fetch, t, item);
}

static int collect(struct fetch *fetch)
{
    CURLMsg *message;
    int left, r = 0;

    while (r == 0 && (message = curl_multi_info_read(fetch->multi, &left))) {
        struct transfer *t = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t);
        (void)curl_multi_remove_handle(fetch->multi, t->curl); /* it is in there */
        r = code == CURLE_OK ? transfer_finish(fetch, t) : transfer_fail(fetch, t, code);
    }
    return r;
}

static int start_more(struct fetch *fetch)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < PARALLEL_MAX; i++) {
        if (!fetch->transfers[i].item && fetch->next < fetch->count)
            r = transfer_start(fetch, &fetch->transfers[i], &fetch->items[fetch->next++]);
    }
    return r;
}

static void show(const struct fetch *fetch)
{
    uint64_t done = fetch->bytes_finished;

    for (size_t i = 0; i < PARALLEL_MAX; i++)
        done += fetch->transfers[i].done;
    progress_bytes(fetch->progress, done, fetch->bytes_total);
}

static int run(struct fetch *fetch)
{
    int running = 0, r = start_more(fetch);

    while (r == 0 && fetch->finished < fetch->count) {
        if (curl_multi_perform(fetch->multi, &running) != CURLM_OK ||
            curl_multi_poll(fetch->multi, NULL, 0, running > 0 ? WAIT_MS : 0, NULL) != CURLM_OK)
            return failure_set(fetch->f, CODE_DOWNLOAD, -EIO, "the download library gave up");
        r = collect(fetch);
        if (r == 0)
            r = start_more(fetch);
        show(fetch);
    }
    return r;
}

int fetch_all(const struct fetch_item *items, size_t count, struct progress *progress,
              struct failure *f)
{
    struct fetch fetch = { .items = items, .count = count, .progress = progress, .f = f };
    int r;

    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        fetch.bytes_total += items[i].size;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return failure_set(f, CODE_DOWNLOAD, -EIO, "the download library does not start");
    fetch.multi = curl_multi_init();
    if (!fetch.multi)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = run(&fetch);
    for (size_t i = 0; i < PARALLEL_MAX; i++) {
        if (fetch.transfers[i].curl)
            (void)curl_multi_remove_handle(fetch.multi, fetch.transfers[i].curl);
        transfer_done(&fetch.transfers[i]);
    }
    (void)curl_multi_cleanup(fetch.multi);
    return r;
}
