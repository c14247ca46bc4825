#!/usr/bin/env python3
"""The same seeds give the same runs, packet for packet, whatever compiled them.

usage: trace_test.py BUILD

Compiles broch-sim from the sources that the build folder's own one is made of, by two compilers at
two levels of optimisation, and compares the hashes of their traces. Another seed must give another
hash: a hash that nothing changes would agree as well.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

COMPILERS = [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O1"), ("clang", "-O3")]
OBJECTS = ("tests/sim/broch-sim.p/", "src/org/liborg.a.p/", "src/base/libbase.a.p/")
RUNS = [("11", "30"), ("12", "4"), ("13", "80")]  # seed, nodes


def sources(build):
    """(file, flags that matter) of every object that broch-sim is linked from."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    found = {}
    for entry in commands:
        output = entry.get("output", "")
        if not output.startswith(OBJECTS):
            continue
        words = shlex.split(entry["command"])
        flags = [w for w in words if re.match(r"-(std=|D)", w)]
        for at, word in enumerate(words):
            if word in ("-iquote", "-isystem"):
                flags += [word, os.path.join(entry["directory"], words[at + 1])]
            elif word.startswith("-I") and word != "-I":
                flags.append("-I" + os.path.join(entry["directory"], word[2:]))
        found[os.path.normpath(os.path.join(entry["directory"], entry["file"]))] = flags
    return found


def compile_all(compiler, level, files, folder):
    program = os.path.join(folder, "broch-sim")
    groups = {}
    for file, flags in files.items():
        groups.setdefault(tuple(flags), []).append(file)
    objects = []
    for number, (flags, group) in enumerate(sorted(groups.items())):
        place = os.path.join(folder, str(number))
        os.mkdir(place)
        subprocess.run([compiler, level, "-c", *flags, *group], cwd=place, check=True)
        objects += [os.path.join(place, name) for name in os.listdir(place)]
    subprocess.run([compiler, *objects, "-o", program, "-lm"], check=True)
    return program


def hashes(program):
    found = []
    for seed, nodes in RUNS:
        text = subprocess.run([program, "run", "--seed", seed, "--nodes", nodes, "--minutes", "4"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        found.append(re.search(r"trace ([0-9a-f]{16})", text)[1])
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    files = sources(build)
    names = {os.path.basename(f) for f in files}
    if not {"swim.c", "sim_world.c", "rng.c"} <= names:
        sys.exit(f"trace: {build} does not say what broch-sim is made of")
    results = {"as built": hashes(os.path.join(build, "tests/sim/broch-sim"))}
    for compiler, level in COMPILERS:
        with tempfile.TemporaryDirectory() as folder:
            results[f"{compiler} {level}"] = hashes(compile_all(compiler, level, files, folder))
    for name, found in results.items():
        print(f"{name:10} {' '.join(found)}")
    first = results["as built"]
    if len(set(first)) != len(first):
        sys.exit("trace: different seeds give the same trace")
    if any(found != first for found in results.values()):
        sys.exit("trace: the compilers disagree")


if __name__ == "__main__":
    main()
