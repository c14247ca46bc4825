"""generation.json, its signature, SHA256SUMS, and what is published about formats."""
import json
import os
import re
import shutil
import unittest

import lab


class Manifest(unittest.TestCase):
    def setUp(self):
        self.folder = lab.base()

    def verify(self, folder):
        return lab.tool("minisign", "-V", "-p", f"{self.folder}/release.pub", "-m", f"{folder}/generation.json",
                        "-x", f"{self.folder}/generation.json.minisig", binds=[self.folder, folder])

    def test_minisign_verifies(self):
        result = self.verify(self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"Trusted comment: timestamp:%d" % lab.manifest()["date"], result.stdout)

    def test_a_changed_byte_is_refused(self):
        copy = lab.path("changed-manifest")
        os.makedirs(copy)
        shutil.copy(f"{self.folder}/generation.json", copy)
        self.assertEqual(self.verify(copy).returncode, 0)
        size = os.path.getsize(f"{copy}/generation.json")
        for offset in (0, size // 2, size - 1):
            with self.subTest(offset=offset), lab.flipped(f"{copy}/generation.json", offset):
                self.assertNotEqual(self.verify(copy).returncode, 0)

    def test_another_key_is_refused(self):
        keys = lab.fresh_keys()
        result = lab.tool("minisign", "-V", "-p", f"{keys}/release.pub", "-m", f"{self.folder}/generation.json",
                          binds=[self.folder, keys])
        self.assertNotEqual(result.returncode, 0)

    def test_every_file_has_its_size_and_hash(self):
        files = lab.manifest()["files"]
        self.assertEqual([file["name"] for file in files], lab.ARTIFACTS)
        for file in files:
            with self.subTest(name=file["name"]):
                path = os.path.join(self.folder, file["name"])
                self.assertEqual(os.path.getsize(path), file["size"])
                self.assertEqual(lab.sha256(path), file["sha256"])

    def test_sums_are_complete_and_right(self):
        sums = lab.sums(self.folder)
        self.assertEqual(set(sums), {*lab.ARTIFACTS, "generation.json", "generation.json.minisig"})
        for file in lab.manifest()["files"]:
            self.assertEqual(sums[file["name"]], file["sha256"])
        for name in ("generation.json", "generation.json.minisig"):
            self.assertEqual(sums[name], lab.sha256(os.path.join(self.folder, name)))

    def test_the_folder_holds_nothing_else(self):
        self.assertEqual(set(os.listdir(self.folder)), {*lab.ARTIFACTS, "generation.json", "release.pub",
                         "generation.json.minisig", "SHA256SUMS", "keys"})
        self.assertEqual(set(os.listdir(f"{self.folder}/keys")), {"PK.crt", "KEK.crt", "db.crt", "pcr.pub",
                         "owner.guid"})

    def test_the_lock_is_named(self):
        lock = f"{lab.Lab.base_source}/profiles/node/packages.x86_64.lock"
        self.assertEqual(lab.manifest()["lock"], lab.sha256(lock))
        self.assertIs(lab.manifest()["unlocked"], False)
        self.assertEqual(lab.manifest()["channel"], "development")

    def test_the_manifest_has_what_its_schema_wants(self):
        schema = json.loads(lab.read(lab.SOURCE, "docs/reference/generation.schema.json"))
        found = lab.manifest()
        self.assertLessEqual(set(schema["required"]), set(found))
        self.assertLessEqual(set(found), set(schema["properties"]))
        for name, rule in schema["properties"].items():
            if "pattern" in rule:
                self.assertRegex(found[name], re.compile(rule["pattern"]), name)
            if "const" in rule:
                self.assertEqual(found[name], rule["const"], name)


class Published(unittest.TestCase):
    """Pages under docs/ that a program prints."""

    def compare(self, page, *arguments):
        result = lab.factory(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(lab.read(lab.SOURCE, "docs/reference", page).decode(), result.stdout,
                         f"docs/reference/{page} is out of date: broch {' '.join(arguments)} prints it")

    def test_profile_schema(self):
        self.compare("profile.schema.json", "schema", "profile")

    def test_config_schema(self):
        self.compare("config.schema.json", "schema", "config")

    def test_service_schema(self):
        self.compare("service.schema.json", "schema", "service")

    def test_generation_schema(self):
        self.compare("generation.schema.json", "schema", "generation")

    def test_error_catalogue(self):
        self.compare("errors.md", "errors", "--markdown")
