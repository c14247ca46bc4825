"""broch diff: two builds that differ in known places."""
import json
import os
import unittest

import lab
from test_verify import copy_of, inspector


def difference(*arguments):
    """By sort and name: before and after."""
    result = inspector("diff", "--json", *arguments)
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    found = json.loads(result.stdout)
    return found, {(item["sort"], item["name"]): (item["before"], item["after"]) for item in found["differences"]}


class Diff(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Another version, a file of the overlay gone, one new, one longer."""
        cls.folder = lab.base()
        source = lab.copy_source(lab.path("diff"))
        overlay = os.path.join(source, "profiles/node/overlay/etc")
        lab.write("new\n", overlay, "added-by-a-test")
        os.unlink(os.path.join(overlay, "broch/README"))
        lab.replace("everything else", "absolutely everything else", os.path.join(overlay, "motd.in"))
        result = lab.factory("build", "node", "--source", source, "--out", lab.path("diff-out"), "--version", "9.0.0")
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
        cls.other = result.stdout.strip()

    def test_nothing(self):
        found, items = difference(self.folder, self.folder)
        self.assertEqual((items, found["packages_compared"]), ({}, True))
        self.assertEqual(found["size_before"], found["size_after"])

    def test_what_was_changed(self):
        found, items = difference(self.folder, self.other)
        files = {name: value for (sort, name), value in items.items() if sort == "file"}
        self.assertEqual(files.pop("system/etc/added-by-a-test"), (None, "4"))
        self.assertIsNone(files.pop("system/etc/broch/README")[1])
        before, after = files.pop("system/etc/motd")
        self.assertGreater(int(after), int(before))
        # The rest says which generation this is.
        self.assertLessEqual({"system/usr/lib/os-release", "initrd/broch/cmdline", "initrd/broch/superblock"},
                             set(files))
        self.assertFalse([name for name in files if name.startswith(("system/usr/bin/", "initrd/modules/"))], files)
        options = {name: value for (sort, name), value in items.items() if sort == "option"}
        self.assertEqual(set(options), {"broch.generation", "broch.verity"})
        self.assertEqual(options["broch.generation"][1], "v9.0.0-node-x86_64")
        self.assertFalse([name for sort, name in items if sort in ("package", "kernel")])
        _, back = difference(self.other, self.folder)
        self.assertEqual(back, {key: (after, before) for key, (before, after) in items.items()})

    def test_packages(self):
        """A list that names another version, and lacks a package."""
        work = copy_of(self.folder, "diff-packages", ("disk.raw", "disk.qcow2"))
        document = json.loads(lab.read(work, "sbom.cdx.json"))
        for component in document["components"]:
            if component["name"] == "bash":
                before, component["version"] = component["version"], "99"
        document["components"] = [c for c in document["components"] if c["name"] != "adduser"]
        lab.write(json.dumps(document), work, "sbom.cdx.json")
        _, items = difference(self.folder, work)
        self.assertEqual(set(items), {("package", "bash"), ("package", "adduser")})
        self.assertEqual(items["package", "bash"], (before, "99"))
        self.assertIsNone(items["package", "adduser"][1])

    def test_other_kinds(self):
        found, items = difference(f"{self.folder}/initrd", f"{self.other}/linux.efi")
        self.assertFalse(found["packages_compared"])
        self.assertEqual({name for sort, name in items if sort == "file"} - {"initrd/init"},
                         {"initrd/broch/cmdline", "initrd/broch/superblock"})
        _, items = difference(f"{self.folder}/linux.efi", self.folder)
        self.assertEqual(items, {}, "the system image is in one of them only")
        result = inspector("diff", f"{self.folder}/initrd", f"{self.folder}/system.erofs")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(inspector("diff", self.folder).returncode, 2)
        table = inspector("diff", self.folder, self.other).stdout
        self.assertIn("file     + system/etc/added-by-a-test  4\n", table)
