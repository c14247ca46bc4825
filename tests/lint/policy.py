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
    edges={
        ("image", "work"): "manifest.h, graph.h: the factory checks services as the machine does",
        ("node", "work"): "snapshot.h: the state of the services, which the metrics show",
        ("node", "work"): "work/snapshot.h and its neighbours: `broch status` shows the services",
        ("image", "trust"): "sums, signatures and the manifest: the factory writes what machines check",
        ("boot", "disk"): "stage 1 finds and opens persist, and reads the partition table",
        ("image", "boot"): "initrd.h, their contract: the factory packs what stage 1 lives in",
    },
    pure=("org", "store"),
    pure_headers=("errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h",
                  "stddef.h", "stdint.h", "string.h", "sodium.h"),
    no_allocation=("boot", "org", "store"),
    calls={
        "src/programs/broch-confine/main.c:dup2": "descriptor 2 becomes the log, for what it executes",
    },
    allocates={},
    # The daemon that runs the org cores does not exist yet: until then tests are their users. Stage 1
    # does not open the disk yet.
    test_users={"vm": "tests/vm/", "org": ("tests/", "src/"), "base": "tests/", "disk": ("tests/", "src/")},
    unused_functions={
        "work_files_find": "tests look at one file of a list",
        "store_sqlite_open": "its user, the maintainer, does not exist yet",
        "store_sqlite_store": "see store_sqlite_open",
        "store_sqlite_quarantine": "see store_sqlite_open",
        "heap_seal": "tests: no allocation after init",
        "heap_fail_after": "tests: the n-th request fails",
        "vm_variables_get": "harness of machines: the tests of slots and updates read variables",
        "vm_variables_delete": "harness of machines: a variable store that lost an entry",
        "vm_variables_set_boot_next": "harness of machines: trial boots",
        "vm_reset": "harness of machines: a reset during a trial",
        "cursor_seek": "for formats with offsets",
        "fetch_set_stall": "tests: a mirror that stalls, without the minute that it takes",
        "cleanup_rules": "a test walks the declared list",
    },
    unused_codes={},
    unreferenced={
        "profiles/*/profile.toml": "read by the factory under this name",
        "kernel/apparmor-*.features": "read by the factory under the name of the kernel",
        "profiles/*/packages.txt": "read by the factory under this name",
        "profiles/*/packages.lock*": "read by the factory under this name",
        "profiles/*/overlay/*": "copied whole into the root",
        "docs/reference/errors.md": "generated; the documents check compares it",
    },
    untested={
        "src/programs/*/main.c": "arguments and wiring only; the command and VM tests run it",
        "src/programs/broch-config/apply.c": "sets names of a running machine: tests/vm/config_test.c",
        "src/programs/broch-metrics/gather.c": "reads /proc and cgroups: tests/vm/config_test.c",
        "src/programs/broch-orchestrator/*.c": "wires pure parts of src/work to s6: VM tests run it",
        "src/programs/broch-service/*.c": "arguments and files of a running machine: VM tests of services",
        "src/programs/broch-halt/stop.c": "ends all processes and calls reboot(2): VM tests run it",
        "src/image/policy.c": "runs apparmor_parser: tests/vm/confine_test.c loads the result",
        "src/image/drivers.c": "packs the drivers: tests/factory unpacks and checks them",
        "src/image/disk.c": "runs sfdisk, mtools, qemu-img: tests/factory checks their result",
        "src/image/initrd.c": "packs the initrd: tests/factory unpacks and checks it",
        "src/image/kernel.c": "unpacks a kernel package: tests/factory, and every VM test",
        "src/image/programs.c": "compiles in the tools tree: tests/factory",
        "src/image/rootfs.c": "runs mmdebstrap: tests/factory builds twice and compares",
        "src/image/system.c": "runs mkfs.erofs and veritysetup: tests/factory/test_system.py",
        "src/image/uki.c": "runs ukify and osslsigncode: tests/factory/test_uki.py",
        "src/sys/sandbox.c": "spawn_test.c runs programs in it, tests/factory as another user",
        "src/boot/s*.c": "stage 1's steps act on a kernel: VM tests run them, good and refused",
        "src/boot/ending.c": "halts and restarts machines: VM tests run it",
        "src/sys/dm.c": "one ioctl each on a kernel with device mapper: VM tests run it",
        "src/sys/loop.c": "one ioctl each: VM tests run it",
        "src/sys/tpm.c": "commands to a TPM: VM tests compare the PCRs with the prediction",
        "src/org/swim_*": "parts of one core: swim_test.c and the simulator run it whole",
        "src/org/sync_*": "parts of one state machine: sync_test.c runs it whole",
        "src/org/chain_*": "parts of one core: chain_test.c runs it whole",
        "src/org/replica_disk.*": "a part of the replica: both of its tests run it whole",
        "src/org/store.h": "a contract: store_memory_test.c and store_sqlite_test.c keep it",
        "src/node/cgroup.c": "writes to cgroupfs: tests/vm/confine_test.c",
        "src/work/confine*.c": "acts on a kernel as root: tests/vm/confine_test.c",
        "src/base/cleanup.h": "three releases by attribute; every unit test runs them under ASan",
    },
    data=("tests/*/corpus/*", "tests/*/data/*", "src/*/testdata/*"),
    unchecked_headers={},
)
