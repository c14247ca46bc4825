"""A disk that is full and a build that is killed: a clear end, no half generation, and the next build works."""
import json
import os
import shutil
import subprocess
import time
import unittest

import lab

SEEDED = ["programs", "kernel", "rootfs", "drivers"]  # the slow steps; the others run here
KILLED = ["system", "initrd", "uki", "disk"]
MIB = 1024 * 1024


def make_seeded_cache(name, copy):
    """A cache in which only the quick steps have to run. `copy` copies a folder to another place."""
    cache = lab.make_cache(name)
    for step in SEEDED:
        result = lab.factory("build", "node", "--source", lab.Lab.base_source, "--until", step)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        folder = result.stdout.strip()
        os.makedirs(os.path.join(cache, "steps", step))
        copy(folder, os.path.join(cache, "steps", step, os.path.basename(folder)))
    return cache


def arguments(out):
    return ["build", "node", "--source", lab.Lab.base_source, "--out", out, "--offline"]


class Robust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = lab.sums(lab.base())

    def expect_no_generation(self, out):
        for folder in os.listdir(out) if os.path.exists(out) else []:
            self.assertFalse(os.path.exists(os.path.join(out, folder, "generation.json")), folder)

    def expect_whole(self, folder):
        self.assertEqual(lab.sums(folder), self.before)
        for name, digest in self.before.items():
            self.assertEqual(lab.sha256(os.path.join(folder, name)), digest, name)


# Runs in a mount namespace of its own: a small disk for the cache or for the result, which then grows.
SMALL_DISK = """
set -eu
disk=$1 size=$2; shift 2
mount -t tmpfs -o size="$size" tmpfs "$disk"
[ ! -d "$disk.seed" ] || cp -a "$disk.seed/." "$disk"
"$@" && exit 99
mount -o remount,size=3G "$disk"
find "$disk" -name '*.work' -o -name generation.json >&2
"$@"
"""


class FullDisk(Robust):
    def run_on(self, disk, size, command, cache):
        """First on a full disk, then on the same disk with room. Returns both, as one output."""
        apart = ["unshare", "--mount"] if lab.ROOT else ["unshare", "--map-root-user", "--map-auto", "--mount"]
        result = subprocess.run([*apart, "sh", "-c", SMALL_DISK, "sh", disk, str(size), *command],
                                env=lab.environment(BROCH_CACHE=cache), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_for_the_cache(self):
        """Room for nothing, for half an archive, for the archive only, for all but the disk image. In the end
        SHA256SUMS is shown from within, because the disk is gone with its namespace."""
        seed = make_seeded_cache("full.seed", lambda a, b: shutil.copytree(a, b, symlinks=True))
        os.unlink(os.path.join(seed, "trees"))
        shutil.rmtree(os.path.join(seed, "packages"))
        os.makedirs(os.path.join(seed, "packages"))
        os.symlink(os.path.join(lab.user_cache(), "trees"), os.path.join(seed, "trees"))
        disk, out = lab.path("full"), lab.path("full/out")
        os.makedirs(disk)
        used = int(subprocess.run(["du", "-s", "--block-size=1", seed], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout.split()[0])
        script = '"$0" "$@" && cat "' + out + '"/*/SHA256SUMS'
        command = ["sh", "-c", script, lab.Lab.factory, *arguments(out)]
        image = os.stat(os.path.join(lab.base(), "system.erofs")).st_size
        for room, step in ((2 * MIB, "system"), (image // 2, "system"), (2 * image, "system"),
                           (image * 16 // 5, "disk")):
            with self.subTest(room=room):
                result = self.run_on(disk, used + room, command, disk)
                self.assertIn("BR-NO-SPACE", result.stderr)
                said, _ = result.stderr.split("BR-NO-SPACE", 1)
                self.assertRegex(said, rf"\b{step} +failed")
                self.assertIn(disk, result.stderr.split("BR-NO-SPACE", 1)[1].splitlines()[0])
                self.assertNotIn("generation.json", result.stderr)
                self.assertNotIn(".work", result.stderr)
                self.assertEqual({line.split("  ")[1]: line.split("  ")[0] for line in
                                  result.stdout.splitlines() if "  " in line}, self.before)

    def test_for_the_result(self):
        """The steps are done, and out/ takes a part of them only."""
        disk = lab.path("full-out")
        os.makedirs(disk)
        script = '"$0" "$@" && cat "' + disk + '"/*/SHA256SUMS'
        result = self.run_on(disk, 16 * MIB, ["sh", "-c", script, lab.Lab.factory, *arguments(disk)], lab.user_cache())
        self.assertIn("BR-NO-SPACE", result.stderr)
        self.assertIn(disk, result.stderr.split("BR-NO-SPACE", 1)[1].splitlines()[0])
        self.assertNotIn("generation.json", result.stderr)
        self.assertEqual({line.split("  ")[1]: line.split("  ")[0] for line in result.stdout.splitlines()
                          if "  " in line}, self.before)


class Killed(Robust):
    def start(self, command, env):
        reader, writer = os.pipe()
        process = subprocess.Popen([*command, "--progress-fd", str(writer)], env=env, pass_fds=[writer],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        return process, open(reader, encoding="utf-8")

    def kill_at(self, command, env, step, status, after):
        process, events = self.start(command, env)
        with events:
            for line in events:
                event = json.loads(line)
                if event["event"] == "step" and (event["step"], event["status"]) == (step, status):
                    break
            time.sleep(after)  # into the middle of it
            alive = process.poll() is None
            process.kill()
            process.communicate()
        self.assertTrue(alive, f"the build was over before it was killed in {step}")

    def test_in_every_quick_step(self):
        cache = make_seeded_cache("killed-cache", lab.copy_tree)
        out, env = lab.path("killed-out"), lab.environment(BROCH_CACHE=cache)
        for step in KILLED:
            self.kill_at([lab.Lab.factory, *arguments(out)], env, step, "start", 0.05)
            self.expect_no_generation(out)
        result = lab.factory(*arguments(out), env=env)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.expect_whole(result.stdout.strip())
        self.assertEqual(lab.wait_until_gone(cache), [])

    def fill_with_former(self, folder):
        """What an earlier build may have left: every file, all of it other bytes."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for name in (*lab.ARTIFACTS, "generation.json", "generation.json.minisig", "SHA256SUMS"):
            lab.write("former\n", folder, name)

    def test_in_publish(self):
        """The manifest goes first and comes last: a folder with a manifest is whole, whenever the build died."""
        out = lab.path("publish-out")
        folder = os.path.join(out, os.path.basename(lab.base()))
        halves = 0
        for after in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064):
            self.fill_with_former(folder)
            process, events = self.start([lab.Lab.factory, *arguments(out)], lab.environment())
            manifest = os.path.join(folder, "generation.json")
            while process.poll() is None and os.path.exists(manifest):
                pass  # the moment is short
            time.sleep(after)
            process.kill()
            process.communicate()
            events.close()
            if os.path.exists(manifest):
                self.expect_whole(folder)
            else:
                halves += 1
        self.assertGreater(halves, 0, "no build was killed before its manifest was there")
        result = lab.factory(*arguments(out))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.expect_whole(folder)
