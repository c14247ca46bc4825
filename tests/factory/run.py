#!/usr/bin/env python3
"""Whole-build tests: python3 tests/factory/run.py BUILD_DIR [MODULE...]

BUILD_DIR is a meson build folder with broch-factory and in_tree in it. Prints one line per test with its
seconds, then what failed, then "N passed, N failed, N skipped". The same rows are left as JSON in
BUILD_DIR/meson-logs/factory.json. Nothing skips: what cannot run has failed.
"""
import json
import os
import sys
import time
import unittest

import lab

MODULES = ["test_manifest", "test_uki", "test_system", "test_services", "test_disk", "test_refusals", "test_bytes",
           "test_steps", "test_lock", "test_keys", "test_verify", "test_live", "test_sbom", "test_diff",
           "test_robust"]


class Rows(unittest.TestResult):
    """Prints each test as it ends."""

    def __init__(self):
        super().__init__()
        self.rows, self.begun = [], 0.0

    def startTest(self, test):
        super().startTest(test)
        self.begun, self.bad = time.monotonic(), None

    def addError(self, test, err):
        super().addError(test, err)
        if not hasattr(test, "_testMethodName"):  # a failure of setUpClass has no startTest
            self.begun, self.bad = time.monotonic(), None
            self.bad = self.errors[-1][1]
            self.stopTest(test)
        self.bad = self.errors[-1][1]

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad = self.failures[-1][1]

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.bad = (self.bad or "") + self._exc_info_to_string(err, subtest)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.bad = f"skipped, which is not allowed: {reason}"

    def stopTest(self, test):
        name = test.id().removeprefix("test_") if hasattr(test, "_testMethodName") else str(test)
        seconds = time.monotonic() - self.begun
        self.rows.append({"name": f"factory.{name}", "good": self.bad is None, "seconds": round(seconds, 2)})
        print(f"  {'ok  ' if self.bad is None else 'FAIL'} {seconds:6.1f} s  {name}", flush=True)
        if self.bad:
            print("    " + self.bad.replace("\n", "\n    "), flush=True)


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or MODULES
    result, started = Rows(), time.monotonic()
    lab.start(os.path.join(build, "src/programs/broch-factory"), os.path.join(build, "tests/factory/in_tree"))
    try:
        unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    finally:
        lab.finish()
    failed = [row for row in result.rows if not row["good"]]
    with open(os.path.join(build, "meson-logs", "factory.json"), "w", encoding="utf-8") as file:
        json.dump(result.rows, file, indent=1)
    print(f"\n{len(result.rows)} tests in {time.monotonic() - started:.0f} s")
    for row in failed:
        print(f"failed: {row['name']}")
    print(f"{len(result.rows) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed or not result.rows else 0


if __name__ == "__main__":
    sys.exit(main())
