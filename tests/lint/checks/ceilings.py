"""Ceilings of size, with a ratchet for what was over them already: its numbers only shrink."""

import json
import os

from tree import Finding

RATCHET = "tests/lint/ratchet.json"
FILE_LINES, FUNCTION_LINES, LINE_LENGTH, PARAMETERS = 1000, 70, 100, 6
PYTHON_LINE_LENGTH = 120  # no formatter breaks its lines, and a table of cases reads better whole
SUFFIXES = (".c", ".h", ".def", ".py", ".sh")


def measures(source):
    """(kind, key, line, value, ceiling) of everything that has a ceiling."""
    yield "file", source.path, 1, source.line_count, FILE_LINES
    limit = PYTHON_LINE_LENGTH if source.path.endswith(".py") else LINE_LENGTH
    long = [i for i, line in enumerate(source.lines, 1) if len(line) > limit]
    yield "line", source.path, long[0] if long else 1, len(long), 0
    if not source.path.endswith((".c", ".h")):
        return
    for function in source.functions:
        key = f"{source.path}:{function.name}"
        line = source.line_at(function.start)
        yield "function", key, line, source.line_at(function.end) - line + 1, FUNCTION_LINES
        yield "parameters", key, line, function.parameters, PARAMETERS


WORDS = {
    "file": "{path} has {value} lines, at most {limit}",
    "function": "{name}() has {value} lines, at most {limit}",
    "parameters": "{name}() has {value} parameters, at most {limit}",
    "line": "{value} lines are longer than 100 (Python: 120), at most {limit}",
}


def run(tree):
    ratchet = {}
    if os.path.exists(tree.at(RATCHET)):
        with open(tree.at(RATCHET), encoding="utf-8") as stream:
            ratchet = json.load(stream)
    needed = {kind: {} for kind in WORDS}
    for source in tree.sources.values():
        shell = source.text.startswith("#!") and not os.path.splitext(source.path)[1]
        if not (source.path.endswith(SUFFIXES) or shell):
            continue
        for kind, key, line, value, ceiling in measures(source):
            if value <= ceiling:
                continue
            limit = ratchet.get(kind, {}).get(key, ceiling)
            if limit > ceiling:
                needed[kind][key] = min(value, limit)
            if value > limit:
                words = WORDS[kind].format(path=key, name=key.split(":")[-1], value=value,
                                           limit=limit)
                yield Finding(source.path, line, "ceilings", words)
    if tree.fix and os.path.exists(tree.at(RATCHET)):
        lowered = {kind: entries for kind, entries in needed.items() if entries}
        with open(tree.at(RATCHET), "w", encoding="utf-8") as stream:
            stream.write(json.dumps(lowered, indent=4, sort_keys=True) + "\n")
        return
    for kind, entries in ratchet.items():
        for key, limit in entries.items():
            value = needed.get(kind, {}).get(key, 0)
            if value < limit:
                yield Finding(RATCHET, 1, "ceilings",
                              f"{kind} {key}: entry {limit}, now {value or 'not needed'}: "
                              "run lint.py --fix")
