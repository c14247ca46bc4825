/* For tests: is this text one JSON value (RFC 8259) and nothing else? */
#pragma once

#include <stdbool.h>

bool test_json_is_valid(const char *text);
