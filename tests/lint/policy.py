"""What Broch declares to its lint. An entry needs a reason; one that is no longer needed is a
finding, except for patterns (with a *), which are conventions."""

from tree import Policy

LOWER = ("base", "sys", "org", "store")
DOMAINS = ("image", "boot", "disk", "update", "install", "trust", "work", "vm", "node")

BROCH = Policy(
    folders={
        "base": (),
        "sys": ("base",),
        "org": ("base",),
        "store": ("base",),
        **{domain: LOWER for domain in DOMAINS},
        "programs": LOWER + DOMAINS,
    },
    edges={},
    pure=("org", "store"),
    pure_headers=("errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h",
                  "stddef.h", "stdint.h", "string.h", "sodium.h"),
    no_allocation=("boot", "org", "store"),
    calls={},
    allocates={},
    test_users={"vm": "tests/vm/"},
    unused_functions={},
    unused_codes={},
    unreferenced={
        "profiles/*/profile.toml": "read by the factory under this name",
        "profiles/*/packages.txt": "read by the factory under this name",
        "profiles/*/packages.lock*": "read by the factory under this name",
        "profiles/*/overlay/*": "copied whole into the root",
        "docs/reference/errors.md": "generated; the documents check compares it",
    },
    untested={
        "src/programs/*/main.c": "arguments and wiring only; the command and VM tests run it",
        "src/programs/broch-halt/stop.c": "ends all processes and calls reboot(2): VM tests run it",
        "src/base/cleanup.h": "three releases by attribute; every unit test runs them under ASan",
    },
    data=("tests/*/corpus/*", "tests/*/data/*", "src/*/testdata/*"),
    unchecked_headers={},
)
