#!/usr/bin/env python3
"""Tests of the lint: each rule passes a good sample and refuses a bad one, in temporary trees."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lint  # noqa: E402
from checks import CHECKS  # noqa: E402
from checks.banned import BANNED, CLOSE_ON_EXEC  # noqa: E402
from policy import BROCH  # noqa: E402
from tree import Policy, Tree  # noqa: E402

STYLE = ("BasedOnStyle: LLVM\nIndentWidth: 4\nBreakBeforeBraces: Linux\nColumnLimit: 100\n"
         "AllowShortFunctionsOnASingleLine: None\n")
GOOD_C = '#include "base/a.h"\n\nint a_get(int x)\n{\n    return x;\n}\n'
GOOD_H = "/* A. */\n#pragma once\n\nint a_get(int x);\n"
LAYERS = {"base": (), "sys": ("base",), "org": ("base",),
          "boot": ("base", "sys", "org"), "vm": ("base", "sys", "org"),
          "programs": ("base", "sys", "org", "boot", "vm")}
PROGRAM = "#!/bin/sh\n"


def policy(**changes):
    return Policy(**{"folders": LAYERS, "pure": ("org",), "pure_headers": ("stdint.h",),
                     "no_allocation": ("boot", "org"), **changes})


class LintCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, files):
        for path, content in files.items():
            full = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as stream:
                stream.write(content if isinstance(content, bytes) else content.encode())
            if content[:2] in ("#!", b"#!"):
                os.chmod(full, 0o755)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as stream:
            return stream.read()

    def run_check(self, check, files=None, fix=False, build=None, **changes):
        self.write(files or {})
        tree = Tree(self.root, policy(**changes), build, fix)
        findings = list(CHECKS[check](tree))
        for finding in findings:
            self.assertEqual(finding.check, check)
        self.notes = tree.notes
        return findings

    def good(self, check, files=None, **changes):
        self.assertEqual(self.run_check(check, files, **changes), [])

    def bad(self, check, files, *expected, **changes):
        """`expected`: for each finding its "path:line" and a piece of its message."""
        findings = sorted(self.run_check(check, files, **changes))
        found = [f"{f.path}:{f.line} {f.message}" for f in findings]
        self.assertEqual(len(found), len(expected), found)
        for place, piece in expected:
            self.assertTrue(any(f.startswith(place + " ") and piece in f for f in found),
                            f"{place} {piece!r} is not in {found}")

    def with_programs(self, programs, only=False):
        """Puts scripts in front of (or in place of) the programs of the host."""
        self.write({"build/bin/" + name: text for name, text in programs.items()})
        os.makedirs(os.path.join(self.root, "build/bin"), exist_ok=True)
        former = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", former)
        folder = os.path.join(self.root, "build/bin")
        os.environ["PATH"] = folder if only else f"{folder}:{former}"


class Format(LintCase):
    def test_good_and_bad(self):
        self.good("format", {".clang-format": STYLE, "src/base/a.c": GOOD_C})
        self.bad("format", {"src/base/b.c": "int  b;\n"}, ("src/base/b.c:1", "clang-format"))
        self.assertRegex(self.notes[0], r"^clang-format \d+$")

    def test_fix(self):
        self.good("format", {".clang-format": STYLE, "src/base/b.c": "int  b;\n"}, fix=True)
        self.assertEqual(self.read("src/base/b.c"), "int b;\n")

    def test_macros_are_left_alone(self):
        self.good("format", {".clang-format": STYLE,
                             "src/base/b.c": "#define B   \\\n   {  .a = 1 }\nint b;\n"})

    def test_broken_style(self):
        self.bad("format", {".clang-format": "Nonsense: 1\n", "src/base/a.c": GOOD_C},
                 (".clang-format:1", "failed"))
        self.assertEqual(len(self.run_check("format", fix=True)), 1)

    def test_missing(self):
        self.with_programs({}, only=True)
        self.bad("format", {"src/base/a.c": GOOD_C}, (".clang-format:1", "package clang-format"))

    def test_other_versions_do_not_judge(self):
        for version in (13, 20):
            self.with_programs({"clang-format": PROGRAM + f"echo clang-format version {version}.1"})
            self.good("format", {"src/base/b.c": "int  b;\n"})
            self.assertIn("not checked", self.notes[0])


class Layers(LintCase):
    HEADERS = {f"src/{name}/{name}.h": "#pragma once\n" for name in LAYERS if name != "programs"}

    def include(self, source, *names):
        return {**self.HEADERS, source: "".join(f'#include "{name}"\n' for name in names)}

    def test_good(self):
        self.good("layers", self.include("src/base/a.c", "base/base.h"))
        self.good("layers", self.include("src/sys/a.c", "base/base.h", "sys/sys.h"))
        self.good("layers", self.include("src/org/a.c", "base/base.h"))
        self.good("layers", self.include("src/boot/a.c", "boot/boot.h", "org/org.h", "sys/sys.h"))
        self.good("layers", self.include("src/programs/p/a.c", "boot/boot.h", "vm/vm.h"))
        self.good("layers", self.include("tests/vm/a.c", "boot/boot.h", "vm/vm.h"))
        self.good("layers", {"tests/vm/help.h": "", "tests/vm/a.c": '#include "help.h"\n'})

    def test_upward(self):
        for source, name in (("base", "sys"), ("sys", "org"), ("sys", "boot"), ("org", "sys"),
                             ("org", "boot"), ("boot", "vm"), ("vm", "boot")):
            with self.subTest(source=source, name=name):
                self.bad("layers", self.include(f"src/{source}/a.c", f"{name}/{name}.h"),
                         (f"src/{source}/a.c:1", f"may not include src/{name}"))
                os.remove(os.path.join(self.root, f"src/{source}/a.c"))

    def test_programs_are_apart(self):
        self.bad("layers", {"src/programs/p/p.h": "", "src/programs/q/main.c":
                            '#include "programs/p/p.h"\n'},
                 ("src/programs/q/main.c:1", "may not include src/programs/p"))

    def test_edges(self):
        files = self.include("src/boot/a.c", "vm/vm.h")
        self.good("layers", files, edges={("boot", "vm"): "a reason"})
        self.bad("layers", self.include("src/boot/a.c", "base/base.h"),
                 ("tests/lint/policy.py:1", "boot -> vm is not used"),
                 edges={("boot", "vm"): "a reason"})

    def test_form(self):
        self.bad("layers", self.include("src/base/a.c", "base.h"),
                 ("src/base/a.c:1", "folder/file.h"))

    def test_unknown_folder(self):
        self.bad("layers", {"src/new/a.c": ""}, ("src/new/a.c:1", "no layer"))

    def test_pure_cores(self):
        self.good("layers", {"src/org/a.c": "#include <stdint.h>\n",
                             "src/org/a_test.c": "#include <stdio.h>\n",
                             "src/sys/a.c": "#include <sys/file.h>\n",
                             "src/org/b.c": "/* #include <stdio.h> */\n"})
        self.bad("layers", {"src/org/c.c": "#include <stdint.h>\n#include <fcntl.h>\n"},
                 ("src/org/c.c:2", "pure core"))


def function(body):
    return f"void f(void)\n{{\n{body}\n}}\n"


class Banned(LintCase):
    def test_every_call(self):
        for name in BANNED:
            with self.subTest(name=name):
                self.bad("banned", {"src/sys/a.c": function(f"    {name}(x);")},
                         ("src/sys/a.c:3", BANNED[name]))

    def test_neighbours(self):
        for name in BANNED:
            with self.subTest(name=name):
                self.good("banned", {"src/sys/a.c": function(
                    f'    my_{name}(x);\n    {name}_my(x);\n    p->{name}(x);\n    s.{name}(x);\n'
                    f'    puts("{name}(");\n    /* {name}( */\n    // {name}(\n    int {name};')})

    def test_descriptors(self):
        for name, flag in CLOSE_ON_EXEC.items():
            with self.subTest(name=name):
                self.bad("banned", {"src/sys/a.c": function(f"    {name}(x, y);")},
                         ("src/sys/a.c:3", f"without {flag}"))
                self.good("banned", {"src/sys/a.c": function(f"    {name}(g(x),\n z | {flag});")})

    def test_fopen(self):
        for mode in ('"r"', '"w+"', "mode", '"r,ccs=e"'):
            self.bad("banned", {"src/sys/a.c": function(f"    fopen(e, {mode});")},
                     ("src/sys/a.c:3", "fopen"))
        for mode in ('"re"', '"w+e"', '"wxe"', '"r+e"'):
            self.good("banned", {"src/sys/a.c": function(f"    fopen(e, {mode});")})

    def test_dup(self):
        for name in ("dup", "dup2", "dup3"):
            text = function(f"    {name}(x);")
            self.bad("banned", {"src/sys/a.c": text}, ("src/sys/a.c:3", "outside src/sys/spawn"))
            self.good("banned", {"src/sys/a.c": "", "src/sys/spawn.c": text})

    def test_allocation(self):
        text = function("    malloc(x);")
        self.good("banned", {"src/sys/a.c": text, "src/boot/a_test.c": text})
        self.bad("banned", {"src/boot/a.c": text, "src/org/a.c": '#include "base/text.h"\n'},
                 ("src/boot/a.c:3", "malloc()"), ("src/org/a.c:1", "base/line.h"))
        self.good("banned", allocates={"src/boot/a.c": "a reason", "src/org/a.c": "a reason"})
        self.bad("banned", {"src/boot/a.c": "", "src/org/a.c": ""},
                 ("tests/lint/policy.py:1", "src/boot/a.c is gone"),
                 allocates={"src/boot/a.c": "a reason"})

    def test_exceptions(self):
        calls = {"src/sys/a.c:dup": "a reason"}
        self.good("banned", {"src/sys/a.c": function("    dup(x);")}, calls=calls)
        self.bad("banned", {"src/sys/a.c": ""}, ("tests/lint/policy.py:1", "a.c:dup is gone"),
                 calls=calls)

    def test_goto(self):
        self.good("banned", {"src/sys/a.c": function("    goto out;\nout:\n    return;")
                             + function("    goto out;\nout:\n    return;")})
        self.bad("banned", {"src/sys/a.c": function("again:\n    g();\n    goto again;")},
                 ("src/sys/a.c:5", "jumps back"))


class Ceilings(LintCase):
    def function_of(self, lines, name="f"):
        return f"static void {name}(void)\n{{\n" + "    g();\n" * (lines - 3) + "}\n"

    def test_file(self):
        self.good("ceilings", {"src/a/a.c": "\n" * 1000})
        self.bad("ceilings", {"src/a/a.c": "\n" * 1001}, ("src/a/a.c:1", "1001 lines"))

    def test_function(self):
        self.good("ceilings", {"src/a/a.c": "int x;\n" + self.function_of(70)})
        self.bad("ceilings", {"src/a/a.c": "int x;\n\n" + self.function_of(71, "long_one")},
                 ("src/a/a.c:3", "long_one() has 71 lines"))

    def test_function_after_comments_and_attributes(self):
        text = ("/* f(a, b) */\nMUST_USE(x) __attribute__((noreturn)) static int\n"
                "name(int a)\n{\n}\n")
        self.write({"src/a/a.c": text})
        source = Tree(self.root, policy()).sources["src/a/a.c"]
        self.assertEqual([(f.name, f.parameters) for f in source.functions], [("name", 1)])
        self.assertEqual(source.line_at(source.functions[0].start), 2)

    def test_line(self):
        self.good("ceilings", {"src/a/a.c": "x" * 100 + "\n", "docs/a.md": "x" * 200 + "\n"})
        self.good("ceilings", {"src/a/a.py": "x" * 120 + "\n"})
        for name, length in (("a.c", 101), ("a.h", 101), ("a.def", 101), ("a.py", 121), ("a.sh", 101)):
            self.bad("ceilings", {"src/a/" + name: "\n" + "x" * length + "\n"},
                     ("src/a/" + name + ":2", "longer than 100"))
            os.remove(os.path.join(self.root, "src/a", name))
        self.bad("ceilings", {"src/a/a": "#!/bin/sh\n" + "x" * 101 + "\n"},
                 ("src/a/a:2", "longer than 100"))

    def test_parameters(self):
        six, seven = (", ".join(f"int a{i}" for i in range(n)) for n in (6, 7))
        self.good("ceilings", {"src/a/a.c": f"void f({six})\n{{\n}}\n",
                               "src/a/b.c": f"void f(int (*g)({seven}))\n{{\n}}\n"})
        self.bad("ceilings", {"src/a/a.c": f"void f({seven})\n{{\n}}\n"},
                 ("src/a/a.c:1", "f() has 7 parameters"))

    def ratchet(self, **entries):
        return {"tests/lint/ratchet.json": json.dumps(entries)}

    def test_ratchet(self):
        code = {"src/a/a.c": self.function_of(80)}
        key = "src/a/a.c:f"
        self.good("ceilings", {**code, **self.ratchet(function={key: 80})})
        self.bad("ceilings", self.ratchet(function={key: 79}), ("src/a/a.c:1", "at most 79"))
        self.bad("ceilings", self.ratchet(function={key: 81}),
                 ("tests/lint/ratchet.json:1", "entry 81, now 80"))
        self.bad("ceilings", self.ratchet(function={key: 80}, file={"gone.c": 1200}),
                 ("tests/lint/ratchet.json:1", "not needed"))

    def test_fix_lowers_and_never_raises(self):
        code = {"src/a/a.c": self.function_of(80) + self.function_of(90, "g")}
        self.bad("ceilings", {**code, **self.ratchet(
            function={"src/a/a.c:f": 85, "src/a/a.c:g": 88}, file={"gone.c": 1200})},
            ("src/a/a.c:81", "at most 88"), fix=True)
        self.assertEqual(json.loads(self.read("tests/lint/ratchet.json")),
                         {"function": {"src/a/a.c:f": 80, "src/a/a.c:g": 88}})


class Headers(LintCase):
    def test_good_and_cached(self):
        build = os.path.join(self.root, "build")
        self.good("headers", {"src/base/a.h": GOOD_H}, build=build)
        self.assertEqual(len(self.read("build/lint/headers").split()), 2)
        self.with_programs({"gcc": PROGRAM + '[ "$1" = --version ] && exec /usr/bin/gcc --version\n'
                            "echo 'x: error: called' >&2\nexit 1\n"})
        self.good("headers", build=build)
        self.bad("headers", {"src/base/a.h": GOOD_H + "\n"}, ("src/base/a.h:1", "called"),
                 build=build)

    def test_bad(self):
        for compiler in ("gcc", "clang"):
            with self.subTest(compiler=compiler):
                macro = "__clang__" if compiler == "clang" else "__GNUC__ && !defined(__clang__)"
                self.bad("headers", {"src/base/a.h": f"#pragma once\n#if {macro}\nint f(size_t x);"
                                     "\n#endif\n"},
                         ("src/base/a.h:1", f"alone with {compiler}"))

    def test_change_in_an_included_header(self):
        build = os.path.join(self.root, "build")
        self.good("headers", {"src/base/a.h": "#pragma once\ntypedef int number;\n",
                              "src/base/b.h": '#pragma once\n#include "base/a.h"\nnumber f(void);\n'
                              }, build=build)
        self.bad("headers", {"src/base/a.h": "#pragma once\n"},
                 *[("src/base/b.h:1", "does not compile")] * 2, build=build)

    def test_pragma(self):
        self.bad("headers", {"src/base/a.h": "/* #pragma once */\nint f(void);\n"},
                 ("src/base/a.h:1", "#pragma once"))

    def test_missing_compiler(self):
        self.with_programs({}, only=True)
        self.bad("headers", {"src/base/a.h": GOOD_H}, ("src:1", "package gcc"),
                 ("src:1", "package clang"))

    def test_exceptions(self):
        exceptions = {"src/base/a.h": "a reason"}
        self.good("headers", {"src/base/a.h": "#pragma once\nnonsense\n"},
                  unchecked_headers=exceptions)
        os.remove(os.path.join(self.root, "src/base/a.h"))
        self.bad("headers", {}, ("tests/lint/policy.py:1", "is gone"), unchecked_headers=exceptions)


class Dead(LintCase):
    USED = {"src/base/a.c": GOOD_C, "src/base/a.h": GOOD_H,
            "src/sys/b.c": '#include "base/a.h"\n\nint b = a_get;\n',
            "src/base/meson.build": "files('a.c')\n", "src/sys/meson.build": "files('b.c')\n"}

    def test_good(self):
        self.good("dead", self.USED)

    def test_source(self):
        self.bad("dead", {**self.USED, "src/base/c.c": "int c;\n"},
                 ("src/base/c.c:1", "no meson.build"))
        self.bad("dead", {"src/base/meson.build": "files('a.c') # 'c.c' and it's old\n"},
                 ("src/base/c.c:1", "no meson.build"))

    def test_names_that_meson_puts_together(self):
        files = {**self.USED, "src/base/c_test.c": "", "tests/fuzz/c.c": ""}
        for build in ("foreach n : ['c']\n x = n + '_test.c'\nendforeach\n",
                      "foreach n : ['c']\n x = f'@n@_test.c'\nendforeach\n"):
            self.good("dead", {**files, "src/base/meson.build": "files('a.c')\n" + build,
                               "tests/meson.build": "foreach n : ['c']\n x = 'fuzz/' + n + '.c'\n"
                               "endforeach\n"})

    def test_header(self):
        self.bad("dead", {**self.USED, "src/base/c.h": "#define C 1\n"},
                 ("src/base/c.h:1", "nothing includes"))
        self.bad("dead", {"src/base/c.h": "", "src/base/c.def": "", "src/sys/b.c":
                          '#include "base/a.h"\n#include "base/c.h"\n\nint b = a_get;\n'},
                 ("src/base/c.def:1", "nothing includes"))

    def test_files(self):
        for folder in ("profiles/p/", "docs/", "kernel/", "completions/"):
            with self.subTest(folder=folder):
                path = folder + "x.txt"
                self.bad("dead", {path: "x\n"}, (path + ":1", "nothing names"))
                self.good("dead", {"README.md": f"See {path}.\n"})
                os.remove(os.path.join(self.root, "README.md"))
                self.good("dead", unreferenced={folder + "*": "a reason"})
                os.remove(os.path.join(self.root, path))
        self.good("dead", {"docs/x.md": "", "docs/y.md": "[x](x.md)\n", "README.md":
                           "[y](docs/y.md)\n"})
        self.good("dead", {"docs/man/x.1.scd": "", "docs/man/meson.build":
                           "foreach n : ['x.1']\n y = n + '.scd'\nendforeach\n"},
                  unreferenced={"docs/man/meson.build": "a reason"})

    def test_stale_file_exception(self):
        self.bad("dead", {}, ("tests/lint/policy.py:1", "is gone"),
                 unreferenced={"docs/gone": "a reason", "docs/*": "a convention"})

    def test_codes(self):
        table = 'CODE(IO, "BR-IO", ERROR, "x", "y")\nCODE(NET, "BR-NET", ERROR, "x", "y")\n'
        files = {**self.USED, "src/base/code.def": table, "src/base/a.c":
                 '#include "base/code.def"\n' + GOOD_C + "int c = CODE_IO;\n",
                 "src/base/a_test.c": "int c = CODE_NET;\n",
                 "src/base/meson.build": "files('a.c', 'a_test.c')\n"}
        self.bad("dead", files, ("src/base/code.def:2", "CODE_NET is never used"))
        self.good("dead", unused_codes={"NET": "a reason"})
        self.bad("dead", {}, ("src/base/code.def:2", "never used"),
                 ("tests/lint/policy.py:1", "CODE_IO is used"),
                 ("tests/lint/policy.py:1", "CODE_OLD is gone"),
                 unused_codes={"IO": "a reason", "OLD": "a reason"})
        self.good("dead", {"src/sys/b.c": '#include "base/a.h"\n\nint b = a_get("BR-NET");\n'})

    def test_functions(self):
        only_tests = {**self.USED, "src/sys/b.c": '#include "base/a.h"\n',
                      "src/base/a_test.c": "int x = a_get;\n",
                      "src/base/meson.build": "files('a.c', 'a_test.c')\n"}
        self.bad("dead", only_tests, ("src/base/a.h:4", "a_get() is used by nobody"))
        self.good("dead", unused_functions={"a_get": "a reason"})
        self.bad("dead", {"src/sys/b.c": self.USED["src/sys/b.c"]},
                 ("tests/lint/policy.py:1", "a_get() is used"),
                 unused_functions={"a_get": "a reason"})

    def test_functions_that_their_module_uses(self):
        files = {**self.USED, "src/sys/b.c": '#include "base/a.h"\n',
                 "src/base/a.c": GOOD_C + "int b = a_get;\n"}
        self.bad("dead", files, ("src/base/a.h:4", "make it static"))
        self.good("dead", {"src/base/a_test.c": "int x = a_get;\n",
                           "src/base/meson.build": "files('a.c', 'a_test.c')\n"})

    def test_functions_for_tests(self):
        user = {"tests/vm/x.c": "int x = a_get;\n", "tests/meson.build": "files('vm/x.c')\n"}
        files = {**self.USED, "src/sys/b.c": '#include "base/a.h"\n', **user}
        self.bad("dead", files, ("src/base/a.h:4", "a_get() is used by nobody"))
        self.good("dead", test_users={"base": "tests/vm/"})

    def test_declared_never_defined(self):
        self.bad("dead", {**self.USED, "src/base/a.h": GOOD_H + "int gone(void);\n", "src/sys/b.c":
                          '#include "base/a.h"\n\nint b = a_get + gone;\n'},
                 ("src/base/a.h:5", "gone() is declared, never defined"))

    def test_functions_in_macros_and_inline(self):
        header = GOOD_H.replace("int a_get(int x);",
                                "int a_get(int x);\n\n#define A a_get(1)\n\n"
                                "static inline int two(void)\n{\n    return 2;\n}\n")
        self.bad("dead", {**self.USED, "src/base/a.h": header,
                          "src/sys/b.c": '#include "base/a.h"\n\nint b = A;\n'},
                 ("src/base/a.h:8", "two() is used by nobody"))

    def test_prototypes(self):
        text = ("struct a {\n    int (*call)(int x);\n};\ntypedef int (*hook)(void);\n"
                "extern int (*installed)(void);\nMUST_USE struct a *first(void (*f)(int), int x)\n"
                "    PRINTF_LIKE(1, 2);\n__attribute__((noreturn)) void second(void);\n"
                "enum { A = sizeof(int) };\n_Static_assert(A == 4, \"x\");\n")
        self.write({"src/base/a.h": text})
        source = Tree(self.root, policy()).sources["src/base/a.h"]
        self.assertEqual([p.name for p in source.prototypes], ["first", "second"])


class Beside(LintCase):
    def test_good_and_bad(self):
        self.good("beside", {"src/base/a.c": GOOD_C, "src/base/a_test.c": "", "src/base/a.h":
                             GOOD_H, "src/base/only.h": GOOD_H, "src/base/a_fuzz.c": "",
                             "src/base/test_help.c": "", "tests/vm/b.c": ""})
        self.bad("beside", {"src/base/b.c": "", "src/base/c.h":
                            "static inline int c(void)\n{\n    return 0;\n}\n"},
                 ("src/base/b.c:1", "b_test.c is missing"),
                 ("src/base/c.h:1", "c_test.c is missing"))

    def test_exceptions(self):
        self.good("beside", {"src/sys/a.c": "", "src/programs/p/main.c": ""},
                  untested={"src/sys/a.c": "a reason", "src/programs/*/main.c": "a reason"})
        self.bad("beside", {"src/sys/a_test.c": "", "src/programs/p/main_test.c": ""},
                 ("tests/lint/policy.py:1", "src/sys/a.c is tested or gone"),
                 untested={"src/sys/a.c": "a reason", "src/programs/*/main.c": "a reason"})


class Hygiene(LintCase):
    SAMPLES = (
        ("a.txt", "x \n", "a.txt:1", "trailing space"),
        ("a.txt", "x\n\ty\n", "a.txt:2", "tab"),
        ("a.txt", "x\ny", "a.txt:2", "no newline"),
        ("a.txt", "x\n\n", "a.txt:2", "empty line"),
        ("a.txt", "x\r\n", "a.txt:1", "CRLF"),
        ("src/a/a.c", "/* \u00e9 */\n", "src/a/a.c:1", "non-ASCII"),
        ("src/a/a.def", "/* \u2014 */\n", "src/a/a.def:1", "non-ASCII"),
        ("a.c", "/* TO" "DO: later */\n", "a.c:1", "without an issue"),
        ("a.c", "/* FIX" "ME */\n", "a.c:1", "without an issue"),
        ("a.txt", "see /ho" "me/somebody/broch\n", "a.txt:1", "absolute path"),
        ("a.txt", "see /ro" "ot/broch\n", "a.txt:1", "absolute path"),
        ("a.txt", "see /Us" "ers/somebody/broch\n", "a.txt:1", "absolute path"),
        ("a.txt", "<<<<" "<<< HEAD\n", "a.txt:1", "merge conflict"),
        ("a.txt", "====" "===\n", "a.txt:1", "merge conflict"),
        ("a.txt", ">>>>" ">>> x\n", "a.txt:1", "merge conflict"),
    )

    def test_bad(self):
        for path, text, place, piece in self.SAMPLES:
            with self.subTest(text=text):
                self.bad("hygiene", {path: text}, (place, piece))
                os.remove(os.path.join(self.root, path))

    def test_good(self):
        self.good("hygiene", {
            "Makefile": "x:\n\tcc\n", "a.md": "T\u00ebst\n====" "===\n", "LICENSE": "x \n\n",
            "a.c": "/* TO" "DO(#12): later. TO" "DOS */\n", "data/x": "a \r\n\tb",
            "image.bin": b"\0 \n", "empty": "",
            "profiles/n/overlay/etc/issue": "x\n\n", "out/x": "x \n", "build-a/x": "x \n",
            "a.txt": "/home /home/admin/x /sysroot/x rootfs/root/x https://x.org/home/y/z\n"},
            data=("data/*",))


class Documents(LintCase):
    ERRORS = "docs/reference/errors.md"

    def setUp(self):
        super().setUp()
        self.build = os.path.join(self.root, "build")
        self.write({self.ERRORS: "# Errors\n\nBR-IO\n", "build/src/programs/broch-factory":
                    PROGRAM + '[ "$*" = "errors --markdown" ] || exit 3\n'
                    "printf '# Errors\\n\\nBR-IO\\n'\n"})

    def test_links(self):
        self.good("documents", {"README.md": "[a](docs/a.md) [b](docs/a.md#x) [c](#here)\n"
                                "[w](https://x.org/gone) [m](mailto:a@b.c)\n"
                                "`[x](gone.md)`\n```\n[y](gone.md)\n```\n[r]: docs/a.md\n## Here\n",
                                "docs/a.md": '# `X`\n[up](../README.md#here) ![p](a.md "title")\n'},
                  build=self.build)
        self.bad("documents", {"README.md": "x\n[a](docs/gone.md)\n[b]: gone2.md\n",
                               "docs/a.md": "[up](README.md)\n"},
                 ("README.md:2", "docs/gone.md"), ("README.md:3", "gone2.md"),
                 ("docs/a.md:1", "docs/README.md"), build=self.build)

    def test_anchors(self):
        self.good("documents", {"a.md": "[1](#br-a-b) [2](#br-a-b-1) [3](#in-c-and-d-e)\n"
                                        "## BR-A-B\n### BR-A-B\n# In `c`, and [d e](a.md)\n"},
                  build=self.build)
        self.bad("documents", {"a.md": "x\n[1](b.md#gone) [2](#br-a)\n```\n# BR-A\n```\n",
                               "b.md": "# Not gone\n"},
                 ("a.md:2", "b.md#gone"), ("a.md:2", "a.md#br-a"), build=self.build)

    ENTRY = "".join(f"**{part}.** x\n" for part in
                    ("You see", "It means", "Your data", "Do", "Do not", "Afterwards"))

    def test_entries(self):
        table = "| `BR-IO` | 1 |\n| `BR-A` | 1 |\n"
        self.write({self.ERRORS: table, "build/src/programs/broch-factory":
                    PROGRAM + f"printf '{table}'\n"})
        self.good("documents", {"docs/what-to-do/a.md": "# A\n## BR-IO\n" + self.ENTRY +
                                "## More\n## BR-A\n**Note** x\n" + self.ENTRY}, build=self.build)
        for part in ("You see", "Afterwards"):
            self.bad("documents", {"docs/what-to-do/a.md": "# A\n## BR-IO\n" + self.ENTRY + "## BR-A\n" +
                                   self.ENTRY.replace(f"**{part}.** x\n", "")},
                     ("docs/what-to-do/a.md:9", "BR-A has not the parts"), build=self.build)
        self.bad("documents", {"docs/what-to-do/a.md": "## BR-GONE\n" + self.ENTRY},
                 ("docs/what-to-do/a.md:1", "BR-GONE is no code"), build=self.build)

    def test_threats(self):
        self.write({"src/a/a_test.c": "static void test_one(void **state)\n", "tests/vm/b_test.c": "test_two two"})
        self.good("documents", {"docs/threat-model.md": "| x | y | a_test: one; b_test: two (no more), each bit |\n"
                                "| x | no test |\nc_test: three\n"}, build=self.build)
        for cell, piece in (("a_test: two", "a_test has no case 'two'"), ("c_test: one", "c_test has no case 'one'"),
                            ("b_test: two; a_test: one, on", "a_test has no case 'on'")):
            with self.subTest(cell=cell):
                self.bad("documents", {"docs/threat-model.md": f"| x | y |\n| z | {cell} |\n"},
                         ("docs/threat-model.md:2", piece), build=self.build)

    def test_notes(self):
        self.write({"src/boot/a.c": 'int a(void)\n{\n    stage1_note(s, "made", x);\n    note(s, "tpm-not", f);\n}\n',
                    "src/boot/a_test.c": 'stage1_note(s, "gone", x);\n', "src/vm/b.c": 'note(s, "gone", f);\n'})
        self.good("documents", {"docs/reference/markers.md": "`made=\"x\"`, `tpm-not=BR`\n"}, build=self.build)
        self.bad("documents", {"docs/reference/markers.md": "`made=\"x\"`, tpm-not\n"},
                 ("src/boot/a.c:4", "'tpm-not' is not in"), build=self.build)

    def test_code_without_entry(self):
        row = "| `BR-A` | [x](../what-to-do/a.md#br-a) |\n"
        self.write({self.ERRORS: row, "docs/what-to-do/a.md": "## BR-A\n" + self.ENTRY,
                    "build/src/programs/broch-factory": PROGRAM + f"printf '{row}'\n"})
        self.good("documents", {}, build=self.build)
        self.bad("documents", {"docs/what-to-do/a.md": "# None\n"},
                 (self.ERRORS + ":1", "docs/what-to-do/a.md#br-a"), build=self.build)

    def test_catalogue(self):
        self.bad("documents", {self.ERRORS: "# Errors\n\nBR-OLD\n"},
                 (self.ERRORS + ":3", "differs"), build=self.build)
        self.bad("documents", {self.ERRORS: "# Errors\n\nBR-IO\nmore\n"},
                 (self.ERRORS + ":4", "differs"), build=self.build)
        os.remove(os.path.join(self.root, self.ERRORS))
        self.bad("documents", {}, (self.ERRORS + ":1", "differs"), build=self.build)

    def test_catalogue_without_program(self):
        self.bad("documents", {}, (self.ERRORS + ":1", "not built"), build=None)
        self.write({"build/src/programs/broch-factory": PROGRAM + "exit 9\n"})
        self.bad("documents", {}, (self.ERRORS + ":1", "ended with 9"), build=self.build)


class Manual(LintCase):
    BROCH = (PROGRAM + 'case "$*" in\n'
             "help) printf 'usage: broch VERB\\n\\non a machine:\\n  disk status   x\\n  run   x\\n';;\n"
             "'disk --help') echo 'usage: broch disk status | wipe-all DISK [options]';;\n"
             "'disk status --help') printf 'usage: x\\n\\noptions:\\n  --json  x\\n';;\n"
             "'disk wipe-all --help') printf 'options:\\n  --help\\n  --yes  x\\n';;\n"
             "'run --help') printf 'usage: broch run [X]\\n\\n  now  at once\\noptions:\\n  --cpus N  x\\n';;\n"
             "'run now --help') echo --quiet;;\n*) exit 2;;\nesac\n")
    WORDS = "disk status wipe-all --json --yes run now --cpus --quiet\n"
    PAGE = "*broch disk status*|*wipe-all*\n\n*--json*, _--yes_\n*--help*\n"
    GENERAL = "*disk*\n*run* now [--cpus N] [--quiet]\n"

    def setUp(self):
        super().setUp()
        self.build = os.path.join(self.root, "build")
        self.write({"build/src/programs/broch": self.BROCH, "docs/man/broch.1.scd": self.GENERAL,
                    "docs/man/broch-disk.1.scd": self.PAGE,
                    **{"completions/" + name: self.WORDS for name in ("broch.bash", "_broch")},
                    "completions/broch.fish": self.WORDS.replace("--", "-l ")})

    def test_good(self):
        self.good("manual", {}, build=self.build)

    def test_missing(self):
        for old, new, place, piece in (
                ("*--json*", "json", "docs/man/broch-disk.1.scd:1", "'broch disk' has '--json'"),
                ("_--yes_", "_--yes-all_", "docs/man/broch-disk.1.scd:1", "'broch disk' has '--yes'"),
                ("wipe-all", "wipe", "docs/man/broch-disk.1.scd:1", "'broch disk' has 'wipe-all'"),
                ("*--help*", "*--gone*", "docs/man/broch-disk.1.scd:4", "'broch disk' has no '--gone'")):
            with self.subTest(old=old):
                self.bad("manual", {"docs/man/broch-disk.1.scd": self.PAGE.replace(old, new)}, (place, piece),
                         build=self.build)

    def test_missing_in_general(self):
        for old, piece in (("*disk*", "the verb 'disk'"), ("now", "has 'now'"), ("--cpus", "has '--cpus'"),
                           ("--quiet", "has '--quiet'")):
            with self.subTest(old=old):
                self.bad("manual", {"docs/man/broch.1.scd": self.GENERAL.replace(old, "x")},
                         ("docs/man/broch.1.scd:1", piece), build=self.build)

    def test_completions(self):
        for word, piece in (("run", "the verb 'run'"), ("--json", "has '--json'"), ("wipe-all", "has 'wipe-all'")):
            with self.subTest(word=word):
                self.bad("manual", {"completions/_broch": self.WORDS.replace(word, "x")},
                         ("completions/_broch:1", piece), build=self.build)
        self.bad("manual", {"completions/_broch": self.WORDS, "completions/broch.fish": self.WORDS},
                 *(("completions/broch.fish:1", f"has '--{option}'") for option in ("cpus", "json", "quiet", "yes")),
                 build=self.build)
        os.remove(os.path.join(self.root, "completions/broch.fish"))
        self.bad("manual", {}, ("completions/broch.fish:1", "'disk'"), ("completions/broch.fish:1", "'run'"),
                 build=self.build)

    def test_without_programs(self):
        self.bad("manual", {}, ("docs/man/broch.1.scd:1", "build first"), build=None)
        self.write({"build/src/programs/broch": self.BROCH.replace("'run --help'", "x")})
        self.bad("manual", {}, ("docs/man/broch.1.scd:1", "'broch run --help' fails"), build=self.build)


class Scripts(LintCase):
    def test_good(self):
        self.good("scripts", {"a": '#!/bin/sh\necho "$1"\n', "b.bash": 'x=(1 2)\necho "${x[0]}"\n',
                              "c.py": "x = 1\n", "d": "#!/bin/execlineb\nif {\n"})

    def test_syntax(self):
        self.bad("scripts", {"a": "#!/bin/sh\nif true\n", "b": "#!/usr/bin/env bash\nfor\n",
                             "c.sh": "x=(1 2)\n", "d.py": "x = 1\nif:\n"},
                 ("a:3", "sh -n"), ("b:2", "bash -n"), ("c.sh:1", "sh -n"), ("d.py:2", "Python"))

    def test_shellcheck(self):
        self.bad("scripts", {"a": "#!/bin/sh\ncd $1\n"}, ("a:2", "SC2086"), ("a:2", "SC2164"))
        self.assertIn("shellcheck", self.notes)

    def test_shellcheck_that_fails(self):
        self.with_programs({"shellcheck": PROGRAM + "echo broken >&2\nexit 3\n"})
        self.bad("scripts", {"a": "#!/bin/sh\n:\n"}, ("a:1", "shellcheck failed: broken"))

    def test_without_shellcheck(self):
        self.with_programs({"sh": "#!/bin/sh\nexec /bin/sh \"$@\"\n"}, only=True)
        self.good("scripts", {"a": "#!/bin/sh\ncd $1\n"})
        self.assertIn("shellcheck is not installed", self.notes)


class Program(LintCase):
    def main(self, *arguments):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = lint.main(["--root", self.root, *arguments], policy())
        return status, output.getvalue().split("\n")

    def test_findings(self):
        self.write({"b.txt": "x \ny \n", "a.txt": "x \n"})
        status, lines = self.main("hygiene")
        self.assertEqual(status, 1)
        self.assertEqual(lines[:3], ["a.txt:1: hygiene: trailing space",
                                     "b.txt:1: hygiene: trailing space",
                                     "b.txt:2: hygiene: trailing space"])
        self.assertRegex(lines[3], r"^lint: 1 checks, 2 files, 3 findings in \d+\.\d s$")

    def test_clean(self):
        self.write({"a.txt": "x\n"})
        status, lines = self.main("hygiene", "beside")
        self.assertEqual((status, len(lines)), (0, 2))
        self.assertRegex(lines[0], "^lint: 2 checks, 1 files, 0 findings")

    def test_unknown_check(self):
        with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(io.StringIO()):
            self.main("nonsense")
        self.assertEqual(caught.exception.code, 2)

    def test_as_a_program(self):
        self.write({"a.txt": "x \n"})
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint.py")
        result = subprocess.run([sys.executable, script, "hygiene"], cwd=self.root, check=False,
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("a.txt:1: hygiene", result.stdout)

    def test_every_check_is_tested(self):
        tested = {c.__name__.lower() for c in LintCase.__subclasses__()}
        self.assertLessEqual(set(CHECKS), tested)

    def test_every_exception_has_its_reason(self):
        for table in ("edges", "calls", "allocates", "unused_functions", "unused_codes",
                      "unreferenced", "untested", "unchecked_headers"):
            for key, reason in getattr(BROCH, table).items():
                self.assertGreater(len(reason), 10, f"{table}: {key}")



class Twins(LintCase):
    """A core that simulator and daemon share."""

    TREE = {"src/org/a.h": GOOD_H, "src/org/a.c": GOOD_C.replace("base/", "org/"),
            "tests/sim/s.c": "int s(void)\n{\n    return a_get(1);\n}\n",
            "src/node/n.c": "int n(void)\n{\n    return a_get(1);\n}\n",
            "tests/sim/meson.build": "executable('s', 's.c')\n"}
    POLICY = {"twin_folder": "src/org/", "twin_headers": ("src/org/a.h",), "twin_simulator": ("tests/sim/",),
              "twin_daemon": ("src/node/",)}

    def test_both_use_it(self):
        self.good("twins", self.TREE, **self.POLICY)
        self.good("twins", {}, twin_folder="")

    def test_only_one_uses_it(self):
        nobody = "int n(void)\n{\n    return 1;\n}\n"
        self.bad("twins", {**self.TREE, "src/node/n.c": nobody}, ("src/org/a.h:4", "only the simulator"),
                 **self.POLICY)
        self.bad("twins", {**self.TREE, "tests/sim/s.c": nobody}, ("src/org/a.h:4", "only the daemon"),
                 **self.POLICY)
        self.good("twins", {**self.TREE, "tests/sim/s.c": nobody}, **self.POLICY,
                  twin_functions={"a_get": "why"})
        self.bad("twins", self.TREE, ("tests/lint/policy.py:1", "remove its entry"), **self.POLICY,
                 twin_functions={"a_get": "why"})

    def test_conditions(self):
        core = self.TREE["src/org/a.c"]
        self.good("twins", {**self.TREE, "src/org/a.c": core + "#ifdef __x86_64__\n#endif\n"}, **self.POLICY)
        for line in ("#ifdef SIMULATOR", "#if TEST", "#  ifndef __NDEBUG", "#if defined(DAEMON)"):
            self.bad("twins", {**self.TREE, "src/org/a.c": core + line + "\n#endif\n"},
                     ("src/org/a.c:7", "no #if"), **self.POLICY)

    def test_compiled_again(self):
        self.bad("twins", {**self.TREE, "tests/sim/meson.build": "executable('s', '../../src/org/a.c')\n"},
                 ("tests/sim/meson.build:1", "compiled again"), **self.POLICY)


if __name__ == "__main__":
    unittest.main()
