"""broch inspect and broch verify: what they say of a whole build, and of one with a changed byte in each part."""
import base64
import json
import os
import shutil
import subprocess
import unittest

import lab
import pe

LISTS = {"components in sbom.spdx.json", "components in sbom.cdx.json"}  # both know the sums of files and sections
# Sections whose content the stub measures: a changed byte is another PCR 11.
MEASURED = {".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat", ".pcrpkey"}


def inspector(*arguments):
    program = os.path.join(os.path.dirname(lab.Lab.factory), "broch-inspect")
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)


def copy_of(folder, name, leave_out=("disk.raw", "disk.qcow2")):
    """A copy to damage. Without the disks, which take seconds to sum."""
    work = lab.path(name)
    shutil.copytree(folder, work, ignore=shutil.ignore_patterns(*leave_out))
    for root, _, files in os.walk(work):
        for file in files:
            os.chmod(os.path.join(root, file), 0o644)
    return work


def verify(*arguments):
    """The exit code, and the parts by their result."""
    result = inspector("verify", "--json", *arguments)
    checks = json.loads(result.stdout)["checks"] if result.stdout else []
    parts = {}
    for check in checks:
        parts.setdefault(check["result"], set()).add(check["part"])
    return result.returncode, parts


class Inspect(unittest.TestCase):
    def setUp(self):
        self.folder = lab.base()

    def test_a_generation(self):
        result = inspector("inspect", "--json", self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        found, manifest = json.loads(result.stdout), lab.manifest()
        self.assertEqual((found["kind"], found["generation"]), ("generation", manifest["name"]))
        image, = found["images"]
        uki = lab.read(self.folder, "linux.efi")
        self.assertEqual({s["name"]: s["size"] for s in image["uki"]["sections"]},
                         {name: size for name, (_, size) in pe.sections(uki).items()})
        self.assertEqual(image["uki"]["cmdline"], manifest["cmdline"])
        self.assertEqual(image["uki"]["pcr11"], {"stub": manifest["pcr11_stub"],
                                                 "enter_initrd": manifest["pcr11_enter_initrd"]})
        policy = pe.policy(pe.pcr11(uki)[1], manifest["epoch"]).hex()
        self.assertEqual(image["uki"]["policy"]["digest"], policy)
        self.assertEqual(image["uki"]["policy"]["epoch"], manifest["epoch"])
        self.assertIn("Broch image key", image["uki"]["signer"]["name"])
        self.assertIn("init", [file["path"] for file in image["initrd"]["files"]])
        self.assertIn("usr/lib/broch/broch-init", [file["path"] for file in image["system"]["files"]])
        components = {component["name"]: component for component in found["components"]}
        sizes = {file["path"]: file["size"] for file in image["system"]["files"]}
        documents = json.loads(lab.read(self.folder, "sbom.cdx.json"))["components"]
        bash = next(component for component in documents if component["name"] == "bash")
        self.assertEqual(components["bash"], {"name": "bash", "version": bash["version"],
                         "size": sum(sizes[file["name"].removeprefix("system/")] for file in bash["components"]),
                         "files": len(bash["components"])})
        table = inspector("inspect", self.folder).stdout
        for word in (manifest["pcr11_enter_initrd"], policy, "usr/lib/modules"):
            self.assertIn(word, table)

    def test_the_key_of_the_manifest(self):
        found = json.loads(inspector("inspect", "--json", self.folder).stdout)
        key = base64.b64decode(lab.read(self.folder, "release.pub").splitlines()[1])
        self.assertEqual(found["signed_by"], key[2:10][::-1].hex().upper())

    def test_the_other_kinds(self):
        whole = json.loads(inspector("inspect", "--json", self.folder).stdout)["images"][0]
        released = lab.factory("release", self.folder, "--to", lab.path("inspected-release"))
        for name, kind, parts in (
                (f"{self.folder}/linux.efi", "uki", {"uki", "initrd"}),
                (f"{self.folder}/initrd", "initrd", {"initrd"}),
                (f"{self.folder}/system.erofs", "system", {"system"}),
                (f"{self.folder}/disk.raw", "disk", {"uki", "initrd", "system"}),
                (released.stdout.strip(), "release", {"uki", "initrd", "system"})):
            with self.subTest(kind=kind):
                result = inspector("inspect", "--json", name)
                self.assertEqual(result.returncode, 0, result.stderr)
                found = json.loads(result.stdout)
                self.assertEqual(found["kind"], kind)
                image, = found["images"]
                self.assertEqual(set(image) - {"slot"}, parts)
                for part in parts:
                    self.assertEqual(image[part], whole[part])
                self.assertEqual(image["slot"], "A" if kind == "disk" else None)

    def test_what_it_does_not_know(self):
        for name in ("vmlinuz", "disk.qcow2", "SHA256SUMS", "keys"):
            result = inspector("inspect", f"{self.folder}/{name}")
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn("BR-ARTIFACT-UNKNOWN", result.stderr)
        self.assertIn("BR-IO", inspector("inspect", f"{self.folder}/nothing").stderr)
        self.assertEqual(inspector("inspect").returncode, 2)


class Verify(unittest.TestCase):
    def setUp(self):
        self.folder = lab.base()

    def test_a_whole_generation_is_good(self):
        code, parts = verify(self.folder)
        self.assertEqual((code, set(parts)), (0, {"good"}), parts)
        self.assertLessEqual({*lab.ARTIFACTS, "manifest signature", "boot signature", "policy", "verity",
                              "command line", "PCR 11", "SHA256SUMS"}, parts["good"])

    def test_a_release_and_a_disk(self):
        released = lab.factory("release", self.folder, "--to", lab.path("verified-release")).stdout.strip()
        trust = ("--release-key", f"{self.folder}/release.pub", "--db", f"{self.folder}/keys/db.crt")
        for name in (released, f"{self.folder}/disk.raw", f"{self.folder}/linux.efi"):
            with self.subTest(name=name):
                code, parts = verify(name, *trust)
                self.assertEqual(parts.get("bad"), None)
                # A boot file alone says nothing of its system image.
                self.assertEqual(code, 15 if name.endswith(".efi") else 0, parts)
                self.assertEqual(verify(name)[0], 15, "nothing says whom to believe")

    def test_other_keys(self):
        keys, work = lab.fresh_keys(), copy_of(self.folder, "verify-keys")
        code, parts = verify(work, "--release-key", f"{keys}/release.pub", "--db", f"{keys}/db.crt")
        self.assertEqual((code, parts["bad"]), (13, {"manifest signature", "boot signature"}))

    def check_flip(self, work, name, offset, wanted):
        """Exactly these parts are named, and all is well again without the change."""
        with lab.flipped(os.path.join(work, name), offset):
            code, parts = verify(work)
            self.assertEqual(code, 13, parts)
            self.assertEqual(parts["bad"], wanted)

    def test_each_file(self):
        work = copy_of(self.folder, "verify-files")
        self.assertEqual(verify(work)[0], 0)
        size = os.path.getsize(f"{work}/initrd")
        for name, offset, wanted in (
                ("vmlinuz", 5000, {"vmlinuz", "vmlinuz in the boot file"}),
                ("initrd", size // 2, {"initrd", "initrd in the boot file"}),
                ("SHA256SUMS", 3, {"SHA256SUMS"}),
                ("generation.json", 2, {"manifest", "manifest signature"}),
                ("generation.json.minisig", 100, {"manifest signature", "SHA256SUMS"}),
                ("keys/pcr.pub", 60, {"keys/pcr.pub in the boot file"}),
                ("keys/db.crt", 200, {"boot signature"}),
                ("release.pub", 60, {"manifest signature"})):
            with self.subTest(name=name):
                self.check_flip(work, name, offset, wanted)
        self.assertEqual(verify(work)[0], 0)

    def test_the_system_image(self):
        work = copy_of(self.folder, "verify-system")
        size = os.path.getsize(f"{work}/system.erofs")
        blocks = int.from_bytes(lab.read(work, "system.erofs")[-size:][
            self.superblock(work) + 72:self.superblock(work) + 80], "little")
        for what, offset, wanted in (
                ("first block", 0, {"verity"}),
                ("a file", blocks * 2048, {"verity"} | LISTS),
                ("superblock", blocks * 4096 + 20, {"superblock"}),
                ("behind the superblock", blocks * 4096 + 600, {"verity"}),
                ("top of the tree", (blocks + 1) * 4096, {"verity"}),
                ("end of the tree", size - 1, {"verity"})):
            with self.subTest(part=what):
                self.check_flip(work, "system.erofs", offset, wanted | {"system.erofs"})

    @staticmethod
    def superblock(work):
        return lab.read(work, "system.erofs").rindex(b"verity\0\0")

    def test_each_section(self):
        work = copy_of(self.folder, "verify-uki")
        image = lab.read(work, "linux.efi")
        for name, (offset, size) in pe.sections(image).items():
            with self.subTest(section=name), lab.flipped(f"{work}/linux.efi", offset + size // 2):
                code, parts = verify(work)
                self.assertEqual(code, 13)
                self.assertIn("linux.efi", parts["bad"])
                # A section that can no longer be read ends there; the others break the signature.
                self.assertTrue({"boot signature", "boot file"} & parts["bad"], parts)
                if name in MEASURED and "boot file" not in parts["bad"]:
                    self.assertLessEqual({"policy", "PCR 11"}, parts["bad"])
                if name not in MEASURED | {".pcrsig"}:
                    self.assertEqual(parts["bad"], {"linux.efi", "boot signature"} | LISTS)
        self.assertEqual(verify(work)[0], 0)

    def test_a_policy_of_another_epoch(self):
        """The policy's own signature is right, only it is for something else."""
        work = copy_of(self.folder, "verify-policy")
        image = lab.read(work, "linux.efi")
        offset, _ = pe.sections(image)[".pcrsig"]
        at = offset + pe.content(image, ".pcrsig").index(b'"epoch":1') + len(b'"epoch":')
        with open(f"{work}/linux.efi", "r+b") as file:
            file.seek(at)
            file.write(b"2")
        code, parts = verify(work)
        self.assertEqual((code, parts["bad"]), (13, {"linux.efi", "policy", "boot signature"} | LISTS))

    def test_a_missing_file(self):
        work = copy_of(self.folder, "verify-missing")
        os.remove(f"{work}/vmlinuz")
        self.assertEqual(verify(work)[0], 0, "not needed to start a machine")
        os.remove(f"{work}/system.erofs")
        code, parts = verify(work)
        self.assertEqual((code, parts["bad"]), (13, {"system.erofs"}))

    def test_a_disk(self):
        work = lab.path("verify-disk")
        os.makedirs(work)
        subprocess.run(["cp", "--sparse=always", f"{self.folder}/disk.raw", f"{work}/disk.raw"], check=True)
        os.chmod(f"{work}/disk.raw", 0o644)
        trust = ("--db", f"{self.folder}/keys/db.crt")
        self.assertEqual(verify(f"{work}/disk.raw", *trust)[0], 0)
        system = lab.read(self.folder, "system.erofs")[4096 * 100:4096 * 101]
        at = lab.read(work, "disk.raw")[:1 << 29].index(system)
        with lab.flipped(f"{work}/disk.raw", at + 7):
            self.assertEqual(verify(f"{work}/disk.raw", *trust), (13, {
                **verify(f"{work}/disk.raw", *trust)[1], "bad": {"slot A: verity"}}))
        for what, offset in (("partition table", 512 + 20), ("file system", (1 << 20) + 11)):
            with self.subTest(part=what), lab.flipped(f"{work}/disk.raw", offset):
                result = inspector("verify", f"{work}/disk.raw", *trust)
                self.assertEqual(result.returncode, 13)
                self.assertIn("BR-ARTIFACT-BAD", result.stderr)
