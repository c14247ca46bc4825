/* SHA-256 of bytes, files and lists of inputs. OpenSSL's, because it uses the processor's SHA
 * instructions: a disk image of gigabytes is hashed in seconds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum { DIGEST_SIZE = 32, DIGEST_TEXT_SIZE = 2 * DIGEST_SIZE + 1 };

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

struct digest digest_bytes(const void *bytes, size_t size);

/* SHA-256 of two byte strings after each other: one PCR extension. */
struct digest digest_two(const void *first, size_t first_size, const void *second,
                         size_t second_size);

/* SHA-256 of bytes that come piece by piece. Memory that runs out ends the program, as everywhere
 * in this module. digest_stream_end() frees the stream; */
struct digest_stream;
struct digest_stream *digest_stream_start(void);
void digest_stream_add(struct digest_stream *stream, const void *bytes, size_t size);
struct digest digest_stream_end(struct digest_stream *stream);

/* Holes are read as zeros. CODE_IO. */
MUST_USE int digest_file(const char *path, struct digest *ret, struct failure *f);

/* Writes 64 hexadecimal digits and a zero. Returns ret_text. */
const char *digest_text(const struct digest *digest, char ret_text[static DIGEST_TEXT_SIZE]);

/* Reads 64 lower-case hexadecimal digits, as digest_text() writes them. -EBADMSG for anything else.
 */
MUST_USE int digest_parse(const char *text, size_t length, struct digest *ret);

/* Digest of a folder's whole content: relative path, type, executable bit and content of every
 * entry, in byte order. Times, owners and other mode bits do not count. A file is its own digest.
 * Anything but files, folders and links is CODE_SCHEMA. */
MUST_USE int digest_tree(const char *path, struct digest *ret, struct failure *f);
