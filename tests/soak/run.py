#!/usr/bin/env python3
"""What takes longer than a test may. `make soak` calls it; ARGS passes options.

Boots the generation again and again (direct, and under Secure Boot with a TPM), builds profile `node`
from varied surroundings and compares the bytes, runs the tests of whole machines with every row and every
prefix of what a machine writes, runs every fuzzer, and simulates orgs. Prints one line per part and a
summary that docs/soak.md keeps. The first failure of a part ends that part.
"""
import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def quiet(command, env=None):
    done = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout[-4000:])
    return done.returncode == 0


def repeat(name, count, command, env=None):
    """Runs a command `count` times; returns how often it succeeded."""
    started, good = time.monotonic(), 0
    for _ in range(count):
        if not quiet(command, env):
            break
        good += 1
    print(f"{name}: {good} of {count} in {time.monotonic() - started:.0f} s", flush=True)
    return good == count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--boots", type=int, default=50, help="boots of each kind")
    parser.add_argument("--builds", type=int, default=10, help="builds from varied surroundings")
    parser.add_argument("--fuzz", type=int, default=300, help="seconds for each fuzzer")
    parser.add_argument("--seeds", type=int, default=1000, help="simulated orgs of 200; a fiftieth as many of 5,000")
    parser.add_argument("--only", choices=("machines", "kernel", "fuzzers", "org"), help="one kind of parts")
    arguments = parser.parse_args()
    broch = os.path.join(ROOT, arguments.build, "src/programs/broch")
    simulator = os.path.join(ROOT, arguments.build, "tests/sim/broch-sim")
    machine = [broch, "run", "node", "--machine", "soak", "--snapshot", "--until-ready"]
    own = os.path.join(ROOT, "out", "own-kernel")
    kinds = [("machines", part) for part in (
        ("generation", 1, [broch, "build", "node"]),
        ("direct boots", arguments.boots, machine + ["--direct"]),
        ("boots under Secure Boot", arguments.boots, machine),
        ("builds with equal bytes", arguments.builds,
         ["python3", "tests/factory/run.py", arguments.build, "test_bytes"]),
        # Every row of the tests that show a sample in `make test`.
        ("whole machines in full", 1, ["python3", "tests/run.py", "--build", arguments.build, "--only", "vm"],
         dict(os.environ, BROCH_SOAK="1")),
    )] + [("kernel", part) for part in (
        # A kernel of our own: compiled from nothing, refused by name, and booted.
        ("our own kernel", 1, ["python3", "tests/factory/run.py", arguments.build, "test_kernel"]),
        ("generation with our own kernel", 1, [broch, "build", "node", "--kernel", "broch", "--out", own]),
        ("boots of our own kernel under Secure Boot", 3,
         [broch, "run", "node", "--out", own, "--machine", "soak-own", "--snapshot", "--until-ready"]),
    )] + [
        ("fuzzers", ("fuzzers", 1, ["tests/fuzz/run", str(arguments.fuzz)])),
        # A fault or a named state that is never reached fails the first; it is too small for that when cut short.
        ("org", ("simulated orgs of 200", 1, [simulator, "soak", "--nodes", "200", "--seeds", str(arguments.seeds)])),
        ("org", ("simulated orgs of 5,000", 1, [simulator, "soak", "--partial", "--nodes", "5000", "--seeds",
                                               str(max(arguments.seeds // 50, 1))])),
        ("org", ("a day of 2,000 idle nodes, 2,000 flapping", 1, [simulator, "figures", "idle-day", "flap"])),
        ("org", ("mutants", 1, ["python3", "tests/mutants/mutants.py", "--build", "build-mutants"])),
        ("org", ("patches", 1, ["python3", "tests/mutants/mutants.py", "--build", "build-mutants", "--patches"])),
    ]
    parts = [repeat(*part) for kind, part in kinds if arguments.only in (None, kind)]
    print(f"{sum(parts)} passed, {len(parts) - sum(parts)} failed, 0 skipped")
    return 0 if all(parts) else 1


if __name__ == "__main__":
    sys.exit(main())
