"""Documents: links lead somewhere, the error catalogue is the one that the program prints, what to do
about a code is told whole, the tests that the threat model names are there, and the notes of stage 1
have their line."""

import os
import re
import subprocess

from tree import Finding, blank

CATALOGUE = "docs/reference/errors.md"
ADVICE = "docs/what-to-do/"
THREATS = "docs/threat-model.md"
MARKERS = "docs/reference/markers.md"
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)[^)\n]*\)|^\[[^\]\n]+\]:\s*<?(\S+?)>?\s*$", re.M)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)
ENTRY = re.compile(r"^## (BR-\S+)$", re.M)
NOTE = re.compile(r'note\(\w+, "([a-z-]+)"')
PARTS = ("You see", "It means", "Your data", "Do", "Do not", "Afterwards")


def links(source):
    """(line, path from the top, anchor) of each link to a file or to a heading."""
    for match in LINK.finditer(CODE.sub(blank, source.text)):
        link = match[1] or match[2]
        target, _, anchor = link.partition("#")
        if link and not re.match(r"[a-z][a-z0-9+.-]*:", link):
            folder = os.path.dirname(source.path)
            path = os.path.normpath(os.path.join(folder, target)) if target else source.path
            yield source.line_at(match.start()), path, anchor


def anchors(source):
    """The names that a web page gives to the headings of a document."""
    text = re.sub(r"^(```|~~~).*?^\1", blank, source.text, flags=re.M | re.S)
    found, seen = set(), {}
    for match in HEADING.finditer(text):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).lower()
        name = re.sub(r"[^\w -]", "", title).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def entries(source, known):
    """(line, message) of what is missing from a page that says what to do about codes."""
    for match in ENTRY.finditer(source.text):
        body = source.text[match.end():].split("\n## ")[0]
        parts = re.findall(r"^\*\*([^*\n]+)\.\*\*", body, re.M)
        if match[1] not in known:
            yield source.line_at(match.start()), f"{match[1]} is no code"
        elif tuple(parts) != PARTS:
            yield (source.line_at(match.start()),
                   f"{match[1]} has not the parts {', '.join(PARTS)}, each once and in this order")


def missing_tests(source, tests):
    """(line, message) of each test that a threat model names, as file: case, and that is not there."""
    for number, line in enumerate(source.lines, 1):
        if not line.startswith("|"):
            continue
        for part in line.rstrip("| ").split("|")[-1].split(";"):
            match = re.match(r"\s*(\w+_test): (.*)", part)
            for name in re.split(r",\s*", match[2]) if match else ():
                name = re.sub(r"\s*\(.*", "", name)
                text = tests.get(match[1], "")
                if re.fullmatch(r"\w+", name) and not re.search(rf"\b(test_)?{name}\b", text):
                    yield number, f"{match[1]} has no case '{name}'"


def unknown_notes(tree):
    """(path, line, message) of each note of stage 1 that the page of markers does not have."""
    for source in tree.c_files():
        if source.path.startswith("src/boot/") and not source.is_test:
            for match in NOTE.finditer(source.text):
                if f"{match[1]}=" not in tree.sources[MARKERS].text:
                    yield (source.path, source.line_at(match.start()),
                           f"the note '{match[1]}' is not in {MARKERS}")


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
    names = {}
    known = set(re.findall(r"^\| `(BR-[^`]+)`", tree.sources[CATALOGUE].text, re.M)) \
        if CATALOGUE in tree.sources else set()
    for source in tree.sources.values():
        if not source.path.endswith(".md"):
            continue
        for line, target, anchor in links(source):
            if not os.path.exists(tree.at(target)):
                yield Finding(source.path, line, "documents", f"link to a missing file: {target}")
            elif anchor and target in tree.sources and target.endswith(".md"):
                if target not in names:
                    names[target] = anchors(tree.sources[target])
                if anchor not in names[target]:
                    yield Finding(source.path, line, "documents",
                                  f"link to a missing heading: {target}#{anchor}")
        if source.path.startswith(ADVICE):
            for line, message in entries(source, known):
                yield Finding(source.path, line, "documents", message)
    if THREATS in tree.sources:
        tests = {}
        for source in tree.sources.values():
            stem, suffix = os.path.splitext(os.path.basename(source.path))
            if suffix == ".c" and stem.endswith("_test"):
                tests[stem] = tests.get(stem, "") + source.text
        for line, message in missing_tests(tree.sources[THREATS], tests):
            yield Finding(THREATS, line, "documents", message)
    if MARKERS in tree.sources:
        for path, line, message in unknown_notes(tree):
            yield Finding(path, line, "documents", message)
    wrong = catalogue(tree)
    if wrong:
        yield Finding(CATALOGUE, wrong[0], "documents", wrong[1])
