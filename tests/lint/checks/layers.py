"""Includes go one way only: base < sys and the pure cores < domains < programs. Ours are written
with quotes (-iquote src), so <sys/file.h> is always the system's."""

import os

from tree import Finding


def folder_of(path):
    """The folder under src/; for programs the one of the program."""
    parts = path.split("/")
    if len(parts) < 3:
        return ""
    return "/".join(parts[1:3]) if parts[1] == "programs" and len(parts) > 3 else parts[1]


def allowed(policy, source, target):
    """Whether code in folder `source` may include folder `target`."""
    return (target == source or target in policy.folders[source.split("/")[0]]
            or (source, target) in policy.edges)


def run(tree):
    policy, used = tree.policy, set()
    headers = {s.path for s in tree.c_files()}
    for source in tree.c_files():
        folder = folder_of(source.path) if source.path.startswith("src/") else None
        if folder is not None and folder.split("/")[0] not in policy.folders:
            yield Finding(source.path, 1, "layers",
                          f"src/{folder} is in no layer: declare it in tests/lint/policy.py")
            continue
        for line, kind, name in source.includes:
            ours = "src/" + name
            if kind == "<":
                if (folder in policy.pure and not source.is_test
                        and name not in policy.pure_headers):
                    yield Finding(source.path, line, "layers",
                                  f"<{name}> in a pure core: bytes and time come in, effects go "
                                  "out")
                continue
            if ours not in headers:
                beside = os.path.normpath(os.path.join(os.path.dirname(source.path), name))
                if folder is None and beside in headers and beside.startswith("tests/"):
                    continue
                yield Finding(source.path, line, "layers",
                              f'"{name}" is not a file under src/: write "folder/file.h"')
                continue
            target = folder_of(ours)
            if folder is None or folder == target:
                continue
            used.add((folder, target))
            if not allowed(policy, folder, target):
                yield Finding(source.path, line, "layers",
                              f"src/{folder} may not include src/{target}")
    for edge in policy.edges:
        if edge not in used:
            yield Finding("tests/lint/policy.py", 1, "layers",
                          f"edge {edge[0]} -> {edge[1]} is not used: remove it")
