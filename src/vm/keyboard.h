/* Which key writes a character, for vm_press_keys(). Pure. */
#pragma once

/* QEMU's name of the key (a QKeyCode), which may lie in `ret_letter`; NULL when no key here writes
 * the character without another one being held. */
const char *keyboard_key(char character, char ret_letter[static 2]);
