"""The same source, lock and keys give the same bytes: every artifact, signed ones included."""
import os
import unittest

import lab

HINT = ("another result from the same inputs. If the first build took a step from a cache that other code of ours "
        "filled, the recipe in src/image/step.c has to be raised")


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
        for artifact in ("generation.json", "generation.json.minisig", "SHA256SUMS", "release.pub", "keys/db.crt"):
            self.assertEqual(lab.read(folder, artifact), lab.read(lab.base(), artifact), artifact)
        return errors

    def test_place_time_umask_locale_zone_jobs_host(self):
        """Also without a network: this build runs with --offline where there is none."""
        errors = self.check("second")
        for step in ("programs", "kernel", "rootfs", "system", "drivers", "initrd", "uki", "disk"):
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
