"""Manual pages and completions: they know every verb, action and option that --help prints."""

import os
import re
import subprocess

from tree import Finding

FOLDER = "docs/man/"
GENERAL = FOLDER + "broch.1.scd"
COMPLETIONS = ("completions/broch.bash", "completions/_broch", "completions/broch.fish")
OWN = ("help", "version")  # without a page of their own
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
EVERYWHERE = {"--help", "--version"}


class Helper:
    """Asks the front command of the build folder."""

    def __init__(self, build):
        self.program = os.path.join(build, "src", "programs", "broch") if build else None

    def is_there(self):
        return self.program is not None and os.access(self.program, os.X_OK)

    def ask(self, *words):
        """What it prints, or None when it refuses."""
        result = subprocess.run([self.program, *words], capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL)
        return result.stdout if result.returncode == 0 else None

    def verbs(self):
        return re.findall(r"^  ([a-z]+)\b", self.ask("help") or "", re.M)


def actions(text, verb):
    """Words that stand behind the verb: in its usage, or in a list of its own."""
    usage = re.match(rf"usage: broch {verb} ([^\n\[]*)", text)
    parts = usage[1].split("|") if usage else []
    found = {p.split()[0] for p in parts if re.match(r"\s*[a-z][a-z-]*(\s|$)", p)}
    return found | set(re.findall(r"^  ([a-z][a-z-]*)(?: |$)", text, re.M))


def known(helper, verb):
    """(actions, options) of a verb, or None when it has no help."""
    text = helper.ask(verb, "--help")
    if text is None:
        return None
    found = actions(text, verb)
    options = set(OPTION.findall(text))
    for action in found:
        options |= set(OPTION.findall(helper.ask(verb, action, "--help") or ""))
    return found, options - EVERYWHERE


def named(text, word):
    return re.search(rf"(?<![A-Za-z0-9-]){re.escape(word)}(?![A-Za-z0-9-])", text) is not None


def page_of(tree, verb):
    path = f"{FOLDER}broch-{verb}.1.scd"
    return tree.sources.get(path) or tree.sources.get(GENERAL)


def check_page(page, verb, found, options):
    for word in sorted(found | options):
        if not named(page.text, word):
            yield Finding(page.path, 1, "manual", f"'broch {verb}' has '{word}', which is not named")
    if page.path == GENERAL:
        return
    for match in re.finditer(r"^\*(--[a-z-]+)", page.text, re.M):
        if match[1] not in options | EVERYWHERE:
            yield Finding(page.path, page.line_at(match.start()), "manual",
                          f"'broch {verb}' has no '{match[1]}'")


def check_completions(tree, verb, found, options):
    for source in filter(None, map(tree.sources.get, COMPLETIONS)):
        for word in sorted(found | options):
            spelled = "-l " + word.lstrip("-") if source.path.endswith(".fish") and word[0] == "-" else word
            if not named(source.text, spelled):
                yield Finding(source.path, 1, "manual", f"'broch {verb}' has '{word}', which is not named")


def run(tree):
    helper = Helper(tree.build)
    general = tree.sources.get(GENERAL)
    if not helper.is_there() or not general:
        yield Finding(GENERAL, 1, "manual", "broch or its page is missing: build first and pass --build DIR")
        return
    for verb in helper.verbs():
        for path in (GENERAL,) + COMPLETIONS:
            source = tree.sources.get(path)
            if not source or not named(source.text, verb):
                yield Finding(path, 1, "manual", f"the verb '{verb}' is not named")
        if verb in OWN:
            continue
        answer = known(helper, verb)
        if answer is None:
            yield Finding(GENERAL, 1, "manual", f"'broch {verb} --help' fails: build all programs")
        else:
            yield from check_page(page_of(tree, verb), verb, *answer)
            yield from check_completions(tree, verb, *answer)
