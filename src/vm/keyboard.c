#include "vm/keyboard.h"

#include <errno.h>

#include "sys/event.h"
#include "vm/vm.h"

enum { KEY_STEP_MS = 150 };

/* { "keys": [ { "type": "qcode", "data": "1" } ] } */
static json_object *key_arguments(const char *code)
{
    json_object *arguments = json_object_new_object(), *keys = json_object_new_array();
    json_object *key = json_object_new_object();
    bool whole = arguments && keys && key;

    whole = whole && json_object_object_add(key, "type", json_object_new_string("qcode")) == 0 &&
            json_object_object_add(key, "data", json_object_new_string(code)) == 0;
    if (whole && json_object_array_add(keys, key) == 0)
        key = NULL; /* it is the array's */
    if (whole && !key && json_object_object_add(arguments, "keys", keys) == 0)
        return arguments;
    json_object_put(key);
    json_object_put(keys);
    json_object_put(arguments);
    return NULL;
}

const char *keyboard_key(char character, char ret_letter[static 2])
{
    if (character == '\n')
        return "ret";
    if (character == ' ')
        return "spc";
    if (character == '-')
        return "minus";
    if ((character < '0' || character > '9') && (character < 'a' || character > 'z'))
        return NULL;
    ret_letter[0] = character;
    ret_letter[1] = '\0';
    return ret_letter;
}

/* Handles what the machine does for that long. */
static int pass(struct vm *vm, uint64_t time_ns, struct failure *f)
{
    uint64_t deadline = event_now_ns() + time_ns;
    int r = 1;

    while (r > 0 && vm_running(vm))
        r = vm_step(vm, deadline, f);
    return r < 0 ? r : 0;
}

int vm_press_keys(struct vm *vm, const char *text, struct failure *f)
{
    for (; *text; text++) {
        char letter[2];
        const char *name = keyboard_key(*text, letter);
        json_object *arguments;
        int r;

        if (!name)
            return failure_set(f, CODE_VM_CONFIG, -EINVAL, "there is no key for '%c' here", *text);
        arguments = key_arguments(name);
        r = arguments ? vm_qmp(vm, "send-key", arguments, NULL, f)
                      : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
        json_object_put(arguments);
        /* QEMU holds a key for 100 ms, and its keyboard forgets what the guest fetches too late. */
        if (r == 0)
            r = pass(vm, KEY_STEP_MS * NS_PER_MS, f);
        if (r < 0)
            return r;
    }
    return 0;
}
