"""Bad input: the code, the exit code, the place and the nearest right word; and nothing half-made afterwards."""
import os
import unittest

import lab


class Refusals(unittest.TestCase):
    def setUp(self):
        lab.base()
        self.source = lab.path("bad-source")
        if not os.path.exists(self.source):
            lab.copy_source(self.source)
        self.profile = os.path.join(self.source, "profiles/node/profile.toml")
        self.original = lab.read(self.profile).decode()
        self.addCleanup(lab.write, self.original, self.profile)
        self.out = lab.path("bad-out")

    def refused(self, code, exit_code, *words, arguments=("node",)):
        result = lab.factory("build", *arguments, "--source", self.source, "--out", self.out)
        self.assertEqual(result.returncode, exit_code, result.stderr)
        self.assertEqual(result.stdout, "")
        line = next(line for line in result.stderr.splitlines() if line.startswith("broch: "))
        self.assertTrue(line.startswith(f"broch: {code}: "), line)
        for word in words:
            self.assertIn(word, line)
        self.assertIn("\n  next: ", result.stderr)
        self.assertFalse(any("generation.json" in files for _, _, files in os.walk(self.out)))
        return result.stderr

    def line_of(self, text):
        return lab.read(self.profile).decode().splitlines().index(text) + 1

    def test_unknown_profile(self):
        self.refused("BR-PROFILE-UNKNOWN", 1, "'nodee'", "did you mean 'node'", arguments=["nodee"])

    def test_a_profile_is_no_path(self):
        self.refused("BR-PROFILE-UNKNOWN", 1, arguments=["../profiles/node"])

    def test_no_source(self):
        result = lab.factory("build", "node", "--source", lab.path())
        self.assertEqual(result.returncode, 1)
        self.assertIn("BR-PROFILE-UNKNOWN", result.stderr)

    def test_unknown_key(self):
        lab.write(self.original.replace("epoch = 1", "epoc = 1"), self.profile)
        self.refused("BR-SCHEMA", 1, f"{self.profile}:{self.line_of('epoc = 1')}", "'epoc'", "'epoch'")

    def test_unknown_key_in_a_table(self):
        lab.write(self.original.replace('initrd = "8MiB"', 'initrt = "8MiB"'), self.profile)
        line = self.line_of('initrt = "8MiB"')
        self.refused("BR-SCHEMA", 1, f"{self.profile}:{line}", "initrt", "initrd")

    def test_wrong_type(self):
        lab.write(self.original.replace("epoch = 1", 'epoch = "one"'), self.profile)
        self.refused("BR-SCHEMA", 1, f"{self.profile}:", "epoch")

    def test_broken_toml(self):
        lab.write(self.original.replace("epoch = 1", "epoch = = 1"), self.profile)
        self.refused("BR-SYNTAX", 1, f"{self.profile}:{self.line_of('epoch = = 1')}")

    def test_wrong_option(self):
        self.refused("BR-USAGE", 2, "'--keyz'", "'--keys'", arguments=["node", "--keyz", "x"])

    def test_wrong_number(self):
        self.refused("BR-USAGE", 2, "--jobs", arguments=["node", "--jobs", "-1"])

    def test_two_profiles(self):
        self.refused("BR-USAGE", 2, arguments=["node", "core"])

    def test_unknown_kernel(self):
        self.refused("BR-USAGE", 2, "--kernel", "'debian'", arguments=["node", "--kernel", "foo"])

    def test_unknown_step(self):
        self.refused("BR-USAGE", 2, "'rootsf'", "'rootfs'", arguments=["node", "--until", "rootsf"])

    def test_unknown_verb(self):
        result = lab.factory("biuld")
        self.assertEqual(result.returncode, 2)
        self.assertIn("'biuld', did you mean build", result.stderr)

    def test_missing_keys(self):
        self.refused("BR-KEYS-BAD", 13, "nowhere", arguments=["node", "--keys", lab.path("nowhere")])

    def test_each_budget(self):
        sizes = {file["name"]: file["size"] for file in lab.manifest()["files"]}
        for key, old, name, largest in (("uki", "32MiB", "linux.efi", ".linux"),
                                        ("initrd", "8MiB", "initrd", "linux-image-"),
                                        ("system", "512MiB", "system.erofs", "linux-image-")):
            with self.subTest(budget=key):
                lab.write(self.original.replace(f'{key} = "{old}"', f'{key} = "1MiB"'), self.profile)
                told = self.refused("BR-BUDGET", 1, name, str(sizes[name]), str(1 << 20),
                                    str(sizes[name] - (1 << 20)))
                rows = told.split(f"what takes the room in {name}")[1].splitlines()[1:]
                self.assertIn(largest, rows[0])
                self.assertGreater(int(rows[0].split()[0]), int(rows[1].split()[0]))

    def test_a_failed_build_leaves_the_former_generation(self):
        before = lab.sums(lab.base())
        lab.write(self.original.replace('uki = "32MiB"', 'uki = "1MiB"'), self.profile)
        result = lab.factory("build", "node", "--source", self.source, "--out", lab.Lab.out)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(lab.sums(lab.base()), before)
        self.assertEqual(lab.manifest()["name"], os.path.basename(lab.base()).removeprefix("broch-"))

    def test_a_place_that_cannot_be_written(self):
        lab.write("a file\n", lab.path("in-the-way"))
        result = lab.factory("build", "node", "--source", self.source, "--out", lab.path("in-the-way"))
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("BR-IO", result.stderr)
        self.assertIn("in-the-way", result.stderr)
