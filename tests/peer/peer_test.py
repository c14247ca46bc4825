#!/usr/bin/env python3
"""Five members on real sockets: one is killed and comes back, one is frozen; everybody learns of it.
What each was told and did is recorded, and the simulator does the same again, byte for byte; a
recording in which anything was changed does not pass.

usage: peer_test.py BUILD
"""
import os
import signal
import subprocess
import sys
import tempfile

from agents import Broch

COUNT = 5


def check(good, what):
    if not good:
        sys.exit(f"peer: {what}")


def live(build, folder):
    agents = Broch(os.path.join(build, "tests/peer/broch-peer"), COUNT, folder, record=True)
    try:
        check(agents.form(), "the members do not start")
        agents.read(1)
        agents.kill(3)
        check(agents.wait_until(lambda: all(3 in agents.views[i] for i in agents.up()), 20),
              "not everybody knows of a kill")
        agents.start(3)
        check(agents.wait_until(lambda: not any(3 in v for v in agents.views), 20),
              "not everybody knows that it is back")
        agents.signal(2, signal.SIGSTOP)
        check(agents.wait_until(lambda: sum(2 in v for v in agents.views) == COUNT - 1, 20),
              "not everybody knows of one that is frozen")
        agents.signal(2, signal.SIGCONT)
        check(agents.wait_until(lambda: not any(agents.views), 20), "a false verdict stays")
    finally:
        agents.stop()


def replay(build, *files):
    return subprocess.run([os.path.join(build, "tests/sim/broch-sim"), "replay", *files], check=False,
                          stdout=subprocess.PIPE, text=True)


def records(data):
    """(tag, offset of the value) of each record: see recording.h."""
    at = 58 + 8 * COUNT
    while at + 5 <= len(data):
        yield chr(data[at]), at + 5
        at += 5 + int.from_bytes(data[at + 1:at + 5], "little")


def tampered(data, folder):
    """Recordings that must not pass: (what, path)."""
    events = [at for tag, at in records(data) if tag == "E"]
    deadline = [at for tag, at in records(data) if tag == "F"][-1] + 9
    earlier = events[len(events) // 2] + 1
    changes = {"nothing in it": b"", "another start": b"X" + data[1:], "no events": data[:events[0] - 5],
               "another deadline": data[:deadline] + bytes([data[deadline] ^ 1]) + data[deadline + 1:],
               "an event at another time": data[:earlier + 4] + bytes([data[earlier + 4] ^ 4]) +
               data[earlier + 5:]}
    for name, content in changes.items():
        path = os.path.join(folder, "tampered")
        with open(path, "wb") as file:
            file.write(content)
        yield name, path


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        live(build, folder)
        files = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".recording"))
        check(len(files) == COUNT + 1, f"{len(files)} recordings")
        done = replay(build, *files)
        print(done.stdout.replace(folder + "/", ""), end="")
        check(done.returncode == 0, "a real run does not replay")
        with open(files[0], "rb") as file:
            data = file.read()
        for name, path in tampered(data, folder):
            check(replay(build, path).returncode != 0, f"a recording passes with {name}")


if __name__ == "__main__":
    main()
