"""Files, error codes and public functions that nobody uses."""

import fnmatch
import os
import re

from checks.documents import links
from tree import Finding

LISTED = ("profiles/", "docs/", "kernel/", "completions/")
REFERRING = (".md", ".c", ".h", ".py", ".sh", ".toml", "meson.build", "Makefile")


def unlisted_sources(tree):
    included = {"src/" + name for s in tree.c_files() for _, _, name in s.includes}
    included |= {os.path.normpath(os.path.join(os.path.dirname(s.path), name))
                 for s in tree.c_files() if s.path.startswith("tests/")
                 for _, _, name in s.includes}
    for source in tree.c_files():
        if source.path.endswith(".c"):
            if source.path not in tree.quoted_in_meson:
                yield Finding(source.path, 1, "dead", "no meson.build names this file")
        elif source.path not in included:
            yield Finding(source.path, 1, "dead", "nothing includes this file")


def referenced(tree):
    """Paths that a link or a text names."""
    found = set(tree.quoted_in_meson)
    texts = []
    for path, source in tree.sources.items():
        if path.endswith(".md"):
            found |= {target for _, target, _ in links(source)}
        if path.endswith(REFERRING) and not path.startswith("tests/lint/"):
            texts.append((path, source.text))
    for path in tree.paths:
        if path not in found and any(path in text for other, text in texts if other != path):
            found.add(path)
    return found


def unlisted_files(tree):
    found, needed = None, set()
    for path in tree.paths:
        if not path.startswith(LISTED):
            continue
        if found is None:
            found = referenced(tree)
        declared = [p for p in tree.policy.unreferenced if fnmatch.fnmatchcase(path, p)]
        needed.update(declared)
        if not declared and path not in found:
            yield Finding(path, 1, "dead", "nothing names this file: link it, use it or remove it")
    for pattern in tree.policy.unreferenced:
        if "*" not in pattern and pattern not in needed:
            yield Finding("tests/lint/policy.py", 1, "dead", f"{pattern} is gone: remove its entry")


def unused_codes(tree):
    table = tree.sources.get("src/base/code.def")
    if not table:
        return
    product = [s for s in tree.c_files() if not s.is_test and s.path != table.path]
    words = set().union(*(s.words for s in product))
    quoted = set(re.findall(r'"(BR-[A-Z0-9-]+)"', "\n".join(s.plain for s in product)))
    known = set()
    for match in re.finditer(r'^CODE\((\w+),\s*"([^"]+)"', table.plain, re.M):
        symbol, used = match[1], "CODE_" + match[1] in words or match[2] in quoted
        known.add(symbol)
        if not used and symbol not in tree.policy.unused_codes:
            yield Finding(table.path, table.line_at(match.start()), "dead",
                          f"CODE_{symbol} is never used")
        if used and symbol in tree.policy.unused_codes:
            yield Finding("tests/lint/policy.py", 1, "dead",
                          f"CODE_{symbol} is used: remove its entry")
    for symbol in set(tree.policy.unused_codes) - known:
        yield Finding("tests/lint/policy.py", 1, "dead", f"CODE_{symbol} is gone: remove its entry")


def is_user(policy, source, header):
    """Whether a call in `source` counts as use of what `header` declares."""
    if os.path.splitext(source.path)[0] == os.path.splitext(header.path)[0]:
        return False
    if header.is_test or not source.is_test:
        return True
    users = policy.test_users.get(header.path.split("/")[1])
    return bool(users) and source.path.startswith(users)


def why_unused(name, header, own, users, tests):
    """What is wrong with a public function, or None. One that its own module calls may be public
    for the sake of its test; a macro or inline function of the header is a use as well."""
    pattern = rf"\b{name}\b"
    if name in users or len(re.findall(pattern, header.code)) > 1:
        return None
    if not own or len(re.findall(pattern, own.code)) < 2:
        return f"{name}() is used by nobody" + (" but tests" if name in tests else "")
    if name in tests:
        return None
    return f"{name}() is used by its own module only: make it static or test it"


def unused_functions(tree):
    files = tree.c_files((".c", ".h"))
    defined = {f.name for s in files for f in s.functions}
    tests = set().union(*(s.words for s in files if s.is_test))
    unused = set()
    for header in files:
        if not (header.path.startswith("src/") and header.path.endswith(".h")):
            continue
        own = tree.sources.get(header.path[:-1] + "c")
        users = set().union(*(s.words for s in files if is_user(tree.policy, s, header)))
        for name, offset in header.prototypes:
            line = header.line_at(offset)
            if name not in defined:
                yield Finding(header.path, line, "dead", f"{name}() is declared, never defined")
                continue
            why = why_unused(name, header, own, users, tests)
            if why:
                unused.add(name)
                if name not in tree.policy.unused_functions:
                    yield Finding(header.path, line, "dead", why)
    for name in tree.policy.unused_functions:
        if name not in unused:
            yield Finding("tests/lint/policy.py", 1, "dead",
                          f"{name}() is used or gone: remove its entry")


def run(tree):
    yield from unlisted_sources(tree)
    yield from unlisted_files(tree)
    yield from unused_codes(tree)
    yield from unused_functions(tree)
