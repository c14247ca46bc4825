#include "boot/stage1.h"

#include "base/check.h"
#include "boot/clock.h"
#include "boot/ending.h"
#include "boot/marker.h"
#include "sys/console.h"

static const struct {
    const char *name;
    stage1_step run;
    enum code code; /* unless the step knows a closer one */
} steps[] = {
    { "pseudo", step_pseudo, CODE_BOOT_PSEUDO },
    /* Before anything that a slot can fail by: then the other one gets its turn. */
    { "attempts", step_attempts, CODE_BOOT_ATTEMPTS },
    { "cmdline", step_cmdline, CODE_BOOT_CMDLINE },
    { "modules", step_modules, CODE_BOOT_MODULE },
    { "watchdog", step_watchdog, CODE_BOOT_MODULE },
    { "slot", step_slot, CODE_BOOT_SLOT_MISSING },
    { "image", step_image, CODE_BOOT_IMAGE_MISSING },
    { "verity", step_verity, CODE_BOOT_VERITY },
    { "pcr-enter", step_pcr_enter, CODE_BOOT_PCR },
    /* The key of persist leaves the TPM here and nowhere else. */
    { "unseal", step_unseal, CODE_UNSEAL_POLICY },
    { "pcr-cap", step_pcr_cap, CODE_BOOT_PCR },
    { "root", step_root, CODE_BOOT_ROOT },
    /* After the cap, because from here on bytes are parsed that an attacker may have written; after
     * the root, whose verified programs make the filesystem of a new disk. */
    { "persist", step_persist, CODE_PERSIST_HEADER },
    { "switch", step_switch, CODE_BOOT_SWITCH },
};

_Static_assert(ARRAY_SIZE(steps) + 1 <= FACTS_STEPS_MAX, "every step's time has room");

/* The whole state. Static, because it is large and because the check hook must find it; without
 * values here, or a quarter of a megabyte of zeros would be in the program's file. */
static struct stage1 state;
static const char *step_current = "start";

void stage1_step_done(struct stage1 *s, const char *step)
{
    char marker[MARKER_SIZE];
    uint64_t us = clock_us();

    facts_add_step(&s->facts, step, us);
    marker_ok(step, us, marker);
    console_line(s->kmsg_fd, CONSOLE_NOTICE, marker);
    stage1_alive(s);
}

void stage1_alive(const struct stage1 *s)
{
    watchdog_keep_alive(&s->watchdog);
}

void stage1_note(const struct stage1 *s, const char *key, const char *value)
{
    char marker[MARKER_SIZE];

    marker_note(key, value, marker);
    console_line(s->kmsg_fd, CONSOLE_NOTICE, marker);
}

/* A failed check ends like any other failure. A second one, on that way, can only abort: the
 * kernel then panics over the loss of its init and restarts. */
void stage1_check_failed(void)
{
    static bool entered;
    struct failure f;

    if (entered)
        return;
    entered = true;
    (void)failure_set(&f, CODE_INTERNAL, -1, "a check failed, see the line above");
    ending_fail(&state, step_current, &f);
}

static void start(struct stage1 *s)
{
    s->kmsg_fd = s->efivars_fd = s->watchdog.fd = -1;
    s->slot_fd = s->image_fd = s->image_device_fd = -1;
    s->devices.bus_fd = s->devices.folder_fd = s->devices.uevent_fd = -1;
    facts_add_step(&s->facts, "start", clock_us());
}

void stage1_run(void)
{
    start(&state);
    (void)check_set_hook(stage1_check_failed); /* there was none */
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct failure f = { .code = steps[i].code };

        step_current = steps[i].name;
        if (steps[i].run(&state, &f) < 0)
            ending_fail(&state, steps[i].name, &f);
        stage1_step_done(&state, steps[i].name);
    }
    check_failed("the last step does not return", __FILE__, __LINE__);
}
