"""packages.lock decides: wrong bytes, versions that are gone, no network. The mirrors are local."""
import functools
import gzip
import hashlib
import http.server
import os
import shutil
import subprocess
import threading
import time
import unittest
import urllib.parse

import lab

LOCK = "profiles/node/packages.x86_64.lock"
FIELDS = ["role", "archive", "name", "version", "arch", "size", "sha256", "path"]
FOLDERS = {"main": "debian", "security": "debian-security"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def packages(source):
    """What a lock names."""
    return [dict(zip(FIELDS, line.split(" ")[1:])) for line in lab.read(source, LOCK).decode().splitlines()
            if line.startswith("package ")]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A build that refuses one package hangs up on the others."""


class Mirror:
    """A folder laid out like Debian's archives, with the packages of the profile's lock, over HTTP."""

    def __init__(self, folder, source):
        self.folder = folder
        for package in packages(source):
            target = self.path(package)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            cached = os.path.join(lab.user_cache(), "packages", package["sha256"] + ".deb")
            try:
                os.link(cached, target)
            except OSError:
                shutil.copy(cached, target)
        handler = functools.partial(Quiet, directory=folder)
        self.server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/{{archive}}"
        self.file_address = f"file://{folder}/{{archive}}"

    def path(self, package):
        return os.path.join(self.folder, FOLDERS[package["archive"]], urllib.parse.unquote(package["path"]))

    def change(self, package, data):
        """Replaces a package; the cache's own file, which has the same bytes, is left alone."""
        os.unlink(self.path(package))
        with open(self.path(package), "wb") as file:
            file.write(data)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Lock(unittest.TestCase):
    def setUp(self):
        lab.base()
        self.name = self.id().split(".")[-1]
        self.source = lab.copy_source(lab.path(f"lock-{self.name}"))
        self.cache = lab.make_cache(f"cache-{self.name}", packages=False)
        self.out = lab.path(f"out-{self.name}")
        self.keys = lab.development_keys()
        self.mirror = Mirror(lab.path(f"mirror-{self.name}"), self.source)
        self.addCleanup(self.mirror.close)

    def build(self, *arguments, mirror=None, command=()):
        env = lab.environment(BROCH_CACHE=self.cache, BROCH_MIRROR=mirror or self.mirror.address)
        env.pop("BROCH_SNAPSHOT", None)
        return lab.build_with_events("--source", self.source, "--out", self.out, "--keys", self.keys, *arguments,
                                     env=env, command=command)[0]

    def refused(self, result, code, exit_code, *words):
        self.assertEqual(result.returncode, exit_code, result.stderr)
        line = next(line for line in result.stderr.splitlines() if line.startswith("broch: "))
        self.assertIn(f"broch: {code}: ", line)
        for word in words:
            self.assertIn(word, line)
        self.assertFalse(os.path.exists(os.path.join(self.cache, "steps")), "nothing was unpacked")
        self.assertFalse(os.path.exists(self.out))

    def some(self, name="bash"):
        return next(package for package in packages(self.source) if package["name"] == name)

    def damage(self):
        package = self.some()
        data = bytearray(lab.read(self.mirror.path(package)))
        data[len(data) // 2] ^= 1
        self.mirror.change(package, data)
        return package, hashlib.sha256(data).hexdigest()

    def test_damaged_package_over_http(self):
        package, found = self.damage()
        self.refused(self.build(), "BR-LOCK-HASH", 13, f"package bash {package['version']}", package["sha256"], found)
        self.assertFalse(os.path.exists(os.path.join(self.cache, "packages", package["sha256"] + ".deb")))

    def test_damaged_package_from_a_folder(self):
        package, found = self.damage()
        self.refused(self.build(mirror=self.mirror.file_address), "BR-LOCK-HASH", 13,
                     f"package bash {package['version']}", package["sha256"], found)

    def test_wrong_hash_in_the_lock(self):
        """With every package in the cache and a sound mirror: the lock alone is wrong."""
        package = self.some()
        wrong = package["sha256"][:-1] + ("0" if package["sha256"][-1] != "0" else "1")
        lab.replace(package["sha256"], wrong, self.source, LOCK)
        lab.copy_packages(os.path.join(self.cache, "packages"))
        self.refused(self.build(), "BR-LOCK-HASH", 13, f"package bash {package['version']}", wrong,
                     package["sha256"])

    def test_longer_and_shorter_packages(self):
        package = self.some()
        data = lab.read(self.mirror.path(package))
        for changed in (data + b"x", data[:-1], b""):
            with self.subTest(size=len(changed) - len(data)):
                self.mirror.change(package, changed)
                self.refused(self.build(), "BR-LOCK-HASH", 13, "bash", package["version"])

    def test_rot_in_the_cache_is_fetched_again(self):
        package = self.some()
        lab.copy_packages(os.path.join(self.cache, "packages"))
        path = os.path.join(self.cache, "packages", package["sha256"] + ".deb")
        data = bytearray(lab.read(path))
        data[100] ^= 1
        os.unlink(path)
        with open(path, "wb") as file:
            file.write(data)
        # The packages come first whatever step is wanted; the programs are there already.
        lab.Lab.background["second"].join()
        os.makedirs(os.path.join(self.cache, "steps"))
        os.symlink(os.path.join(lab.Lab.second_cache, "steps/programs"), os.path.join(self.cache, "steps/programs"))
        result = self.build("--until", "programs")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(lab.sha256(path), package["sha256"])

    def test_gone_from_the_mirror_in_production(self):
        package = self.some()
        os.unlink(self.mirror.path(package))
        self.keys = lab.fresh_keys()
        result = self.build("--production")
        self.refused(result, "BR-UNLOCKED", 1, f"package bash {package['version']}")
        self.assertIn("BROCH_SNAPSHOT", result.stderr)

    def test_stale(self):
        with open(os.path.join(self.source, "profiles/node/packages.txt"), "a", encoding="utf-8") as file:
            file.write("hello\n")
        self.refused(self.build(), "BR-LOCK-STALE", 1, LOCK)

    def test_missing(self):
        os.unlink(os.path.join(self.source, LOCK))
        self.refused(self.build(), "BR-LOCK-MISSING", 1, LOCK)

    def test_broken(self):
        lab.replace("package system ", "package sistem ", self.source, LOCK)
        self.refused(self.build(), "BR-SYNTAX", 1, f"{LOCK}:4")

    def test_offline_with_a_cold_cache(self):
        self.refused(self.build("--offline"), "BR-OFFLINE", 1, "is not in the cache")

    def test_no_mirror_answers(self):
        self.mirror.close()
        result = self.build()
        self.refused(result, "BR-DOWNLOAD", 1)


class Renewal(unittest.TestCase):
    """A development build whose lock names a version that left the mirror. The mirror is signed by a key of the
    test, which stands in for Debian's in a mount namespace."""

    def setUp(self):
        lab.base()
        lab.Lab.background["second"].join()  # whose cache has the kernel and the programs
        self.source = lab.copy_source(lab.path("gone-source"))
        self.mirror = Mirror(lab.path("signed-mirror"), self.source)
        self.addCleanup(self.mirror.close)
        self.keyring = lab.path("test-keyring.gpg")
        self.publish()

    def gpg(self, *arguments):
        home = lab.path("gnupg")
        os.makedirs(home, mode=0o700, exist_ok=True)
        result = subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--pinentry-mode",
                                 "loopback", "--passphrase", "", *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr)

    def stanza(self, package):
        """A package as an archive's index describes it. The kernel's needs are left out, as it is only unpacked."""
        control = subprocess.run(["dpkg-deb", "--field", self.mirror.path(package)], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        if package["role"] == "kernel":
            control = f"Package: {package['name']}\nVersion: {package['version']}\nArchitecture: amd64\n" \
                      "Maintainer: nobody <nobody@localhost>\nDescription: a kernel\n"
        path = urllib.parse.unquote(package["path"])
        return f"{control}Filename: {path}\nSize: {package['size']}\nSHA256: {package['sha256']}\n\n"

    def publish(self):
        index = {"main": "", "security": ""}
        for package in packages(self.source):
            index[package["archive"]] += self.stanza(package)
            if package["role"] == "kernel":
                index["main"] += (f"Package: linux-image-amd64\nVersion: 1\nArchitecture: amd64\nDepends: "
                                  f"{package['name']}\nMaintainer: nobody <nobody@localhost>\nDescription: the kernel\n"
                                  f"Filename: none.deb\nSize: 1\nSHA256: {'0' * 64}\n\n")
        self.gpg("--quick-generate-key", "Test of the factory <nobody@localhost>", "rsa2048", "sign", "never")
        self.gpg("--output", self.keyring, "--export")
        for suite, folder, text in (("trixie", "debian", index["main"]), ("trixie-updates", "debian", ""),
                                    ("trixie-security", "debian-security", index["security"])):
            self.publish_suite(os.path.join(self.mirror.folder, folder, "dists", suite), suite, text)

    def publish_suite(self, folder, suite, text):
        data = gzip.compress(text.encode(), mtime=0)
        os.makedirs(os.path.join(folder, "main/binary-amd64"))
        with open(os.path.join(folder, "main/binary-amd64/Packages.gz"), "wb") as file:
            file.write(data)
        now = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
        release = (f"Origin: Test\nSuite: {suite}\nCodename: {suite}\nDate: {now}\nArchitectures: amd64\n"
                   f"Components: main\nSHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} "
                   "main/binary-amd64/Packages.gz\n"
                   f" {hashlib.sha256(text.encode()).hexdigest()} {len(text)} main/binary-amd64/Packages\n")
        lab.write(release, folder, "Release")
        self.gpg("--output", os.path.join(folder, "InRelease"), "--clearsign", os.path.join(folder, "Release"))

    def test_a_development_build_renews(self):
        package = next(package for package in packages(self.source) if package["name"] == "bash")
        old = " ".join(package[name] for name in ("version", "arch", "size", "sha256", "path"))
        new = f"0.9-1 amd64 1000000 {'a' * 64} pool/main/b/bash/bash_0.9-1_amd64.deb"
        lab.replace(old, new, self.source, LOCK)
        before = lab.read(self.source, LOCK)
        apart = ["unshare", "--mount"] if lab.ROOT else ["unshare", "--map-root-user", "--map-auto", "--mount"]
        command = [*apart, "sh", "-c", f'mount --bind "$1" {KEYRING} && shift && exec "$@"', "sh", self.keyring]
        env = dict(lab.Lab.second_env, BROCH_MIRROR=self.mirror.address)
        env.pop("BROCH_SNAPSHOT", None)
        result, events, _ = lab.build_with_events("--source", self.source, "--out", lab.path("unlocked-out"),
                                                  "--keys", lab.Lab.keys, env=env, command=command)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("package bash 0.9-1 is no longer at ", result.stderr)
        self.assertIn("renewing the lock for this build; the generation is 'unlocked'", result.stderr)
        folder = result.stdout.strip()
        found = lab.manifest(folder)
        self.assertIs(found["unlocked"], True)
        self.assertNotEqual(found["lock"], lab.manifest()["lock"])
        self.assertIn(b"\nBROCH_LOCK=unlocked\n", lab.read(folder, "linux.efi"))
        self.assertEqual(lab.read(self.source, LOCK), before, "the committed lock is the user's to renew")
        self.assertEqual(lab.statuses(events)["kernel"], "cached", "the kernel is the same package")
