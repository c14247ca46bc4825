"""Documents: links lead somewhere, and the error catalogue is the one that the program prints."""

import os
import re
import subprocess

from tree import Finding, blank

CATALOGUE = "docs/reference/errors.md"
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)[^)\n]*\)|^\[[^\]\n]+\]:\s*<?(\S+?)>?\s*$", re.M)


def links(source):
    """(line, path from the top) of each link to a file."""
    for match in LINK.finditer(CODE.sub(blank, source.text)):
        target = (match[1] or match[2]).split("#")[0]
        if target and not re.match(r"[a-z][a-z0-9+.-]*:", target):
            folder = os.path.dirname(source.path)
            yield source.line_at(match.start()), os.path.normpath(os.path.join(folder, target))


def factory(build):
    """The factory's executable in the build folder, or None."""
    if build is None:
        return None
    for folder, names, files in os.walk(os.path.join(build, "src", "programs")):
        names[:] = [n for n in names if not n.endswith(".p")]
        path = os.path.join(folder, "broch-factory")
        if "broch-factory" in files and os.access(path, os.X_OK):
            return path
    return None


def catalogue(tree):
    program = factory(tree.build)
    if not program:
        return 1, "broch-factory is not built: build first and pass --build DIR"
    result = subprocess.run([program, "errors", "--markdown"], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        return 1, f"'broch-factory errors --markdown' ended with {result.returncode}"
    want = result.stdout.split("\n")
    have = tree.sources[CATALOGUE].lines if CATALOGUE in tree.sources else []
    for number in range(max(len(want), len(have))):
        if want[number:number + 1] != have[number:number + 1]:
            return number + 1, f"differs: run 'broch-factory errors --markdown > {CATALOGUE}'"
    return None


def run(tree):
    for source in tree.sources.values():
        if not source.path.endswith(".md"):
            continue
        for line, target in links(source):
            if not os.path.exists(tree.at(target)):
                yield Finding(source.path, line, "documents", f"link to a missing file: {target}")
    wrong = catalogue(tree)
    if wrong:
        yield Finding(CATALOGUE, wrong[0], "documents", wrong[1])
