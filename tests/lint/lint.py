#!/usr/bin/env python3
"""Lint as a test: prints FILE:LINE: check: message per finding; ends with 1 when there is one.

usage: python3 tests/lint/lint.py [--fix] [--build DIR] [--root DIR] [CHECK...]

--fix formats C files and lowers the ratchet; --build names the build folder, which holds the
factory whose error catalogue is compared, and a cache. Without a CHECK all of them run.
"""

import argparse
import os
import sys
import time

sys.dont_write_bytecode = True

from checks import CHECKS  # noqa: E402
from policy import BROCH  # noqa: E402
from tree import Tree  # noqa: E402


def main(argv, policy=BROCH):
    parser = argparse.ArgumentParser(prog="lint.py", description="Lint as a test.",
                                     epilog="Checks: " + " ".join(CHECKS))
    parser.add_argument("--fix", action="store_true",
                        help="format C files, lower the ratchet's entries")
    parser.add_argument("--build", metavar="DIR", default="build", help="the build folder")
    parser.add_argument("--root", metavar="DIR", default=".", help="the top of the source")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="run only these")
    arguments = parser.parse_args(argv)
    unknown = [c for c in arguments.checks if c not in CHECKS]
    if unknown:
        parser.error(f"no check '{unknown[0]}'; there are: {' '.join(CHECKS)}")

    start = time.monotonic()
    names = arguments.checks or list(CHECKS)
    tree = Tree(arguments.root, policy, os.path.abspath(arguments.build), arguments.fix)
    findings = sorted({f for name in names for f in CHECKS[name](tree)})
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.check}: {finding.message}")
    notes = f" ({', '.join(tree.notes)})" if tree.notes else ""
    print(f"lint: {len(names)} checks, {len(tree.paths)} files, {len(findings)} findings in "
          f"{time.monotonic() - start:.1f} s{notes}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
