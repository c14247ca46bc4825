"""Each header compiles alone, with gcc and with clang."""

import concurrent.futures
import hashlib
import os
import re
import subprocess

from tree import Finding

COMPILERS = ("gcc", "clang")
FLAGS = ["-fsyntax-only", "-x", "c", "-std=gnu17", "-Wall", "-Wextra", "-Wstrict-prototypes",
         "-Werror", "-Wno-missing-field-initializers", "-Wno-unused-parameter", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64", '-DBROCH_VERSION="0"', "-iquote", "src"]


def reached(tree, path, seen):
    """Adds to `seen` every file of ours that the header includes, itself first."""
    if path in seen or path not in tree.sources:
        return seen
    seen.append(path)
    for _, _, name in tree.sources[path].includes:
        reached(tree, "src/" + name, seen)
    return seen


def compile_alone(tree, compiler, path):
    result = subprocess.run([compiler, *FLAGS, "-include", path, "/dev/null"], cwd=tree.root,
                            capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    errors = [line for line in result.stderr.split("\n") if "error:" in line]
    return (errors or [result.stderr.strip()])[0]


def versions():
    for compiler in COMPILERS:
        try:
            text = subprocess.run([compiler, "--version"], capture_output=True, text=True,
                                  check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            text = None
        yield compiler, text


class Passed:
    """Hashes of the headers that passed, one per line in a file of the build folder."""

    def __init__(self, build):
        self.path = os.path.join(build, "lint", "headers") if build else None
        self.keys = set()
        if self.path and os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as stream:
                self.keys = set(stream.read().split())

    def save(self, keys):
        if self.path and keys != self.keys:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path, "w", encoding="utf-8") as stream:
                stream.write("\n".join(sorted(keys)) + "\n")


def run(tree):
    headers = [s for s in tree.c_files((".h",))]
    for header in headers:
        if not re.search(r"^#pragma once$", header.plain, re.M):
            yield Finding(header.path, 1, "headers", "#pragma once is missing")
    for path in tree.policy.unchecked_headers:
        if path not in tree.sources:
            yield Finding("tests/lint/policy.py", 1, "headers", f"{path} is gone: remove its entry")
    passed, good, jobs = Passed(tree.build), set(), []
    for compiler, version in versions():
        if version is None:
            yield Finding("src", 1, "headers", f"{compiler} does not run: install the package "
                          f"{compiler}")
            continue
        for header in headers:
            if header.path in tree.policy.unchecked_headers:
                continue
            texts = [tree.sources[p].text for p in reached(tree, header.path, [])]
            key = hashlib.sha256("\0".join([version, *FLAGS, header.path, *texts])
                                 .encode()).hexdigest()
            if key in passed.keys:
                good.add(key)
            else:
                jobs.append((key, compiler, header.path))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_alone(tree, job[1], job[2]), jobs)
        for (key, compiler, path), error in zip(jobs, results):
            if error is None:
                good.add(key)
            else:
                yield Finding(path, 1, "headers", f"does not compile alone with {compiler}: "
                              f"{error}")
    passed.save(good)
