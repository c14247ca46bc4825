/* broch-stage1: PID 1 of the initrd. No arguments, no environment, no result. */
#include <stdio.h>
#include <unistd.h>

#include "base/code.h"
#include "boot/stage1.h"

int main(void)
{
    /* By mistake from a shell it would mount over the running system. */
    if (getpid() != 1) {
        (void)fputs("broch-stage1: this is the first program of an initrd; it runs as PID 1 only\n",
                    stderr);
        return EXIT_CODE_USAGE;
    }
    stage1_run();
}
