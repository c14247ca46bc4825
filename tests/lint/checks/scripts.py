"""Shell and Python files parse; shellcheck agrees where it is installed."""

import re
import shutil
import subprocess

from tree import Finding

SHEBANG = re.compile(r"#!\s*(?:/usr)?/bin/(?:env\s+)?(sh|dash|bash)\b")


def shell_of(source):
    match = SHEBANG.match(source.text)
    if match:
        return "bash" if match[1] == "bash" else "sh"
    if source.path.endswith(".bash"):
        return "bash"
    return "sh" if source.path.endswith(".sh") else None


def first_number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 1


def shellcheck(tree, shell, paths):
    result = subprocess.run(["shellcheck", "-s", shell, "-f", "gcc", *paths], cwd=tree.root,
                            capture_output=True, text=True, check=False)
    for path, line, message in re.findall(r"^(.+?):(\d+):\d+: (.*)$", result.stdout, re.M):
        yield Finding(path, int(line), "scripts", "shellcheck: " + message)
    if result.returncode > 1:
        yield Finding(paths[0], 1, "scripts", "shellcheck failed: " + result.stderr.strip()[:200])


def run(tree):
    shells = {"sh": [], "bash": []}
    for source in tree.sources.values():
        if source.path.endswith(".py"):
            try:
                compile(source.text, source.path, "exec")
            except SyntaxError as error:
                yield Finding(source.path, error.lineno or 1, "scripts", f"Python: {error.msg}")
        shell = shell_of(source)
        if shell:
            shells[shell].append(source.path)
    installed = shutil.which("shellcheck")
    tree.notes.append("shellcheck" if installed else "shellcheck is not installed")
    for shell, paths in shells.items():
        good = []
        for path in paths:
            result = subprocess.run([shell, "-n", path], cwd=tree.root, capture_output=True,
                                    text=True, check=False)
            if result.returncode == 0:
                good.append(path)
                continue
            line = first_number(r": (?:line )?(\d+):", result.stderr)
            yield Finding(path, line, "scripts", f"{shell} -n: {result.stderr.strip()[:200]}")
        if installed and good:
            yield from shellcheck(tree, shell, good)
