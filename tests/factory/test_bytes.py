"""The same source, lock and keys give the same bytes: every artifact, signed ones included."""
import os
import subprocess
import time
import unittest

import lab

HINT = ("another result from the same inputs. If the first build took a step from a cache that other code of ours "
        "filled, the recipe in src/image/step.c has to be raised")


DAY = 24 * 60 * 60


class SameBytes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lab.base()

    def check(self, name):
        code, folder, errors = lab.Lab.background[name].join()
        self.assertEqual(code, 0, errors)
        self.assertEqual(lab.sums(folder), lab.sums(lab.base()), HINT)
        for artifact, digest in lab.sums(folder).items():
            self.assertEqual(lab.sha256(os.path.join(folder, artifact)), digest, artifact)
        self.assertEqual(lab.sha256(folder + ".iso"), lab.sha256(lab.base() + ".iso"), HINT)
        for artifact in ("generation.json", "generation.json.minisig", "SHA256SUMS", "release.pub", "keys/db.crt"):
            self.assertEqual(lab.read(folder, artifact), lab.read(lab.base(), artifact), artifact)
        return errors

    def test_the_surroundings_are_other_ones(self):
        """Without this, equal bytes would say nothing: day and locale reach the factory and its tools."""
        now = time.time()
        script = ("import locale, time; locale.setlocale(locale.LC_ALL, ''); "
                  "print(int(time.time()), time.strftime('%A', time.gmtime(0)), locale.str(0.5))")
        for name, zone in ((lab.TURKISH, "Perşembe"), (lab.GERMAN, "Donnerstag")):
            env = dict(os.environ, LC_ALL=name, LOCPATH=lab.Lab.locales, LD_PRELOAD=lab.Lab.other_day)
            said = subprocess.run(["python3", "-c", script], env=env, stdout=subprocess.PIPE, check=True).stdout
            self.assertGreater(int(said.split()[0]), now + 399 * DAY)
            self.assertEqual(said.decode().split()[1:], [zone, "0,5"])
        odd = os.path.join(lab.Lab.odd_trees, os.path.basename(lab.tree()))
        said = lab.tool("env", "LC_ALL=" + lab.TURKISH, "python3", "-c", script, of=odd).stdout
        self.assertGreater(int(said.split()[0]), now + 399 * DAY)
        self.assertEqual(said.decode().split()[1:], ["Perşembe", "0,5"])
        self.assertGreater(int(lab.tool("date", "+%s", of=odd).stdout), now + 399 * DAY)
        self.assertLess(int(lab.tool("date", "+%s").stdout), now + DAY, "the user's own tree was changed")

    def test_place_time_umask_locale_zone_day_jobs_host(self):
        """Also without a network: this build runs with --offline where there is none."""
        errors = self.check("second")
        for step in ("programs", "kernel", "rootfs", "policy", "system", "drivers", "initrd", "uki", "disk", "sbom"):
            self.assertRegex(errors, rf"\b{step} +(done|cached)")

    def test_another_user_without_rights(self):
        self.check("foreign")
        _, folder, _ = lab.Lab.background["foreign"].join()
        owners = {os.lstat(os.path.join(folder, name)).st_uid for name in os.listdir(folder)}
        self.assertEqual(len(owners), 1)
        self.assertEqual(0 in owners, False)

    def test_modes_do_not_follow_the_umask(self):
        _, folder, _ = lab.Lab.background["second"].join()
        for name in os.listdir(lab.base()):
            self.assertEqual(os.stat(os.path.join(folder, name)).st_mode,
                             os.stat(os.path.join(lab.base(), name)).st_mode, name)

    def test_killed_builds(self):
        """Both were killed with SIGKILL first, in "programs" and in "rootfs": they went on from that state."""
        for name, build in lab.Lab.background.items():
            with self.subTest(build=name):
                self.assertEqual(build.join()[0], 0, build.join()[2])
                self.assertTrue(build.killed, "the build was over before it was killed")
                self.assertEqual(build.left_over, [], "a process or mount outlived the build")
                for folder, folders, _ in os.walk(os.path.join(build.cache, "steps")):
                    self.assertFalse([name for name in folders if name.endswith(".work")], folder)
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            self.assertNotIn(lab.Lab.folder, mounts.read())
