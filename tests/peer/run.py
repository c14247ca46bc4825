#!/usr/bin/env python3
"""Our core on real sockets, and Serf, through one script.

usage: run.py [--build DIR] [--count N] [--kills N] [--only broch|serf] [--parts LIST] [--seconds N]

Needs root: it runs in a network namespace of its own, so that the loopback carries nothing else.
Parts: idle (bytes and packets of a settled org), kills (one member at a time, at a uniform moment:
until all others know), frozen (members stopped for 1 to 30 s: verdicts about them and about others),
loss (a fifth of all packets dropped by nftables: verdicts about members that are up). `broch-sim
figures peers` has the same script in simulated time.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from agents import Broch, Serf

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INSIDE = "BROCH_PEER_NAMESPACE"
FROZEN_S = (1, 2, 5, 10, 30)
# Where packets come in: a sender is not told.
LOSS = """table ip peer {
    chain in { type filter hook input priority 0; policy accept; numgen random mod 100 < 20 drop; }
}
"""


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def form_anew(agents):
    agents.stop()
    agents.reset()
    if not agents.form():
        sys.exit("  the org does not form")
    agents.read(15)


def idle(agents, seconds):
    before = agents.count_traffic()
    started = time.monotonic()
    agents.read(seconds)
    after = agents.count_traffic()
    took = (time.monotonic() - started) * agents.count
    packets, payload, outer = ((b - a) / took for a, b in zip(before, after))
    payload = f", payload {payload:.1f} B/s" if payload else ""
    print(f"  idle: {packets:.2f} packets/s, {outer:.1f} B/s for each member{payload}", flush=True)


def knows(agents, victim):
    return [i for i in agents.up() if victim in agents.views[i]]


def kills(agents, count, dice):
    """No member twice: who comes and goes is given more time. When all had their turn, the org is
    made anew."""
    first, last, left = [], [], []
    for _ in range(count):
        if not left:
            if first:
                form_anew(agents)
            left = list(range(agents.count))
            dice.shuffle(left)
        victim = left.pop()
        agents.read(10 + dice.random() * 0.95)
        at = time.monotonic()
        agents.events = []
        agents.kill(victim)
        if not agents.wait_until(lambda: len(knows(agents, victim)) == agents.count - 1, 60):
            print(f"  kill of {victim}: only {len(knows(agents, victim))} know after 60 s", flush=True)
        times = {who: when for when, who, whom, failed in agents.events if whom == victim and failed}
        first.append(min(times.values()) - at)
        last.append(max(times.values()) - at)
        others = {whom for when, who, whom, failed in agents.events if failed and whom != victim}
        if others:
            print(f"  kill of {victim}: verdicts about {sorted(others)} as well", flush=True)
        agents.start(victim)
        if not agents.wait_until(lambda: not knows(agents, victim), 60):
            print(f"  {victim} is not back after 60 s", flush=True)
    for name, values in (("first knows", first), ("all know", last)):
        print(f"  {name}: " + ", ".join(f"p{share * 100:.0f} {percentile(values, share):.2f}"
                                        for share in (.1, .5, .9, .99))
              + f", max {max(values):.2f} s; {len(values)} kills", flush=True)


def count_verdicts(agents, frozen):
    """Of those stopped and of the others: (subjects, verdicts)."""
    about = [(whom in frozen, whom, who) for _, who, whom, failed in agents.events if failed and
             who not in frozen]
    return [(len({w for f, w, _ in about if f == side}), sum(f == side for f, _, _ in about))
            for side in (True, False)]


def frozen(agents, dice):
    for seconds in FROZEN_S:
        agents.read(10)
        agents.events = []
        victims = dice.sample(range(agents.count), 3)
        for victim in victims:
            agents.signal(victim, signal.SIGSTOP)
        agents.read(seconds)
        for victim in victims:
            agents.signal(victim, signal.SIGCONT)
        agents.read(20)
        stopped, others = count_verdicts(agents, victims)
        print(f"  3 stopped for {seconds} s: {stopped[0]} of them called failed ({stopped[1]} times by "
              f"somebody); {others[0]} others ({others[1]} times)", flush=True)


def loss(agents, seconds):
    subprocess.run(["nft", "-f", "-"], input=LOSS, text=True, check=True)
    agents.events = []
    agents.read(seconds)
    subprocess.run(["nft", "delete", "table", "ip", "peer"], check=True)
    _, others = count_verdicts(agents, [])
    hours = seconds * agents.count / 3600
    print(f"  20 % loss: {others[0]} members called failed ({others[1]} times by somebody) in "
          f"{hours:.2f} node-hours", flush=True)
    agents.read(30)


def run_script(agents, arguments):
    dice = random.Random(arguments.seed)
    parts = arguments.parts.split(",")
    started = time.monotonic()
    if not agents.form():
        sys.exit("  the org does not form")
    print(f"  formed after {time.monotonic() - started:.1f} s", flush=True)
    agents.read(15)
    if "idle" in parts:
        idle(agents, arguments.seconds)
    if "kills" in parts:
        kills(agents, arguments.kills, dice)
    if "frozen" in parts:
        frozen(agents, dice)
    if "loss" in parts:
        loss(agents, arguments.seconds)


def inside(arguments):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    load = os.getloadavg()[0]
    broch = os.path.join(ROOT, arguments.build, "tests/peer/broch-peer")
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            agents = (Serf(shutil.which("serf") or sys.exit("serf is missing: run ./setup.sh"),
                           arguments.count, folder) if name == "serf"
                      else Broch(broch, arguments.count, folder))
            print(f"{name}: {arguments.count} members, load {load:.1f}", flush=True)
            try:
                run_script(agents, arguments)
            finally:
                agents.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60, help="of idleness, and of loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="broch,serf")
    parser.add_argument("--parts", default="idle,kills,frozen,loss")
    arguments = parser.parse_args()
    if os.environ.get(INSIDE):
        inside(arguments)
        return 0
    return subprocess.run(["unshare", "-n", sys.executable, *sys.argv], check=False,
                          env=dict(os.environ, **{INSIDE: "1"})).returncode


if __name__ == "__main__":
    sys.exit(main())
