/* A guest for tests that need a machine but no operating system. Included once per program. */
#pragma once

#include <stdint.h>

/* A guest of one page, started by QEMU as a Multiboot kernel: it says that it is there, then obeys
 * one letter at a time: 'p' powers off, 'r' resets, everything else is sent back. */
__asm__(".pushsection .rodata\n"
        ".code32\n"
        ".balign 16\n"
        "guest_start:\n"
        ".long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)\n"
        ".long 0x100000, 0x100000, 0, 0, 0x100000 + (guest_entry - guest_start)\n"
        "guest_entry:\n"
        "  movl $(0x100000 + (guest_text - guest_start)), %esi\n"
        "1: lodsb\n"
        "  testb %al, %al\n"
        "  jz 2f\n"
        "  call 8f\n"
        "  jmp 1b\n"
        "2: movw $0x3fd, %dx\n" /* line status: a byte came in */
        "  inb %dx, %al\n"
        "  testb $1, %al\n"
        "  jz 2b\n"
        "  movw $0x3f8, %dx\n"
        "  inb %dx, %al\n"
        "  cmpb $'p', %al\n"
        "  je 3f\n"
        "  cmpb $'r', %al\n"
        "  je 4f\n"
        "  call 8f\n"
        "  jmp 2b\n"
        "3: movw $0x604, %dx\n" /* ACPI: soft off */
        "  movw $0x2000, %ax\n"
        "  outw %ax, %dx\n"
        "  jmp 2b\n"
        "4: movw $0xcf9, %dx\n" /* reset control */
        "  movb $6, %al\n"
        "  outb %al, %dx\n"
        "  jmp 2b\n"
        "8: movb %al, %bl\n" /* sends %al */
        "  movw $0x3fd, %dx\n"
        "9: inb %dx, %al\n"
        "  testb $0x20, %al\n"
        "  jz 9b\n"
        "  movw $0x3f8, %dx\n"
        "  movb %bl, %al\n"
        "  outb %al, %dx\n"
        "  ret\n"
        "guest_text: .ascii \"Linux version 0, not really\\r\\n\"\n"
        "  .ascii \"broch ready generation=fake slot=direct us=7\\r\\n\"\n"
        "  .asciz \"login: \"\n"
        "guest_end:\n"
        ".code64\n"
        ".popsection\n");
extern const uint8_t guest_start[], guest_end[];
