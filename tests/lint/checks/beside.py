"""Every module has its test beside it."""

import fnmatch
import os

from tree import Finding


def is_module(source):
    """A .c file, or a header without one that holds code."""
    if source.path.endswith(".h"):
        return bool(source.functions)
    return source.path.endswith(".c")


def run(tree):
    used = set()
    for source in tree.c_files():
        stem, suffix = os.path.splitext(source.path)
        if not source.path.startswith("src/") or source.is_test or not is_module(source):
            continue
        if suffix == ".h" and stem + ".c" in tree.sources:
            continue
        tested = stem + "_test.c" in tree.sources
        declared = [p for p in tree.policy.untested if fnmatch.fnmatchcase(source.path, p)]
        if not tested:
            used.update(declared)
            if not declared:
                yield Finding(source.path, 1, "beside",
                              f"{os.path.basename(stem)}_test.c is missing")
    for pattern in tree.policy.untested:
        if "*" not in pattern and pattern not in used:
            yield Finding("tests/lint/policy.py", 1, "beside",
                          f"{pattern} is tested or gone: remove its entry")
