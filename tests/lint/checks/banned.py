"""Calls that the house style bans, each with what to use instead."""

import re

from checks.layers import folder_of
from tree import Finding, split_arguments

NUMBERS = "use number_parse() of base/number.h"
TEXTS = "use snprintf(), struct line or struct text"
SLEEPS = "wait for the event (poll, epoll, timerfd)"
RANDOM = "use getrandom(), or the simulator's seed"
BANNED = {
    "strcpy": TEXTS, "strcat": TEXTS, "strncpy": TEXTS, "strncat": TEXTS, "stpcpy": TEXTS,
    "sprintf": TEXTS, "vsprintf": TEXTS,
    "gets": "use struct cursor or getline()",
    "strtok": "use cursor_line() or strcspn()",
    **dict.fromkeys(("strtol", "strtoul", "strtoll", "strtoull", "atoi", "atol", "atoll", "sscanf",
                     "fscanf", "scanf"), NUMBERS),
    "alloca": "use a fixed array or the heap",
    "system": "use sys/spawn.h: no text through a shell",
    "popen": "use sys/spawn.h: no text through a shell",
    "mktemp": "use mkostemp() with O_CLOEXEC", "tmpnam": "use mkostemp() with O_CLOEXEC",
    "mkstemp": "use mkostemp() with O_CLOEXEC",
    "rand": RANDOM, "srand": RANDOM, "random": RANDOM, "srandom": RANDOM,
    "signal": "use sigaction()",
    "gethostbyname": "use getaddrinfo()",
    "asctime": "use strftime()", "ctime": "use strftime()",
    "localtime": "use localtime_r()", "gmtime": "use gmtime_r()",
    "readdir_r": "use readdir()",
    **dict.fromkeys(("sleep", "usleep", "nanosleep", "clock_nanosleep"), SLEEPS),
    "assert": "use CHECK() of base/check.h",
    "creat": "use open() with O_CLOEXEC", "pipe": "use pipe2() with O_CLOEXEC",
    "accept": "use accept4() with SOCK_CLOEXEC",
    "epoll_create": "use epoll_create1() with EPOLL_CLOEXEC",
    "inotify_init": "use inotify_init1() with IN_CLOEXEC",
}
ALLOCATORS = ("malloc", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign",
              "strdup", "strndup", "asprintf", "vasprintf", "getline", "text_make")
DUPLICATORS = ("dup", "dup2", "dup3")
# File descriptors are close-on-exec from birth. fopen() says it with "e" in its mode.
CLOSE_ON_EXEC = {
    "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "mkostemp": "O_CLOEXEC", "pipe2": "O_CLOEXEC",
    "memfd_create": "MFD_CLOEXEC", "socket": "SOCK_CLOEXEC", "socketpair": "SOCK_CLOEXEC",
    "accept4": "SOCK_CLOEXEC", "epoll_create1": "EPOLL_CLOEXEC", "eventfd": "EFD_CLOEXEC",
    "timerfd_create": "TFD_CLOEXEC", "signalfd": "SFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC",
}


def calls(source):
    """(offset, function, message) of each banned call."""
    for offset, name, _ in source.calls("|".join(BANNED)):
        yield offset, name, f"{name}() is banned: {BANNED[name]}"
    for offset, name, arguments in source.calls("|".join(CLOSE_ON_EXEC)):
        if CLOSE_ON_EXEC[name] not in arguments:
            yield offset, name, f"{name}() without {CLOSE_ON_EXEC[name]}"
    for offset, name, arguments in source.calls("fopen|freopen"):
        parts = split_arguments(arguments)
        if len(parts) < 2 or not re.fullmatch(r'\s*"[rwa]\w*\+?\w*e\w*"\s*', parts[1]):
            yield offset, name, f'{name}() without "e" in its mode'
    if not source.path.startswith("src/sys/spawn"):
        for offset, name, _ in source.calls("|".join(DUPLICATORS)):
            yield offset, name, f"{name}() is banned outside src/sys/spawn: use take_fd()"


def backward_gotos(source):
    for function in source.functions:
        body = source.code[function.body:function.end]
        labels = {m[1]: m.start(1) for m in re.finditer(r"^[ \t]*([A-Za-z_]\w*):(?!:)", body, re.M)
                  if m[1] != "default"}
        for jump in re.finditer(r"\bgoto\s+(\w+)", body):
            if labels.get(jump[1], jump.end()) < jump.start():
                yield function.body + jump.start(), f"goto {jump[1]} jumps back: write a loop"


def allocations(source):
    for offset, name, _ in source.calls("|".join(ALLOCATORS)):
        yield source.line_at(offset), f"{name}() where nothing allocates: use a named capacity"
    for line, _, name in source.includes:
        if name == "base/text.h":
            yield line, "base/text.h allocates: use base/line.h"


def run(tree):
    policy, excused, allocating = tree.policy, set(), set()
    for source in tree.c_files():
        for offset, name, message in calls(source):
            key = f"{source.path}:{name}"
            excused.add(key)
            if key not in policy.calls:
                yield Finding(source.path, source.line_at(offset), "banned", message)
        for offset, message in backward_gotos(source):
            yield Finding(source.path, source.line_at(offset), "banned", message)
        if source.is_test or folder_of(source.path) not in policy.no_allocation:
            continue
        for line, message in allocations(source):
            allocating.add(source.path)
            if source.path not in policy.allocates:
                yield Finding(source.path, line, "banned", message)
    for stale in [*set(policy.calls) - excused, *set(policy.allocates) - allocating]:
        yield Finding("tests/lint/policy.py", 1, "banned", f"{stale} is gone: remove its entry")
