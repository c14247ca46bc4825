"""Keys, and what a production build holds: no private key and no password hash."""
import base64
import mmap
import os
import re
import stat
import unittest

import lab
import test_system

PRIVATE = ["PK.key", "KEK.key", "db.key", "pcr.key", "module.key", "release.key"]
PUBLIC = ["PK.crt", "KEK.crt", "db.crt", "pcr.pub", "module.crt", "release.pub", "owner.guid"]
# crypt(5): a prefix, perhaps settings, a salt and a hash of at least 22 characters.
PASSWORD = re.compile(rb"[:\s\"'](\$(?:1|2[abxy]|5|6|7|y|gy|sha1|argon2id?)\$[./A-Za-z0-9$=,]{4,60}"
                      rb"\$[./A-Za-z0-9]{22,})")

# The first line and key text behind it: programs that read keys, such as those of ssh, hold the line alone.
PEM = re.compile(rb"PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}")
MINISIGN = [b"RWQAAEIy", b"RWRTY0Iy"]  # secret keys without and with a password
# GnuTLS tests itself with keys that are in its public source, so they are no secrets.
SELF_TESTS = "libgnutls.so."


def der_items(data):
    """Contents of the elements that follow each other in DER."""
    at = 0
    while at < len(data):
        size, at = data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at:at + count], "big"), at + count
        yield data[at:at + size]
        at += size


def secrets_of(folder):
    """Byte strings that only the owner of the keys may know, by name."""
    found = {}
    for name in PRIVATE:
        lines = [line for line in lab.read(folder, name).splitlines() if not line.startswith((b"-", b"untrusted"))]
        raw = base64.b64decode(b"".join(lines))
        found[f"{name} as text"] = lines[1] if len(lines) > 1 else lines[0][90:150]
        if name == "release.key":
            # minisign: algorithms (6), salt (32), limits (16), then key number (8), secret (64), checksum (32)
            found[f"{name}: seed"] = raw[62:94]
            continue
        _, _, octets = der_items(next(der_items(raw)))
        numbers = list(der_items(next(der_items(octets))))
        for label, number in (("d", numbers[3]), ("p", numbers[4])):  # every form of the key holds both
            found[f"{name}: {label}"] = number.lstrip(b"\0")[:32]
    return found


def scan(data, secrets, begin=0, end=None):
    """Names of the secrets that a buffer holds."""
    end = len(data) if end is None else end
    found = [name for name, needle in secrets.items() if data.find(needle, begin, end) >= 0]
    return found + ["a minisign key" for needle in MINISIGN if data.find(needle, begin, end) >= 0]


def scan_file(path, secrets):
    """The same for a file with holes; with the number of PEM keys in it."""
    found, pem = [], 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        for begin, end in lab.extents(file):
            found += scan(view, secrets, begin, end)
            pem += sum(1 for _ in PEM.finditer(view, begin, end))
    return found, pem


