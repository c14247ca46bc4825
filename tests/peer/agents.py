"""Members that run as processes on loopback addresses: ours, and Serf's. Both tell the same things:
who holds whom failed or alive, and when they said so (seconds of the monotonic clock)."""
import os
import re
import selectors
import signal
import subprocess
import time

STATS = re.compile(r"traffic \d+ packets (\d+) payload (\d+) outer4 (\d+)")


class Agents:
    """A set of processes whose lines are read as they come."""

    def __init__(self, count, folder):
        self.count, self.folder = count, folder
        self.processes = [None] * count
        self.selector = selectors.DefaultSelector()
        self.pending = {}
        self.views = [set() for _ in range(count)]  # whom each holds failed
        self.events = []  # (time, who, about whom, failed)
        self.ready = set()
        self.traffic = {}

    def reset(self):
        """Forgets a former org, after stop()."""
        self.events, self.ready = [], set()
        self.views = [set() for _ in range(self.count)]
        for name in os.listdir(self.folder):
            if name.startswith("state"):
                os.unlink(os.path.join(self.folder, name))

    def start(self, index):
        process = subprocess.Popen(self.command(index), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        os.set_blocking(process.stdout.fileno(), False)
        self.processes[index] = process
        self.views[index] = set()
        self.ready.discard(index)
        self.pending[index] = b""
        self.selector.register(process.stdout, selectors.EVENT_READ, (index, process))

    def read(self, seconds):
        """Takes what they say for that long."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            for key, _ in self.selector.select(max(left, 0)):
                self.read_one(key)
            if left <= 0:
                return

    def read_one(self, key):
        index, process = key.data
        chunk = key.fileobj.read()
        if not chunk:
            self.selector.unregister(key.fileobj)
            key.fileobj.close()
            return
        *lines, rest = (self.pending.get(index, b"") + chunk).split(b"\n")
        self.pending[index] = rest
        for line in lines:
            if self.processes[index] is process:
                self.line(index, line.decode("utf-8", "replace"))

    def say(self, index, subject, failed, when=None):
        self.events.append((when or time.monotonic(), index, subject, failed))
        (self.views[index].add if failed else self.views[index].discard)(subject)

    def signal(self, index, number):
        self.processes[index].send_signal(number)

    def kill(self, index):
        self.signal(index, signal.SIGKILL)
        self.processes[index].wait()
        self.processes[index] = None

    def up(self):
        return [i for i in range(self.count) if self.processes[i]]

    def wait_until(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.read(0.05)
        return condition()

    def stop(self):
        for index in self.up():
            self.signal(index, signal.SIGCONT)
            self.signal(index, signal.SIGTERM)
        for index in self.up():
            try:
                self.processes[index].wait(10)
            except subprocess.TimeoutExpired:
                self.kill(index)
        self.processes = [None] * self.count


class Broch(Agents):
    """tests/peer/broch-peer."""

    def __init__(self, program, count, folder, record=False):
        super().__init__(count, folder)
        self.program, self.record, self.starts = program, record, 0

    def command(self, index):
        words = [self.program, "--index", str(index), "--count", str(self.count),
                 "--state", os.path.join(self.folder, f"state{index}")]
        if self.record:
            self.starts += 1
            words += ["--record", os.path.join(self.folder, f"run{self.starts:03}-{index}.recording")]
        return words

    def line(self, index, line):
        words = line.split()
        if words[0] == "ready":
            self.ready.add(index)
        elif words[0] == "traffic":
            self.traffic[index] = tuple(int(n) for n in STATS.match(line).groups())
        elif words[2] == "holds":
            self.say(index, int(words[3]), words[4] == "unreachable", int(words[0]) / 1e9)

    def form(self):
        for index in range(self.count):
            self.start(index)
        return self.wait_until(lambda: len(self.ready) == self.count, 60)

    def count_traffic(self):
        """Packets, payload and outer bytes inside WireGuard on IPv4, of all."""
        self.traffic = {}
        for index in self.up():
            self.signal(index, signal.SIGUSR1)
        self.wait_until(lambda: len(self.traffic) == len(self.up()), 10)
        return [sum(column) for column in zip(*self.traffic.values())]


class Serf(Agents):
    """Debian's serf, with its own settings for a local network."""

    SAYS = re.compile(r"serf: EventMember(\w+): n(\d+) ")

    def __init__(self, program, count, folder):
        super().__init__(count, folder)
        self.program = program

    def address(self, index):
        return f"127.1.0.{index + 1}"

    def command(self, index):
        words = [self.program, "agent", "-node", f"n{index}", "-bind", f"{self.address(index)}:7946",
                 "-rpc-addr", f"{self.address(index)}:7373", "-profile", "lan", "-log-level", "info"]
        return words if index == 0 else words + ["-retry-join", f"{self.address(0)}:7946",
                                                 "-retry-interval", "1s"]

    def line(self, index, line):
        found = self.SAYS.search(line)
        if found and found[1] in ("Join", "Failed", "Leave", "Update"):
            if found[1] == "Join" and int(found[2]) == index:
                self.ready.add(index)
            self.say(index, int(found[2]), found[1] in ("Failed", "Leave"))

    def form(self):
        for index in range(self.count):
            self.start(index)
        known = [set() for _ in range(self.count)]

        def all_joined():
            for _, who, whom, failed in self.events:
                if not failed:
                    known[who].add(whom)
            return all(len(k) == self.count for k in known)
        return self.wait_until(all_joined, 120)

    def count_traffic(self):
        """Packets and bytes that the loopback of our network namespace carried: IP, UDP and TCP with
        their headers, without the 14 bytes of Ethernet that the kernel counts on it."""
        with open("/proc/net/dev", encoding="ascii") as file:
            words = next(line for line in file if line.strip().startswith("lo:")).split()
        packets, octets = int(words[10]), int(words[9])
        return [packets, 0, octets - 14 * packets]
