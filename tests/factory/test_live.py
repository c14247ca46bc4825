"""The live medium: what its parts are, by other tools than ours, and that a damaged one is found."""
import os
import shutil
import struct
import subprocess
import unittest

import lab
from test_verify import inspector, verify

SECTOR, BLOCK = 2048, 512
LIVE_TYPE = bytes.fromhex("22e79ac2cd9afb4ca32ba9883cc45a5c")
FILES_TYPE = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")


def partitions(image):
    """By the first table: type -> (first byte, bytes, GUID)."""
    found = {}
    with open(image, "rb") as file:
        file.seek(BLOCK)
        header = file.read(92)
        at, = struct.unpack_from("<Q", header, 72)
        for number in range(8):
            file.seek(at * BLOCK + number * 128)
            entry = file.read(128)
            first, last = struct.unpack_from("<QQ", entry, 32)
            if any(entry[:16]):
                found[entry[:16]] = (first * BLOCK, (last - first + 1) * BLOCK, entry[16:32])
    return found


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = lab.base() + ".iso"
        cls.parts = partitions(cls.image)
        cls.options = ("--release-key", os.path.join(lab.base(), "release.pub"),
                       "--db", os.path.join(lab.base(), "keys/db.crt"))

    def test_parts(self):
        self.assertEqual(len(self.parts), 3)
        for _, _, guid in self.parts.values():
            self.assertEqual(guid[:4], b"evil")  # "live", as the table turns it
        at, size, _ = self.parts[LIVE_TYPE]
        with open(self.image, "rb") as file:
            file.seek(at)
            self.assertEqual(file.read(size), lab.read(lab.base(), "system.erofs"))

    def test_files_for_firmware(self):
        """Read by mtools."""
        at, size, _ = self.parts[FILES_TYPE]
        work = lab.path("live-files")
        os.makedirs(work, exist_ok=True)
        with open(self.image, "rb") as file, open(os.path.join(work, "files"), "wb") as out:
            file.seek(at)
            out.write(file.read(size))
        for name, artifact in (("EFI/BOOT/BOOTX64.EFI", "linux.efi"), ("EFI/broch/generation.json", "generation.json"),
                               ("EFI/broch/generation.json.minisig", "generation.json.minisig")):
            got = subprocess.run(["mtype", "-i", os.path.join(work, "files"), "::" + name], stdout=subprocess.PIPE,
                                 check=True).stdout
            self.assertEqual(got, lab.read(lab.base(), artifact), name)

    def test_catalog(self):
        """The CD's way leads to the same file system: El Torito, with a size that means "to the end"."""
        with open(self.image, "rb") as file:
            file.seek(17 * SECTOR)
            record = file.read(SECTOR)
            self.assertEqual(record[:30], b"\0CD001\1EL TORITO SPECIFICATION")
            file.seek(struct.unpack_from("<I", record, 0x47)[0] * SECTOR)
            catalog = file.read(64)
        self.assertEqual(catalog[:2], b"\x01\xef")
        self.assertEqual(catalog[32:34], b"\x88\x00")
        count, where = struct.unpack_from("<HI", catalog, 38)
        self.assertIn(count, (0, 1))
        self.assertEqual(where * SECTOR, self.parts[FILES_TYPE][0])

    def test_verified(self):
        code, parts = verify(*self.options, self.image)
        self.assertEqual((code, parts.get("bad")), (0, None))
        self.assertIn("medium", parts["good"])
        self.assertIn("kind          live", inspector("inspect", self.image).stdout)

    def test_damaged(self):
        """One byte in each part; the part that is named."""
        copy = lab.path("damaged.iso")
        shutil.copyfile(self.image, copy)
        size = os.path.getsize(copy)
        with open(copy, "rb") as file:
            file.seek(17 * SECTOR + 0x47)
            catalog = struct.unpack("<I", file.read(4))[0] * SECTOR
        for at, part in ((size - BLOCK + 40, "medium"), (17 * SECTOR + 0x47, "medium"), (catalog + 32, "medium"),
                         (catalog + 40, "medium"), (self.parts[LIVE_TYPE][0] + 5000, "verity")):
            with self.subTest(at=at), lab.flipped(copy, at):
                code, parts = verify(*self.options, copy)
                self.assertNotEqual(code, 0)
                self.assertIn(part, parts["bad"])
        with lab.flipped(copy, BLOCK + 40):  # without its first table it is no live medium
            self.assertNotEqual(inspector("verify", copy).returncode, 0)

    def test_until(self):
        result = lab.factory("build", "node", "--iso", "--until", "uki")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--iso needs the whole generation", result.stderr)
