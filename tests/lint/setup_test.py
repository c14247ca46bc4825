#!/usr/bin/env python3
"""Tests of setup.sh with stand-ins for the programs that would change the host."""

import os
import re
import subprocess
import tempfile
import unittest

SETUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "setup.sh")
STAND_INS = {
    # What is installed stands in the file `have`; dpkg-query fails when one is unknown.
    "dpkg-query": 'shift 3\nfor n; do grep -qx "$n" have && echo "installed $n"; done\nexit 1',
    "apt-get": 'echo "apt-get $*" >> log\n[ "$1" != "$FAILING" ]',
    "sudo": 'echo "sudo" >> log\nexec "$@"',
    "id": 'echo "$TEST_UID"',
}


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        os.mkdir(self.at("bin"))
        for name, text in STAND_INS.items():
            self.program(name, text)
        for name in ("sh", "env", "grep", "sed", "cat"):
            os.symlink("/bin/" + name, self.at("bin/" + name))
        self.have("")

    def at(self, path):
        return os.path.join(self.root, path)

    def program(self, name, text):
        with open(self.at("bin/" + name), "w", encoding="utf-8") as stream:
            stream.write(f"#!/bin/sh\n{text}\n")
        os.chmod(self.at("bin/" + name), 0o755)

    def have(self, packages):
        with open(self.at("have"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(packages.split()) + "\n")

    def run_setup(self, *arguments, system=("debian", "12"), uid=0, failing="none"):
        with open(self.at("os-release"), "w", encoding="utf-8") as stream:
            stream.write(f'ID={system[0]}\nVERSION_ID="{system[1]}"\n')
        result = subprocess.run(
            ["sh", SETUP, *arguments], cwd=self.root, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": self.at("bin"), "OS_RELEASE": self.at("os-release"), "TEST_UID": str(uid),
                 "FAILING": failing})
        log = ""
        if os.path.exists(self.at("log")):
            with open(self.at("log"), encoding="utf-8") as stream:
                log = stream.read()
        return result, log

    def all_packages(self, system):
        result, _ = self.run_setup("--check", system=system)
        return " ".join(re.findall(r"^    (.*)", result.stdout, re.M))

    def test_nothing_missing(self):
        for system in (("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")):
            self.have(self.all_packages(system))
            for arguments in ((), ("--yes",), ("--check",)):
                result, log = self.run_setup(*arguments, system=system)
                self.assertEqual((result.returncode, result.stdout, log),
                                 (0, "setup: everything is installed.\n", ""))
            self.have("")

    def test_names_by_release(self):
        for system, llvm in ((("debian", "12"), 14), (("debian", "13"), 19),
                             (("ubuntu", "24.04"), 18)):
            self.assertEqual(re.findall(r"libclang-rt-(\d+)-dev", self.all_packages(system)),
                             [str(llvm)])

    def test_only_what_is_missing(self):
        packages = self.all_packages(("debian", "12")).split()
        self.have(" ".join(p for p in packages if p not in ("clang", "meson")))
        result, log = self.run_setup("--yes")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(log, "apt-get update\n"
                         "apt-get install --yes --no-install-recommends clang meson\n")
        self.assertIn("to compile", result.stdout)
        self.assertNotIn("run the tests", result.stdout)
        self.assertIn("  apt-get install --yes --no-install-recommends clang meson\n",
                      result.stdout)

    def test_check_changes_nothing(self):
        result, log = self.run_setup("--check")
        self.assertEqual((result.returncode, log), (1, ""))

    def test_sudo(self):
        result, log = self.run_setup("--yes", uid=1000)
        self.assertEqual((result.returncode, log.split("\n")[0]), (0, "sudo"), result.stderr)
        self.assertIn("  sudo apt-get update\n", result.stdout)
        os.remove(self.at("bin/sudo"))
        os.remove(self.at("log"))
        result, log = self.run_setup("--yes", uid=1000)
        self.assertEqual((result.returncode, log), (1, ""))
        self.assertIn("install sudo", result.stderr)

    def test_no_answer_is_no(self):
        result, log = self.run_setup()
        self.assertEqual((result.returncode, log), (1, ""))
        self.assertIn("--yes", result.stderr)

    def test_apt_fails(self):
        for failing in ("update", "install"):
            result, _ = self.run_setup("--yes", failing=failing)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"apt-get {failing} failed", result.stderr)

    def test_other_systems(self):
        for system in (("fedora", "41"), ("debian", ""), ("ubuntu", "22.04"), ("debian", "120")):
            result, log = self.run_setup("--yes", system=system)
            self.assertEqual((result.returncode, log), (1, ""))
            self.assertIn(system[0], result.stderr)
            self.assertIn("mmdebstrap", result.stderr)

    def test_usage(self):
        result, _ = self.run_setup("--nonsense")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        result, _ = self.run_setup("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example:", result.stdout)


if __name__ == "__main__":
    unittest.main()
