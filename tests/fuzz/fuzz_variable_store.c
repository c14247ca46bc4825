/* The firmware's flash, as a guest may leave it. */
#include <string.h>

#include "fuzz.h"
#include "vm/variable_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct variable_store store;
    struct variable variable, found;
    size_t last = 0;

    if (variable_store_open(data, size, &store) < 0)
        return 0;
    while (variable_store_next(&store, &variable)) {
        CHECK(store.at > last && store.at <= store.size);
        CHECK(variable.data >= data && variable.data + variable.size <= data + size);
        CHECK(strlen(variable.name) < VARIABLE_NAME_SIZE);
        CHECK(variable_store_find(&store, variable.name, variable.guid, &found));
        last = store.at;
    }
    return 0;
}
