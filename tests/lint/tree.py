"""The source tree as the checks see it: files, C text without comments, functions, findings."""

import functools
import os
import re
from dataclasses import dataclass, field
from typing import NamedTuple

SKIPPED_TOP = ("out", "log")  # and build*, .git: what .gitignore names
C_SUFFIXES = (".c", ".h", ".def")


class Finding(NamedTuple):
    path: str
    line: int
    check: str
    message: str


@dataclass
class Policy:
    """What the project declares about itself. Every exception carries its reason."""
    folders: dict = field(default_factory=dict)  # folder under src/ -> folders it may include
    edges: dict = field(default_factory=dict)  # (from, to) -> reason
    pure: tuple = ()  # folders whose code does no I/O
    pure_headers: tuple = ()  # the system headers that pure code may include
    no_allocation: tuple = ()  # folders that do not allocate
    calls: dict = field(default_factory=dict)  # "file:function" that is banned -> reason
    allocates: dict = field(default_factory=dict)  # file in such a folder -> reason
    test_users: dict = field(default_factory=dict)  # folder -> tests folder that counts as a user
    unused_functions: dict = field(default_factory=dict)  # name -> reason
    unused_codes: dict = field(default_factory=dict)  # symbol -> reason
    unreferenced: dict = field(default_factory=dict)  # file or pattern -> reason
    untested: dict = field(default_factory=dict)  # file or pattern -> reason
    data: tuple = ()  # patterns of files whose bytes are the point: no text hygiene
    unchecked_headers: dict = field(default_factory=dict)  # header -> reason
    twin_folder: str = ""  # cores that run in a daemon and in a simulator
    twin_headers: tuple = ()  # what they offer both
    twin_simulator: tuple = ()  # folders of the simulator
    twin_daemon: tuple = ()  # folders of the daemon
    twin_functions: dict = field(default_factory=dict)  # name that one of them uses -> reason


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


COMMENT_OR_STRING = re.compile(
    r'(//(?:\\\n|[^\n])*|/\*.*?\*/)|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
# The format check guarantees that only functions open with a brace alone in column 0.
FUNCTION = re.compile(r"^\{[ \t]*\n(?:.*?\n)??\}", re.M | re.S)
KEYWORDS = {"void", "int", "char", "bool", "if", "while", "for", "switch", "return", "sizeof",
            "_Static_assert", "static_assert", "__typeof__", "typeof"}


class Function(NamedTuple):
    name: str
    parameters: int
    start: int  # offset of the first character of the signature
    body: int  # offset of the opening brace
    end: int


class Prototype(NamedTuple):
    name: str
    offset: int


def split_arguments(text):
    """The top-level, comma-separated parts of an argument list."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]]


def closing(text, opening):
    """The offset of the parenthesis that closes the one at `opening`, or the end of the text."""
    depth = 0
    for i in range(opening, len(text)):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            depth -= 1
            if depth == 0:
                return i
    return len(text)


class Source:
    """One text file. All views have the same length, so an offset is valid in each of them."""

    def __init__(self, path, data):
        self.path = path
        self.data = data
        self.text = data.decode("utf-8", "replace")

    @functools.cached_property
    def lines(self):
        return self.text.split("\n")

    @functools.cached_property
    def line_count(self):
        return self.text.count("\n")

    @functools.cached_property
    def is_test(self):
        stem = os.path.splitext(os.path.basename(self.path))[0]
        return (self.path.startswith("tests/") or stem.startswith("test_")
                or stem.endswith(("_test", "_fuzz")))

    @functools.cached_property
    def plain(self):
        """Without comments."""
        return COMMENT_OR_STRING.sub(lambda m: blank(m) if m[1] else m.group(), self.text)

    @functools.cached_property
    def code(self):
        """Without comments and without the contents of strings."""
        return COMMENT_OR_STRING.sub(
            lambda m: blank(m) if m[1] else m[2][0] + " " * (len(m[2]) - 2) + m[2][0], self.text)

    @functools.cached_property
    def logic(self):
        """Like code, without preprocessor lines."""
        return DIRECTIVE.sub(blank, self.code)

    @functools.cached_property
    def directive_lines(self):
        """The numbers of the lines that preprocessor directives cover."""
        return {line for m in DIRECTIVE.finditer(self.code)
                for line in range(self.line_at(m.start()), self.line_at(m.end()) + 1)}

    @functools.cached_property
    def words(self):
        return set(re.findall(r"[A-Za-z_]\w*", self.code))

    @functools.cached_property
    def includes(self):
        """(line, "<" or '"', name) of each #include."""
        pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)', re.M)
        return [(self.line_at(m.start(1)), m[1], m[2]) for m in pattern.finditer(self.plain)]

    @functools.cached_property
    def functions(self):
        found, logic = [], self.logic
        for match in FUNCTION.finditer(logic):
            before = max(logic.rfind(c, 0, match.start()) for c in ";}") + 1
            signature = logic[before:match.start()]
            start = before + len(signature) - len(signature.lstrip())
            named = None
            for name in re.finditer(r"(\w+)\s*\(", signature):
                if name[1] not in KEYWORDS and not re.fullmatch(r"[A-Z0-9_]+|__attribute__",
                                                                name[1]):
                    named = name
                    break
            if not named:
                continue
            opening = named.end() - 1
            inside = signature[opening + 1:closing(signature, opening)].strip()
            count = 0 if inside in ("", "void") else len(split_arguments(inside))
            found.append(Function(named[1], count, start, match.start(), match.end()))
        return found

    @functools.cached_property
    def prototypes(self):
        """Functions that a header declares or defines."""
        logic = self.logic
        found = [Prototype(f.name, f.start) for f in self.functions]
        for f in self.functions:
            logic = logic[:f.start] + blank(re.match(r"(?s).*", logic[f.start:f.end])) \
                + logic[f.end:]
        shape = None
        while shape != logic:
            shape, logic = logic, re.sub(r"\{[^{}]*\}", blank, logic)
        logic = re.sub(r"__attribute__\s*\(\(.*?\)\)|\b[A-Z][A-Z0-9_]*\s*\([^()]*\)", blank, logic,
                       flags=re.S)
        for statement in re.finditer(r"[^;]+;", logic):
            if re.match(r"\s*(typedef|_Static_assert|static_assert)\b", statement.group()):
                continue
            name = re.search(r"(\w+)\s*\(\s*(?!\s*\*)", statement.group())
            if name and name[1] not in KEYWORDS:
                found.append(Prototype(name[1], statement.start() + name.start(1)))
        return found

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def calls(self, name_pattern):
        """(offset, name, arguments) of each call; arguments keep their strings."""
        pattern = re.compile(r"(?<![\w.])(?<!->)(" + name_pattern + r")\s*\(")
        for match in pattern.finditer(self.code):
            end = closing(self.code, match.end() - 1)
            yield match.start(1), match[1], self.plain[match.end():end]


