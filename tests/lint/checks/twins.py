"""Simulator and daemon run the same cores: the same objects, without a part that only one of them
has. What a test found in simulated time is then true of the machine."""

import re

from tree import Finding

CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b(.*)$", re.M)
PREDEFINED = re.compile(r"^\s*(?:defined\s*\(?\s*)?__[a-z]\w*__\)?\s*$")  # of the compiler: an architecture


def conditions(tree):
    for source in tree.c_files():
        if not source.path.startswith(tree.policy.twin_folder) or source.is_test:
            continue
        for match in CONDITION.finditer(source.plain):
            if not PREDEFINED.match(match[1]):
                yield Finding(source.path, source.line_at(match.start()), "twins",
                              "a core that is compiled in two ways is two cores: no #if here")


def compiled_twice(tree):
    """Sources of the cores that another folder compiles as well, perhaps in another way."""
    folder = tree.policy.twin_folder
    own = {s.path.rsplit("/", 1)[1] for s in tree.c_files()
           if s.path.startswith(folder) and s.path.endswith(".c") and not s.is_test}
    for path, source in tree.sources.items():
        if not path.endswith("meson.build") or path.startswith(folder):
            continue
        for match in re.finditer(r"'([\w./-]*/)(\w+\.c)'", source.text):
            if match[2] in own and "org/" in match[1]:
                yield Finding(path, source.line_at(match.start()), "twins",
                              f"{match[2]} is compiled again here: link the library of {folder}")


def users_of(tree, folders):
    return set().union(*(s.words for s in tree.c_files() if s.path.startswith(folders)))


def one_sided(tree):
    policy = tree.policy
    inside = {s.path: s.words for s in tree.c_files()
              if s.path.startswith(policy.twin_folder) and not s.is_test}
    simulator = users_of(tree, policy.twin_simulator)
    daemon = users_of(tree, policy.twin_daemon)
    odd = set()
    for header in tree.c_files():
        if header.path not in policy.twin_headers:
            continue
        module = header.path.rsplit(".", 1)[0]
        for name, offset in header.prototypes:
            shared = any(name in words for path, words in inside.items() if path.rsplit(".", 1)[0] != module)
            if shared or (name in simulator) == (name in daemon):
                continue
            odd.add(name)
            if name not in policy.twin_functions:
                side = "the simulator" if name in simulator else "the daemon"
                yield Finding(header.path, header.line_at(offset), "twins", f"only {side} uses {name}()")
    for name in policy.twin_functions:
        if name not in odd:
            yield Finding("tests/lint/policy.py", 1, "twins", f"{name}() is used by both or gone: remove its entry")


def run(tree):
    if not tree.policy.twin_folder:
        return
    yield from conditions(tree)
    yield from compiled_twice(tree)
    yield from one_sided(tree)
