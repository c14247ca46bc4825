"""Text hygiene."""

import fnmatch
import os
import re

from tree import C_SUFFIXES, Finding

EXEMPT = ("LICENSE",)
HOMES = re.compile(r"(?<![\w.])(/(?:home|Users)/(?!admin\b)[A-Za-z][\w.-]*/|/root/\w)")
CONFLICT = re.compile(r"(<{7}|>{7}|\|{7}) ")
TASK = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b(?!\(#\d+\))")


def line_findings(source):
    name = os.path.basename(source.path)
    markdown, makefile = name.endswith(".md"), name in ("Makefile", "GNUmakefile")
    for number, line in enumerate(source.lines, 1):
        if line.endswith("\r"):
            yield number, "CRLF line end"
        elif line != line.rstrip():
            yield number, "trailing space"
        if "\t" in line and not makefile and not name.endswith((".mk", ".scd")):
            yield number, "tab outside a Makefile"
        if CONFLICT.match(line) or (line == "=" * 7 and not markdown):
            yield number, "merge conflict marker"
        if TASK.search(line):
            yield number, "task without an issue: write it as TO" "DO(#12)"
        if HOMES.search(line):
            yield number, "absolute path of somebody's machine"
        if name.endswith(C_SUFFIXES) and not line.isascii():
            yield number, "non-ASCII character in a C source"


def run(tree):
    for source in tree.sources.values():
        if source.path in EXEMPT \
                or any(fnmatch.fnmatchcase(source.path, p) for p in tree.policy.data):
            continue
        for number, message in line_findings(source):
            yield Finding(source.path, number, "hygiene", message)
        if source.text and not source.text.endswith("\n"):
            yield Finding(source.path, len(source.lines), "hygiene", "no newline at the end")
        if source.text.endswith("\n\n") and not source.path.startswith("profiles/"):
            yield Finding(source.path, source.line_count, "hygiene", "empty line at the end")
