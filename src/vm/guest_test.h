/* A guest for tests that need a machine but no operating system: one page, started by QEMU as a
 * Multiboot kernel. It prints "Linux version 0, not really", a `broch ready` line and "login: ",
 * and then obeys one letter at a time: 'p' powers off, 'r' resets, everything else is sent back. */
#pragma once

#include <stdint.h>

extern const uint8_t guest_start[], guest_end[];
