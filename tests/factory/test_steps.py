"""A change re-runs the steps that depend on it, and no other. The evidence is what --progress-fd says."""
import os
import unittest

import lab

STEPS = ["programs", "kernel", "rootfs", "policy", "system", "drivers", "initrd", "uki", "disk", "sbom"]
MAIN = "src/programs/broch/main.c"
STAGE1 = "src/programs/broch-stage1/main.c"


class Steps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lab.base()
        code, cls.folder, errors = lab.Lab.background["second"].join()
        if code != 0:
            raise AssertionError(errors)
        cls.before = lab.sums(cls.folder)

    def build(self, *arguments):
        """Builds in the second cache; returns the steps that ran, what was said, and the seconds."""
        result, events, seconds = lab.build_with_events(
            "--source", lab.Lab.second_source, "--out", lab.Lab.second_out, "--keys", lab.Lab.keys, "--offline",
            "--explain", *arguments, env=lab.Lab.second_env)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = lab.statuses(events)
        self.assertEqual([step for step in found if step not in ("tools", "packages")], STEPS)
        self.assertLessEqual(set(found.values()), {"done", "cached"})
        return [step for step in STEPS if found[step] == "done"], result.stderr, seconds

    def change(self, old, new, name, mtime=None):
        path = os.path.join(lab.Lab.second_source, name)
        original = lab.read(path).decode()
        lab.replace(old, new, path, mtime=mtime)
        self.addCleanup(lab.write, original, path)

    def only_the_provenance_changed(self):
        after = lab.sums(self.folder)
        self.assertEqual({name for name in after if after[name] != self.before[name]},
                         {"provenance.json", "generation.json", "generation.json.minisig"})

    def test_no_change(self):
        self.build()
        results = [self.build() for _ in range(3)]
        for ran, said, _ in results:
            self.assertEqual(ran, [])
            self.assertNotIn(" runs: ", said)
        self.assertLess(min(seconds for _, _, seconds in results), 1.0)
        self.assertEqual(lab.sums(self.folder), self.before)

    def test_a_comment(self):
        """The programs are compiled again, come out the same, and that is where it ends, but for the provenance: it
        names the source."""
        self.change("int main(", "/* A remark. */\nint main(", MAIN)
        ran, said, _ = self.build()
        self.assertEqual(ran, ["programs", "sbom"])
        self.assertIn("programs runs: changed input src ", said)
        self.only_the_provenance_changed()

    def test_stage_1(self):
        """Not in the system image, so that stays. The file looks older than any object file, as after unpacking."""
        self.change("runs as PID 1 only", "runs as process 1 only", STAGE1, mtime=lab.OLD)
        ran, said, _ = self.build()
        self.assertEqual(ran, ["programs", "initrd", "uki", "disk", "sbom"])
        self.assertIn("initrd runs: changed input stage1 ", said)
        after = lab.sums(self.folder)
        for name in ("system.erofs", "vmlinuz"):
            self.assertEqual(after[name], self.before[name])
        for name in ("initrd", "linux.efi", "disk.raw", "disk.qcow2", "generation.json"):
            self.assertNotEqual(after[name], self.before[name], name)

    def test_the_overlay(self):
        self.change("everything else", "all the rest", "profiles/node/overlay/etc/motd.in")
        ran, said, _ = self.build()
        self.assertEqual(ran, ["system", "initrd", "uki", "disk", "sbom"])
        self.assertIn("system runs: changed input overlay ", said)
        self.assertNotEqual(lab.sums(self.folder)["system.erofs"], self.before["system.erofs"])

    def test_the_way_back_runs_nothing(self):
        ran, _, _ = self.build()
        self.assertEqual(ran, [])
        self.assertEqual(lab.sums(self.folder), self.before)

    def test_what_is_no_input(self):
        """A budget is compared, not built in; nor does a file's time count. Only the provenance names the file."""
        self.change('uki = "32MiB"', 'uki = "31MiB"', "profiles/node/profile.toml")
        os.utime(os.path.join(lab.Lab.second_source, MAIN))
        ran, _, _ = self.build()
        self.assertEqual(ran, ["sbom"])
        self.only_the_provenance_changed()

    def test_a_damaged_result_is_made_again(self):
        disk = os.path.join(lab.Lab.second_cache, "steps/uki")
        key = next(name for name in os.listdir(disk) if len(name) == 64 and
                   lab.sha256(os.path.join(disk, name, "linux.efi")) == self.before["linux.efi"])
        path = os.path.join(disk, key, "linux.efi")
        os.unlink(path)
        lab.write("rot\n", path)
        ran, _, _ = self.build()
        self.assertEqual(ran, ["uki"])
        self.assertEqual(lab.sums(self.folder), self.before)
        self.assertEqual(lab.sha256(os.path.join(self.folder, "linux.efi")), self.before["linux.efi"])
