/* Requests to stage 1 and their results: what is taken is written again as it was. */
#include <string.h>

#include "disk/request.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure f = FAILURE_NONE;
    struct request_result result;
    struct request request;
    char text[REQUEST_RESULT_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));

    if (request_parse(data, size, &request, &f) == 0)
        request_format(&request, &l);
    else if (request_result_parse(data, size, &result) == 0)
        request_result_format(&result, &l);
    else
        return 0;
    CHECK(!l.cut && l.length == size && memcmp(text, data, size) == 0);
    return 0;
}
