"""The image of what guest_bench and unlock_bench compare ours with, made by the factory from
tests/bench/peers: runit, systemd, systemd-cryptsetup and clevis as Debian ships them, and the probe."""
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ("src", "completions", "tools", "meson.build", "meson_options.txt", "VERSION")


def make_peers(build, tree, folder):
    """Returns the path of an EROFS image. `folder` is scratch."""
    os.makedirs(folder)
    broch = os.path.join(build, "src/programs/broch")
    source = os.path.join(folder, "peers-source")
    os.makedirs(os.path.join(source, "profiles"))
    for name in SOURCES:
        copy = shutil.copytree if os.path.isdir(os.path.join(ROOT, name)) else shutil.copy
        copy(os.path.join(ROOT, name), os.path.join(source, name))
    shutil.copytree(os.path.join(ROOT, "tests/bench/peers"), os.path.join(source, "profiles/peers"))
    os.makedirs(os.path.join(source, "profiles/peers/overlay"), exist_ok=True)
    done = subprocess.run([broch, "build", "peers", "--quiet", "--source", source, "--until", "rootfs"],
                          check=True, stdout=subprocess.PIPE, text=True)
    shutil.copy(os.path.join(done.stdout.strip(), "rootfs.tar"), os.path.join(folder, "peers.tar"))
    shutil.copy(os.path.join(build, "tests/bench/restart_probe"), folder)
    subprocess.run(["tar", "--append", "--file=peers.tar", "--owner=0", "--group=0", "--mode=0755",
                    "restart_probe"], check=True, cwd=folder)
    subprocess.run([os.path.join(build, "tests/factory/in_tree"), tree, "--rw", f"{folder}=/run/work", "--",
                    "mkfs.erofs", "--quiet", "--tar=f", "peers.erofs", "peers.tar"], check=True)
    return os.path.join(folder, "peers.erofs")


def measure(build, tree, generation, keys, peers, program="guest_bench"):
    """The rows of a program that measures in a guest: (kind, {name: value})."""
    env = dict(os.environ, BROCH_TREE=tree, BROCH_GENERATION=generation, BROCH_KEYS=keys, BROCH_PEERS=peers)
    done = subprocess.run([os.path.join(build, "tests/bench", program)], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    rows = []
    for line in done.stdout.splitlines():
        kind, *pairs = line.split(" ")
        if pairs and all("=" in pair for pair in pairs):
            rows.append((kind, dict(pair.split("=", 1) for pair in pairs)))
    return rows
