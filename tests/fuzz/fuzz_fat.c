/* A file system as a guest may leave it. */
#include "fuzz.h"
#include "disk/fat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[4096];
    struct fat_file file;
    struct fat fat;

    if (fat_open(data, size, &fat) == 0 && fat_find(&fat, "EFI/broch/linux.efi", &file) == 0 &&
        file.size <= sizeof(zeros))
        (void)fat_equals(&fat, &file, zeros, file.size);
    return 0;
}