class Tree:
    def __init__(self, root, policy, build=None, fix=False):
        self.root = os.path.abspath(root)
        self.policy = policy
        self.build = build
        self.fix = fix
        self.notes = []  # what the last line should tell

    def at(self, path):
        return os.path.join(self.root, path)

    @functools.cached_property
    def paths(self):
        found = []
        for folder, names, files in os.walk(self.root):
            inside = os.path.relpath(folder, self.root)
            names[:] = sorted(n for n in names if n not in (".git", "__pycache__") and not (
                inside == "." and (n in SKIPPED_TOP or n.startswith("build"))))
            for name in files:
                path = os.path.normpath(os.path.join(inside, name))
                if os.path.isfile(self.at(path)) and not name.endswith(".swp") \
                        and name != "compile_commands.json":
                    found.append(path)
        return sorted(found)

    @functools.cached_property
    def sources(self):
        """Every text file by its path."""
        found = {}
        for path in self.paths:
            if os.path.islink(self.at(path)):
                continue
            with open(self.at(path), "rb") as stream:
                data = stream.read()
            if b"\0" not in data:
                found[path] = Source(path, data)
        return found

    def forget(self):
        """To be called when files have changed."""
        for name in ("paths", "sources", "quoted_in_meson"):
            self.__dict__.pop(name, None)

    def c_files(self, suffixes=C_SUFFIXES):
        return [s for p, s in self.sources.items()
                if p.startswith(("src/", "tests/")) and p.endswith(suffixes)]

    @functools.cached_property
    def quoted_in_meson(self):
        """Paths that some meson.build names, literally or as name + 'suffix'."""
        found = set()
        for path, source in self.sources.items():
            if os.path.basename(path) != "meson.build":
                continue
            text = re.sub(r"(?m)^([^'#\n]*(?:'[^'\n]*'[^'#\n]*)*)#.*", r"\1", source.text)
            strings = set(re.findall(r"'([^'\n]*)'", text))
            names = set(strings)
            for before, after in re.findall(
                    r"(?:'([^'\n]*)'\s*[+/]\s*)?\b\w+\s*[+/]\s*'([^'\n]*)'", text):
                names |= {before + s + after for s in strings}
                names |= {os.path.join(before, s, after) for s in strings}
            for before, after in re.findall(r"f'([^'\n@]*)@\w+@([^'\n@]*)'", text):
                names |= {before + s + after for s in strings}
            folder = os.path.dirname(path)
            found |= {os.path.normpath(os.path.join(folder, n)) for n in names}
        return found
