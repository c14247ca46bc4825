"""clang-format agrees with every C file."""

import re
import subprocess

from tree import Finding

MAJOR_MIN, MAJOR_MAX = 14, 19  # .clang-format means the same to these


def run(tree):
    try:
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True,
                                 check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        yield Finding(".clang-format", 1, "format",
                      "clang-format does not run: install the package clang-format")
        return
    found = re.search(r"version (\d+)", version)
    major = int(found[1]) if found else 0
    if not MAJOR_MIN <= major <= MAJOR_MAX:
        tree.notes.append(f"format not checked: clang-format {major} is not "
                          f"{MAJOR_MIN}..{MAJOR_MAX}")
        return
    tree.notes.append(f"clang-format {major}")
    yield from fixed(tree) if tree.fix else disagreements(tree)


def fixed(tree):
    paths = sorted({f.path for f in disagreements(tree) if f.path.endswith((".c", ".h"))})
    if paths:
        subprocess.run(["clang-format", "-i", *paths], cwd=tree.root, check=True)
        tree.forget()
    yield from disagreements(tree)


def disagreements(tree):
    """One finding per file. Macros are left to their author: 14 and 19 lay out braces in them in
    different ways."""
    files = tree.c_files((".c", ".h"))
    if not files:
        return
    result = subprocess.run(["clang-format", "--dry-run", *(s.path for s in files)], cwd=tree.root,
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        yield Finding(".clang-format", 1, "format",
                      "clang-format failed: " + result.stderr.strip()[:200])
        return
    first = {}
    for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: (?:warning|error)", result.stderr, re.M):
        if path not in first and int(line) not in tree.sources[path].directive_lines:
            first[path] = int(line)
    for path, line in first.items():
        yield Finding(path, line, "format", "clang-format disagrees: run lint.py --fix")
