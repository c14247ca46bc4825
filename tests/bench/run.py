#!/usr/bin/env python3
"""Measures the figures of docs/figures.md on this machine. `make bench` calls it.

Every figure is printed with its limit, what it includes and the command behind it. Nothing here passes
or fails: wall times depend on the host, virtual times and sizes do not.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import guest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MIB = 1024 * 1024


def show(name, value, limit, what):
    print(f"{name:34} {value:>14}   {limit:22} {what}", flush=True)


def run(command, cwd=ROOT, env=None):
    """Wall time of a command that must succeed, and its standard output."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - started, done.stdout.strip()


def sizes(generation):
    with open(os.path.join(generation, "generation.json"), encoding="utf-8") as file:
        files = {entry["name"]: entry["size"] for entry in json.load(file)["files"]}
    show("initrd", f"{files['initrd'] / MIB:.2f} MiB", "limit 8 MiB", "zstd, Debian's modules unpacked inside")
    show("UKI", f"{files['linux.efi'] / MIB:.2f} MiB", "limit 32 MiB", "signed")
    show("system image", f"{files['system.erofs'] / MIB:.1f} MiB", "budget of the profile",
         "uncompressed EROFS with hash tree")


def boot(build, tree, generation, folder):
    bench = os.path.join(build, "tests/bench/boot_bench")
    lines = []
    for attempt in range(2):
        _, text = run([bench, tree, generation, os.path.join(folder, f"icount{attempt}")])
        lines.append({key: int(value) for key, value in (pair.split("=") for pair in text.split())})
    first, second = lines
    spread = abs(first["ready"] - second["ready"]) / first["ready"] * 100
    what = "direct, q35, one processor, virtual time (icount)"
    ready, pseudo, switch = first["ready"] / 1e3, first["pseudo"] / 1e3, first["switch"] / 1e3
    show("kernel start to broch ready", f"{ready:.0f} ms", "", f"{what}; two runs differ by {spread:.2f} %")
    show("kernel start to stage 1", f"{pseudo:.0f} ms", "", "the kernel's own share, first step included")
    show("stage 1", f"{switch - pseudo:.0f} ms", "limit 250, aim 100 ms",
         "from its first step's end to the hand-over")
    show("user space to broch ready", f"{ready - switch:.0f} ms", "", "broch-init, s6, services")


def builds(broch, folder):
    times = sorted(run([broch, "build", "node", "--quiet"])[0] for _ in range(5))
    show("warm no-change build", f"{times[2]:.2f} s", "limit 1 s", "broch build node, median of 5")
    source = os.path.join(folder, "source")
    run(["git", "clone", "--quiet", ROOT, source])
    with open(os.path.join(source, "src/programs/broch-ready/main.c"), "a", encoding="utf-8") as file:
        file.write("\nint broch_bench_changed(void);\nint broch_bench_changed(void)\n{\n    return 1;\n}\n")
    machine = ["--machine", "bench", "--snapshot", "--until-ready", "--emulate"]
    started = time.monotonic()
    run([broch, "build", "node", "--quiet", "--source", source])
    built = time.monotonic() - started
    run([broch, "run", "node", "--source", source, "--out", os.path.join(source, "out"), "--direct"] + machine)
    show("one C file to a booted VM", f"{time.monotonic() - started:.1f} s", "limit 25 s",
         f"build ({built:.1f} s) and direct boot to broch ready, emulated")
    started = time.monotonic()
    run([broch, "run", "node"] + machine)
    show("Secure Boot to broch ready", f"{time.monotonic() - started:.1f} s", "", "firmware, TPM, emulated")


def development_keys():
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.environ["HOME"], ".local/share")
    return os.path.join(data, "broch/development-keys")


