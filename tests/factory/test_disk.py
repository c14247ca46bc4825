"""disk.raw and disk.qcow2."""
import json
import os
import unittest

import lab

EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LUKS = "CA7D7CCB-63ED-4C53-861C-1742536059CC"


class Disk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = lab.base()
        cls.disk = f"{cls.folder}/disk.raw"
        result = lab.tool("sfdisk", "--json", cls.disk, binds=[cls.folder])
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        cls.table = json.loads(result.stdout)["partitiontable"]

    def slot(self, index):
        """A slot as a file of its own, holes kept."""
        partition = self.table["partitions"][index]
        path = lab.path(f"slot-{index}")
        begin, size = partition["start"] * 512, partition["size"] * 512
        with open(self.disk, "rb") as disk, open(path, "wb") as file:
            file.truncate(size)
            for start, end in lab.extents(disk):
                start, end = max(start, begin), min(end, begin + size)
                if start < end:
                    disk.seek(start)
                    file.seek(start - begin)
                    for chunk in lab.chunks(end - start):
                        file.write(disk.read(chunk))
        return path

    def listing(self, slot):
        result = lab.tool("mdir", "-/", "-b", "-i", slot, "::", binds=[slot])
        self.assertEqual(result.returncode, 0, result.stderr)
        return {line.removeprefix("::/") for line in result.stdout.decode().splitlines()
                if not line.endswith("/")}

    def test_the_table_is_sound(self):
        result = lab.tool("sfdisk", "--verify", self.disk, binds=[self.folder])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"No errors detected", result.stdout + result.stderr)

    def test_the_partitions(self):
        partitions = self.table["partitions"]
        self.assertEqual(self.table["label"], "gpt")
        self.assertEqual([partition["type"] for partition in partitions], [EFI_SYSTEM, EFI_SYSTEM, LUKS])
        self.assertEqual([partition["name"] for partition in partitions],
                         ["broch-slot-a", "broch-slot-b", "broch-persist"])
        self.assertEqual(partitions[0]["size"], partitions[1]["size"])
        self.assertEqual(len({partition["uuid"] for partition in partitions}), 3)
        at = 0
        for partition in partitions:
            self.assertEqual(partition["start"] % 2048, 0)
            self.assertGreaterEqual(partition["start"], at)
            at = partition["start"] + partition["size"]

    def test_slots(self):
        for index in (0, 1):
            slot = self.slot(index)
            result = lab.tool("fsck.fat", "-n", slot, binds=[slot])
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            wanted = {"EFI/broch/linux.efi", "EFI/broch/system.erofs", "EFI/BOOT/BOOTX64.EFI"}
            self.assertEqual(self.listing(slot), wanted if index == 0 else set())
            for name in wanted if index == 0 else ():
                work = lab.path(f"copy-{os.path.basename(name)}")
                os.makedirs(work)
                lab.tool("mcopy", "-i", slot, f"::/{name}", "file", binds=[slot], work=work)
                original = "linux.efi" if name.endswith("BOOTX64.EFI") else os.path.basename(name)
                self.assertEqual(lab.sha256(f"{work}/file"), lab.sums(self.folder)[original], name)
            os.unlink(slot)

    def test_qcow2_has_the_same_content(self):
        result = lab.tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", self.disk,
                          f"{self.folder}/disk.qcow2", binds=[self.folder])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        result = lab.tool("qemu-img", "check", f"{self.folder}/disk.qcow2", binds=[self.folder])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
