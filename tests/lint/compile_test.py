#!/usr/bin/env python3
"""Tests of the compile step on a small project: it passes, and refuses each kind of mistake."""

import os
import shutil
import subprocess
import tempfile
import unittest

COMPILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compile")
PROJECT = """project('small', 'c', default_options: ['warning_level=2'])
a = executable('a', 'a.c')
if get_option('factory')
  test('a', a, suite: 'unit')
endif
"""
OPTIONS = "option('factory', type: 'boolean', value: true)\n"
GOOD = "int main(void)\n{\n    return 0;\n}\n"


class Compile(unittest.TestCase):
    def compile(self, project=PROJECT, source=GOOD):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/tests/lint")
            shutil.copy(COMPILE, root + "/tests/lint/compile")
            for name, text in (("meson.build", project), ("meson_options.txt", OPTIONS),
                               ("a.c", source)):
                with open(f"{root}/{name}", "w", encoding="utf-8") as stream:
                    stream.write(text)
            result = subprocess.run([root + "/tests/lint/compile", root + "/build"], check=False,
                                    capture_output=True, text=True)
            return result.returncode, result.stdout + result.stderr

    def refuses(self, *pieces, **changes):
        status, output = self.compile(**changes)
        self.assertEqual(status, 1, output)
        for piece in pieces:
            self.assertIn(piece, output)

    def test_good(self):
        status, output = self.compile()
        self.assertEqual(status, 0, output)
        self.assertIn("1 unit tests pass under sanitizers", output)

    def test_warning_of_each_compiler(self):
        for compiler, condition in (("gcc", "!defined(__clang__)"),
                                    ("clang", "defined(__clang__)")):
            self.refuses(f"compile: {compiler} failed", source=f"#if {condition}\n"
                         f"static int unused;\n#endif\n{GOOD}")

    def test_machine(self):
        self.refuses("compile: machine failed", "no such thing",
                     project=PROJECT.replace("endif", "else\n  error('no such thing')\nendif"))

    def test_sanitizers(self):
        self.refuses("compile: sanitize failed", "signed integer overflow", source=(
            "int main(int count, char **list)\n{\n    (void)list;\n"
            "    return (2147483647 + count) == 5;\n}\n"))
        self.refuses("compile: sanitize failed", "heap-use-after-free", source=(
            "#include <stdlib.h>\n\nint main(void)\n{\n    char *volatile x = calloc(1, 1);\n\n"
            "    free(x);\n#ifdef __clang__\n    return *x;\n#endif\n}\n"))

    def test_no_tests(self):
        self.refuses("no unit tests", project=PROJECT.replace("'unit'", "'other'"))

    def test_usage(self):
        result = subprocess.run([COMPILE], check=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
