"""The initrd and the system image: what is in them, and what must not be."""
import os
import shutil
import stat
import struct
import unittest

import lab

MODULE_MARK = b"~Module signature appended~\n"


def read_cpio(archive):
    """Entries of a "newc" archive: name, mode, content."""
    at = 0
    while True:
        if archive[at:at + 6] != b"070701":
            raise ValueError(f"no header at {at}")
        fields = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110:at + 110 + name_size - 1].decode()
        at = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return
        yield name, mode, archive[at:at + size]
        at = (at + size + 3) & ~3


def archives(data):
    """The archives that lie in a row, each with the zeros that fill its last block."""
    trailer = b"TRAILER!!!\0"
    while data:
        at = data.index(trailer) + len(trailer)
        rest = data[at:].lstrip(b"\0")
        yield data[:len(data) - len(rest)]
        data = rest


def read_archives(data):
    """Entries of all of them, as the kernel unpacks them."""
    for archive in archives(data):
        yield from read_cpio(archive)


def write_bytes(data, path):
    with open(path, "wb") as file:
        file.write(data)


def unpack_initrd(folder):
    result = lab.tool("zstd", "-d", "-c", f"{folder}/initrd", binds=[folder])
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return result.stdout


class Initrd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = lab.base()
        cls.archive = unpack_initrd(cls.folder)
        cls.entries = list(read_archives(cls.archive))
        cls.files = {name: data for name, mode, data in cls.entries if stat.S_ISREG(mode)}

    def test_cpio_lists_the_same(self):
        listed = []
        for archive in archives(self.archive):
            result = lab.tool("cpio", "--list", "--quiet", data=archive)
            self.assertEqual(result.returncode, 0, result.stderr)
            listed += result.stdout.decode().split("\n")[:-1]
        self.assertEqual(listed, [name for name, _, _ in self.entries])

    def test_one_executable_besides_the_loader(self):
        executable = [name for name, mode, _ in self.entries if stat.S_ISREG(mode) and mode & 0o111]
        self.assertEqual(len(executable), 2, executable)
        self.assertIn("init", executable)
        self.assertTrue(any("/ld-linux" in name for name in executable), executable)

    def test_no_shell(self):
        for name, data in self.files.items():
            self.assertNotIn(os.path.basename(name), ("sh", "bash", "dash", "busybox", "ash", "zsh"))
            self.assertNotIn(b"BusyBox v", data, name)
            self.assertFalse(data.startswith(b"#!"), f"{name} is a script")

    def test_only_files_and_folders(self):
        for name, mode, _ in self.entries:
            self.assertTrue(stat.S_ISREG(mode) or stat.S_ISDIR(mode), name)
            self.assertEqual(mode & 0o7022, 0, f"{name} has mode {mode:o}")

    def test_modules_are_uncompressed_and_signed(self):
        modules = {name: data for name, data in self.files.items() if name.startswith("modules/")}
        self.assertGreater(len(modules), 3)
        for name, data in modules.items():
            self.assertTrue(name.endswith(".ko"), name)
            self.assertTrue(data.startswith(b"\x7fELF"), name)
            self.assertTrue(data.endswith(MODULE_MARK), name)

    def test_modules_are_signed_with_the_image_key(self):
        """By the certificate that the firmware has in db, and for exactly these bytes."""
        work = lab.path("modules")
        os.makedirs(work)
        for name, data in sorted(self.files.items()):
            if not name.startswith("modules/"):
                continue
            end = len(data) - len(MODULE_MARK) - 12
            size = int.from_bytes(data[end + 8:end + 12], "big")
            module, signature = bytearray(data[:end - size]), data[end - size:end]
            write_bytes(signature, f"{work}/signature")
            for flip in (0, 1):
                module[len(module) // 2] ^= flip
                write_bytes(bytes(module), f"{work}/module")
                result = lab.tool("openssl", "cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in",
                                  f"{work}/signature", "-content", f"{work}/module", "-certfile",
                                  f"{self.folder}/keys/db.crt", "-out", "/dev/null", binds=[work, self.folder])
                self.assertEqual(result.returncode == 0, flip == 0, f"{name}: {result.stderr}")

    def test_the_plan_names_files_that_are_there(self):
        named = {word for line in self.files["broch/modules"].decode().splitlines()
                 for word in line.split(" ") if word.endswith(".ko")}
        self.assertEqual(named, {os.path.basename(name) for name in self.files if name.startswith("modules/")})

    def test_the_copy_of_the_command_line(self):
        self.assertEqual(self.files["broch/cmdline"].decode(), lab.manifest()["cmdline"])

    def test_size(self):
        self.assertLessEqual(os.path.getsize(f"{self.folder}/initrd"), 8 << 20)
        self.assertLessEqual(os.path.getsize(f"{self.folder}/linux.efi"), 32 << 20)


class Verity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = lab.path("verity")
        os.makedirs(cls.work)
        cls.image = shutil.copyfile(f"{lab.base()}/system.erofs", f"{cls.work}/system.erofs")
        with open(cls.image, "rb") as file:
            file.seek(1024)
            header = file.read(128)
            cls.data_size = struct.unpack_from("<I", header, 36)[0] << header[12]
            file.seek(cls.data_size)
            cls.superblock = file.read(512)
        cls.size = os.path.getsize(cls.image)

    def verify(self):
        return lab.tool("veritysetup", "verify", f"--hash-offset={self.data_size}", "system.erofs", "system.erofs",
                        lab.manifest()["verity"], work=self.work).returncode

    def test_the_superblock(self):
        self.assertEqual(self.superblock[:8], b"verity\0\0")
        data_block, hash_block, blocks = struct.unpack_from("<IIQ", self.superblock, 64)
        self.assertEqual((data_block, hash_block, blocks * data_block), (4096, 4096, self.data_size))
        files = {name: data for name, _, data in read_archives(unpack_initrd(lab.base()))}
        self.assertEqual(files["broch/superblock"], self.superblock, "stage 1 has the same to compare with")

    def test_veritysetup_accepts(self):
        self.assertEqual(self.verify(), 0)

    def test_a_flipped_byte_is_refused(self):
        tree = self.data_size + 4096
        places = {"first block": 0, "data": self.data_size // 2, "last block": self.data_size - 1,
                  "root of the tree": tree, "leaf of the tree": tree + (self.size - tree) // 2,
                  "superblock: magic": self.data_size, "superblock: salt": self.data_size + 88}
        for name, offset in places.items():
            with self.subTest(place=name), lab.flipped(self.image, offset):
                self.assertNotEqual(self.verify(), 0)


class SystemImage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = lab.path("system-image")
        os.makedirs(cls.work)
        cls.root = os.path.join(cls.work, "root")
        cls.check = lab.tool("fsck.erofs", f"{lab.base()}/system.erofs", binds=[lab.base()])
        result = lab.tool("fsck.erofs", "--extract=root", "--no-preserve-owner", f"{lab.base()}/system.erofs",
                          binds=[lab.base()], work=cls.work)
        if result.returncode != 0:
            raise AssertionError(result.stderr)

    def files(self):
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                yield os.path.relpath(os.path.join(folder, name), self.root), os.lstat(os.path.join(folder, name))

    def test_fsck_is_clean(self):
        self.assertEqual(self.check.returncode, 0, self.check.stderr)

    def test_only_files_folders_and_links(self):
        for name, status in self.files():
            self.assertTrue(stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or
                            stat.S_ISLNK(status.st_mode), name)

    def test_what_hosts_leave_is_gone(self):
        for name in ("dev", "proc", "sys", "run", "tmp", "boot", "var/log", "var/cache", "var/tmp", "var/backups",
                     "var/lib/apt", "var/lib/dpkg"):
            path = os.path.join(self.root, name)
            self.assertEqual(os.listdir(path) if os.path.isdir(path) else [], [], name)
        names = {name for name, _ in self.files()}
        for name in ("etc/.pwd.lock", "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-",
                     "var/lib/systemd/random-seed", "var/lib/dbus/machine-id", "etc/apt/sources.list"):
            self.assertNotIn(name, names)
        self.assertFalse([name for name in names if "ssh_host_" in name or "__pycache__" in name])

    def test_identity_is_made_by_the_machine(self):
        for name in ("machine-id", "hostname", "resolv.conf", "localtime", "adjtime"):
            link = os.path.join(self.root, "etc", name)
            self.assertTrue(os.path.islink(link), name)
            self.assertTrue(os.readlink(link).startswith(("/run/", "/var/")), name)

    def test_nothing_of_the_build_host(self):
        """Neither its name in /etc nor a path of this build in any file."""
        host = os.uname().nodename
        for name, status in self.files():
            if not stat.S_ISREG(status.st_mode):
                continue
            data = lab.read(self.root, name)
            for path in (lab.user_cache(), lab.SOURCE, lab.Lab.folder):
                self.assertNotIn(os.fsencode(path), data, name)
            if name.startswith("etc/") and len(host) > 4 and host not in ("localhost", "debian", "ubuntu"):
                self.assertNotIn(host.encode(), data, name)

    def test_stage_1_is_in_the_initrd_only(self):
        self.assertFalse([name for name, _ in self.files() if "stage1" in name])

    def test_it_says_development(self):
        self.assertIn("\nCHANNEL=development\n", lab.read(self.root, "usr/lib/os-release").decode())
        self.assertIn("channel development", lab.read(self.root, "etc/motd").decode())