def unlock(build, tree, generation, peers):
    """In one emulated machine with firmware and TPM, in its own time: only the ratios mean something."""
    rows = [row for kind, row in guest.measure(build, tree, generation, development_keys(), peers, "unlock_bench")
            if kind == "unlock"]
    ours = next(row for row in rows if row["opener"] == "broch")
    show("TPM commands, broch", ours["commands"], "limit 10, aim 9", "from enter-initrd to the cap, with a ticket")
    secret, whole = int(ours["unseal"]), int(ours["unseal"]) + int(ours["cap"]) + int(ours["open"])
    show("unlock, broch", f"{whole / 1e3:.0f} ms", "",
         f"secret {secret / 1e3:.0f} ms, then modules, keyslot and mounts; "
         f"{100 * whole / int(ours['ready']):.0f} % of kernel start to broch ready")
    for row in rows:
        if row is not ours:
            show(f"unlock, {row['opener']}", f"{int(row['p50']) / 1e3:.0f} ms", "",
                 f"{int(row['p50']) / whole:.1f} times ours, and {row['commands']} TPM commands; it mounts nothing")


def running_system(build, tree, generation, peers):
    """In a guest and in virtual time: nothing here depends on the host's load."""
    rows = guest.measure(build, tree, generation, development_keys(), peers)
    for kind, row in rows:
        if kind == "restart":
            show(f"killed to running, {row['supervisor']}", f"{int(row['p50']) / 1e3:.1f} ms", "",
                 f"first instruction, p50 of {row['n']}; p99 {int(row['p99']) / 1e3:.1f} ms")
        elif kind == "memory":
            show("memory of all programs", f"{int(row['pss_kib']) / 1024:.1f} MiB", "aim 64 MiB",
                 "Pss, no workload, one login")
            show("supervision of one service", f"{int(row['supervise_kib']) + int(row['log_kib'])} KiB", "",
                 "private memory of s6-supervise and s6-log, medians")
        elif kind == "idle":
            for name, value in row.items():
                show(f"wake-ups in 20 s idle: {name}", value, "aim 0" if name == "total" else "",
                     "voluntary context switches of programs")
        elif kind == "service":
            show(f"ready: {row['name']}", f"{int(row['us']) / 1e3:.0f} ms", "",
                 f"{int(row['cost']) / 1e3:.0f} ms of it since its start")


def clone(folder, cold):
    source = os.path.join(folder, "clone")
    env = dict(os.environ)
    if cold:
        env["BROCH_CACHE"] = os.path.join(folder, "cache")
    started = time.monotonic()
    run(["git", "clone", "--quiet", ROOT, source])
    run(["make", "build"], cwd=source, env=env)
    broch = os.path.join(source, "build/src/programs/broch")
    run([broch, "run", "node", "--machine", "bench", "--snapshot", "--until-ready", "--emulate"], cwd=source, env=env)
    show(f"git clone to ready, {'cold' if cold else 'warm'}", f"{time.monotonic() - started:.0f} s",
         "aim 6 min" if cold else "aim 40 s",
         "empty cache, packages fetched; host packages are there" if cold else
         "packages and steps in the cache; C compiled")


def liveness(build):
    """Simulated time and counted bytes: the same everywhere. docs/simulation.md has the aims."""
    _, text = run([os.path.join(build, "tests/sim/broch-sim"), "figures", "kills-32", "kills-loss", "idle"])
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", choices=("liveness",), help="these figures alone")
    parser.add_argument("--cold", action="store_true", help="also the cold build, which fetches everything")
    arguments = parser.parse_args()
    build = os.path.join(ROOT, arguments.build)
    liveness(build)
    if arguments.only:
        return
    broch = os.path.join(build, "src/programs/broch")
    folder = tempfile.mkdtemp(prefix="broch-bench.", dir="/var/tmp")
    try:
        _, generation = run([broch, "build", "node", "--quiet"])
        _, tree = run([broch, "tools"])
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
        sizes(generation)
        boot(build, tree, generation, folder)
        peers = guest.make_peers(build, tree, os.path.join(folder, "peers"))
        running_system(build, tree, generation, peers)
        unlock(build, tree, generation, peers)
        builds(broch, folder)
        clone(folder, False)
        if arguments.cold:
            shutil.rmtree(os.path.join(folder, "clone"))
            clone(folder, True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
