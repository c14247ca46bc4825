#!/usr/bin/env python3
"""Runs the whole test suite and says what it ran. `make test` calls it.

Phases, in order: compilers and lint, unit tests and fuzzers' corpora, a build of profile `node`, whole
builds (tests/factory), whole machines (tests/vm). Every meson test is one line at the end; the last line
is "N passed, N failed, N skipped". Nothing here skips: what cannot run has failed.
"""
import argparse
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BAD = ("FAIL", "TIMEOUT", "ERROR", "INTERRUPT", "UNEXPECTEDPASS")
NEXT_VERSION = "99.0.0"


class Results:
    def __init__(self):
        self.rows = []

    def add(self, name, good, seconds):
        self.rows.append((name, good, seconds))
        print(f"  {'ok  ' if good else 'FAIL'} {name} {seconds:.1f} s", flush=True)


def run(results, name, command, env=None):
    started = time.monotonic()
    print(f"== {name}", flush=True)
    code = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL).returncode
    results.add(name, code == 0, time.monotonic() - started)
    return code == 0


def meson(results, build, suites, env=None, workers=None):
    """Runs meson suites and takes over each test's own result."""
    log = os.path.join(build, "meson-logs", "testlog.json")
    command = ["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier", "4"]
    for suite in suites:
        command += ["--suite", suite]
    if workers:
        command += ["--num-processes", str(workers)]
    if os.path.exists(log):
        os.unlink(log)
    print(f"== {' '.join(suites)}", flush=True)
    subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    count = 0
    if os.path.exists(log):
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                test = json.loads(line)
                results.add(test["name"], test["result"] not in BAD and test["result"] != "SKIP",
                            test.get("duration") or 0.0)
                count += 1
    if count == 0:
        results.add(f"{' '.join(suites)}: ran no test", False, 0.0)


def count_factory(results, build):
    """The whole-build tests are one meson test; their own rows are what counts."""
    path = os.path.join(build, "meson-logs", "factory.json")
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        for row in json.load(file):
            results.add(row["name"], row["good"], row["seconds"])


def output_of(command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def development_keys():
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.environ["HOME"], ".local/share")
    return os.path.join(data, "broch/development-keys")


def machines(results, build, builds=True):
    """Everything that needs a generation; without `builds`, whole machines only."""
    broch = os.path.join(build, "src/programs/broch")
    if not run(results, "build profile node", [broch, "build", "node", "--iso"]):
        return
    with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as version:
        generation = os.path.join(ROOT, "out", f"broch-v{version.read().strip()}-node-x86_64")
    # Newer, so that machines of the first one take it.
    if not run(results, "build the next release", [broch, "build", "node", "--version", NEXT_VERSION]):
        return
    following = os.path.join(ROOT, "out", f"broch-v{NEXT_VERSION}-node-x86_64")
    env = dict(os.environ, BROCH_NEXT_GENERATION=following, BROCH_GENERATION=generation,
               BROCH_TREE=output_of([broch, "tools"]),
               BROCH_KEYS=development_keys())
    meson(results, build, ["vm"], env, workers=os.cpu_count())
    if not builds:
        return
    meson(results, build, ["factory"], env, workers=1)
    count_factory(results, build)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", choices=["lint", "unit", "machines", "vm"], help="one part of it")
    arguments = parser.parse_args()
    build = os.path.join(ROOT, arguments.build)
    results = Results()
    started = time.monotonic()

    if arguments.only in (None, "unit"):
        meson(results, build, ["unit", "corpus", "sim", "lint"])
    if arguments.only in (None, "lint"):
        run(results, "lint", ["python3", "tests/lint/lint.py", "--build", arguments.build])
        run(results, "gcc, clang, sanitizers", ["tests/lint/compile", "build-lint", arguments.build])
    if arguments.only in (None, "machines", "vm"):
        machines(results, build, builds=arguments.only != "vm")

    failed = [name for name, good, _ in results.rows if not good]
    print(f"\n{len(results.rows)} checks in {time.monotonic() - started:.0f} s")
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(results.rows) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