class KeyFolder(unittest.TestCase):
    def test_init_makes_all_with_tight_modes(self):
        folder = lab.fresh_keys()
        self.assertEqual(set(os.listdir(folder)), {*PRIVATE, *PUBLIC})
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        for name in PRIVATE:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), 0o600, name)
        result = lab.factory("keys", "check", folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("production", result.stdout)

    def test_an_existing_folder_is_refused(self):
        folder = lab.fresh_keys()
        before = {name: lab.read(folder, name) for name in os.listdir(folder)}
        result = lab.factory("keys", "init", folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("BR-KEYS-EXIST", result.stderr)
        self.assertEqual({name: lab.read(folder, name) for name in os.listdir(folder)}, before)
        self.assertFalse([name for name in os.listdir(lab.path()) if name.startswith("fresh-keys.")])

    def test_an_open_key_is_refused(self):
        key = os.path.join(lab.fresh_keys(), "db.key")
        self.addCleanup(os.chmod, key, 0o600)
        os.chmod(key, 0o640)
        result = lab.factory("keys", "check", lab.fresh_keys())
        self.assertEqual(result.returncode, 1)
        self.assertIn("BR-KEYS-OPEN", result.stderr)
        self.assertIn("db.key", result.stderr)

    def test_a_foreign_certificate_is_refused(self):
        path = os.path.join(lab.fresh_keys(), "db.crt")
        original = lab.read(path).decode()
        self.addCleanup(lab.write, original, path)
        lab.write(lab.read(lab.fresh_keys(), "KEK.crt").decode(), path)
        result = lab.factory("keys", "check", lab.fresh_keys())
        self.assertEqual(result.returncode, 13)
        self.assertIn("BR-KEYS-BAD", result.stderr)


class Production(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lab.base()
        lab.Lab.background["second"].join()
        cls.out = lab.path("production-out")
        result = lab.factory("build", "node", "--source", lab.Lab.second_source, "--out", cls.out, "--production",
                             "--keys", lab.fresh_keys(), "--offline", env=lab.Lab.second_env)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        cls.folder = result.stdout.strip()
        cls.secrets = secrets_of(lab.fresh_keys())
        cls.root = os.path.join(lab.path("production-image"), "root")
        os.makedirs(os.path.dirname(cls.root))
        result = lab.tool("fsck.erofs", "--extract=root", "--no-preserve-owner", f"{cls.folder}/system.erofs",
                          binds=[cls.folder], work=os.path.dirname(cls.root))
        if result.returncode != 0:
            raise AssertionError(result.stderr)

    def refused(self, *arguments):
        out = lab.path("refused-production")
        result = lab.factory("build", "node", "--source", lab.Lab.second_source, "--out", out, "--production",
                             *arguments, env=lab.Lab.second_env)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("BR-KEYS-DEVELOPMENT", result.stderr)
        self.assertFalse(os.path.exists(out))

    def test_without_keys_is_refused(self):
        self.refused()

    def test_with_development_keys_is_refused(self):
        self.refused("--keys", lab.Lab.keys)

    def test_it_says_production(self):
        self.assertEqual(lab.manifest(self.folder)["channel"], "production")
        self.assertIs(lab.manifest(self.folder)["unlocked"], False)
        self.assertIn("\nCHANNEL=production\n", lab.read(self.root, "usr/lib/os-release").decode())
        self.assertIn("channel production", lab.read(self.root, "etc/motd").decode())
        self.assertNotIn("development", lab.read(self.root, "etc/motd").decode())

    def test_no_password(self):
        for line in lab.read(self.root, "etc/shadow").decode().splitlines():
            self.assertIn(line.split(":")[1], ("*", "!", "!*"), line)  # none is what crypt() returns

    def test_the_pattern_finds_the_development_password(self):
        with open(os.path.join(lab.base(), "system.erofs"), "rb") as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            self.assertTrue(PASSWORD.search(view), "system.erofs is not compressed, so it is there as it is")

    def test_no_password_hash_in_any_file(self):
        for path, data in self.files_inside():
            self.assertIsNone(PASSWORD.search(data), path)

    def files_inside(self):
        for folder, _, files in os.walk(self.root):
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    yield path, lab.read(path)

    def test_no_private_key_inside(self):
        self.assertEqual(scan(test_system.unpack_initrd(self.folder), self.secrets), [])
        self.assertIsNone(PEM.search(test_system.unpack_initrd(self.folder)))
        for path, data in self.files_inside():
            self.assertEqual(scan(data, self.secrets), [], path)
            if not os.path.basename(path).startswith(SELF_TESTS):
                self.assertIsNone(PEM.search(data), path)

    def test_no_private_key_in_any_artifact(self):
        known = sum(len(PEM.findall(data)) for path, data in self.files_inside()
                    if os.path.basename(path).startswith(SELF_TESTS))
        with_system = ("system.erofs", "disk.raw", "disk.qcow2")
        for folder, _, files in os.walk(self.folder):
            for name in files:
                self.assertEqual(scan_file(os.path.join(folder, name), self.secrets),
                                 ([], known if name in with_system else 0), name)

    def test_the_scan_finds_each_key(self):
        for name in PRIVATE:
            data = bytes(5000) + lab.read(lab.fresh_keys(), name)
            self.assertIn(f"{name} as text", scan(data, self.secrets))
            self.assertTrue(PEM.search(data) or "a minisign key" in scan(data, self.secrets), name)
        for name, secret in self.secrets.items():
            self.assertIn(name, scan(b"x" * 4095 + secret + b"y", self.secrets))
