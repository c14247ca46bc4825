"""The lists of components and the provenance: what a second reader finds, and what broch verify refuses."""
import hashlib
import json
import os
import shutil
import unittest

import lab
from test_verify import copy_of, verify

SPDX, CYCLONEDX = "sbom.spdx.json", "sbom.cdx.json"


def load(folder, name):
    return json.loads(lab.read(folder, name))


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = lab.base()
        cls.image = lab.path("sbom-image")
        os.makedirs(cls.image)
        result = lab.tool("fsck.erofs", "--extract=/run/work/tree", "--no-preserve", f"{cls.folder}/system.erofs",
                          binds=[cls.folder], work=cls.image)
        if result.returncode != 0:
            raise RuntimeError(result.stderr.decode())
        cls.spdx, cls.cyclonedx = load(cls.folder, SPDX), load(cls.folder, CYCLONEDX)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.image)

    def test_every_file_of_the_image_by_another_reader(self):
        """fsck.erofs unpacks the image; each file's sums are those of the lists, and no file is left over."""
        listed = {file["fileName"]: {sum["algorithm"]: sum["checksumValue"] for sum in file["checksums"]}
                  for file in self.spdx["files"]}
        found, root = 0, f"{self.image}/tree"
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path) or os.path.islink(path):
                    continue
                sums = listed["./system/" + os.path.relpath(path, root)]
                content = lab.read(path)
                self.assertEqual(sums, {"SHA1": hashlib.sha1(content).hexdigest(),
                                        "SHA256": hashlib.sha256(content).hexdigest()}, path)
                found += 1
        self.assertEqual(found, len([name for name in listed if name.startswith("./system/")]))
        self.assertGreater(found, 1000)

    def test_each_file_belongs_to_one_component(self):
        contained = [relation["relatedSpdxElement"] for relation in self.spdx["relationships"]
                     if relation["relationshipType"] == "CONTAINS"]
        self.assertEqual(sorted(contained), sorted(file["SPDXID"] for file in self.spdx["files"]))
        names = [file["name"] for component in self.cyclonedx["components"] for file in component["components"]]
        self.assertEqual(sorted(f"./{name}" for name in names), sorted(file["fileName"] for file in self.spdx["files"]))

    def test_owners(self):
        owner = {file["name"]: component["name"] for component in self.cyclonedx["components"]
                 for file in component["components"]}
        kernel = "linux-image-" + lab.manifest()["kernel"]
        for name, wanted in (("system/usr/bin/bash", "bash"), ("system/usr/bin/broch", "broch"),
                             ("system/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6"),
                             ("system/etc/shadow", "made-by-the-build"), ("initrd/init", "broch"),
                             ("initrd/lib/x86_64-linux-gnu/libc.so.6", "libc6"),
                             ("initrd/broch/cmdline", "made-by-the-build"), ("linux.efi/.linux", kernel),
                             ("linux.efi/.text", "systemd-boot-efi")):
            self.assertEqual(owner[name], wanted, name)
        self.assertEqual({owner[name] for name in owner if name.startswith("initrd/modules/")}, {kernel})

    @staticmethod
    def entries(lock):
        """(name, version, sum) of each package of a lock."""
        lines = lab.read(lab.Lab.base_source, lock).decode().splitlines()
        fields = [line.split(" ") for line in lines if line.startswith("package ")]
        return {(field[3], field[4], field[7]) for field in fields}

    def test_packages_are_those_of_the_lock(self):
        """And of the tools': a library in stage 1 may have another version than the one in the system."""
        locks = [self.entries(f"{place}/packages.x86_64.lock") for place in ("profiles/node", "tools")]
        found = {(component["name"], component["version"], component["hashes"][0]["content"])
                 for component in self.cyclonedx["components"] if "purl" in component}
        self.assertGreater(len(locks[0]), 100)
        self.assertLessEqual(locks[0], found)
        self.assertLessEqual(found, locks[0] | locks[1])

    def test_verification_codes(self):
        """SPDX 2.3, 7.9, computed by the book."""
        sums = {file["SPDXID"]: file["checksums"][0]["checksumValue"] for file in self.spdx["files"]}
        files = {}
        for relation in self.spdx["relationships"]:
            if relation["relationshipType"] == "CONTAINS":
                files.setdefault(relation["spdxElementId"], []).append(sums[relation["relatedSpdxElement"]])
        for package in self.spdx["packages"]:
            if package["filesAnalyzed"]:
                code = hashlib.sha1("".join(sorted(files[package["SPDXID"]])).encode()).hexdigest()
                self.assertEqual(package["packageVerificationCode"]["packageVerificationCodeValue"], code)

    def test_licences(self):
        said = {package["name"]: package["licenseDeclared"] for package in self.spdx["packages"]}
        self.assertIn("GPL-3.0-or-later", said["bash"])
        self.assertEqual(said["broch"], "Apache-2.0")
        self.assertEqual(said["made-by-the-build"], "NOASSERTION")
        explained = {info["licenseId"] for info in self.spdx["hasExtractedLicensingInfos"]}
        used = {word.strip("()") for text in said.values() for word in text.split() if "LicenseRef-" in word}
        self.assertEqual(explained, used)

    def test_our_programs_say_what_they_are(self):
        root, seen = f"{self.image}/tree/usr/lib/broch", 0
        for name in [*(os.path.join(root, name) for name in os.listdir(root)), f"{self.image}/tree/usr/bin/broch"]:
            if os.path.islink(name) or not os.path.isfile(name) or lab.read(name)[:4] != b"\x7fELF":
                continue
            self.assertIn(b'{"type":"broch","os":"broch","osVersion":"', lab.read(name), name)
            seen += 1
        self.assertGreater(seen, 20)


class Provenance(unittest.TestCase):
    def test_statement(self):
        found, manifest = load(lab.base(), "provenance.json"), lab.manifest()
        self.assertEqual(found["_type"], "https://in-toto.io/Statement/v1")
        self.assertEqual(found["predicateType"], "https://slsa.dev/provenance/v1")
        files = {file["name"]: file["sha256"] for file in manifest["files"]}
        subjects = {subject["name"]: subject["digest"]["sha256"] for subject in found["subject"]}
        self.assertEqual(subjects, {name: files[name] for name in subjects})
        self.assertLessEqual({"linux.efi", "system.erofs", "disk.raw"}, set(subjects))
        needs = {need["name"]: need["digest"] for need in found["predicate"]["buildDefinition"]["resolvedDependencies"]}
        self.assertEqual(needs["packages.x86_64.lock"]["sha256"], manifest["lock"])
        self.assertIn("bash", needs)
        key = lab.sha256(os.path.join(lab.base(), "release.pub"))
        self.assertEqual(found["predicate"]["runDetails"]["builder"]["id"], f"urn:broch:release-key:sha256:{key}")


class Refused(unittest.TestCase):
    """A list that does not fit is refused even by whoever only looks at the list."""

    def check(self, work, name, change):
        document = load(work, name)
        before = lab.read(work, name)
        change(document)
        lab.write(json.dumps(document), work, name)
        code, parts = verify(work)
        self.assertEqual((code, parts["bad"]), (13, {name, f"components in {name}"}))
        with open(os.path.join(work, name), "wb") as file:
            file.write(before)

    def test_lists(self):
        work = copy_of(lab.base(), "refused-sbom")

        def inner(document):
            return next(c["components"] for c in document["components"] if c["name"] == "bash")

        self.check(work, SPDX, lambda d: d["files"].pop(100))
        self.check(work, SPDX, lambda d: d["relationships"].pop())
        self.check(work, SPDX, lambda d: d["relationships"].append(d["relationships"][-1]))
        self.check(work, CYCLONEDX, lambda d: inner(d).pop())
        self.check(work, CYCLONEDX, lambda d: inner(d).append({**inner(d)[0], "name": "system/usr/bin/extra"}))
        self.check(work, CYCLONEDX, lambda d: d["components"][0]["components"].append(inner(d)[0]))
        self.check(work, CYCLONEDX, lambda d: inner(d)[0]["hashes"][0].update(content="0" * 64))
        self.assertEqual(verify(work)[0], 0)

    def test_provenance_of_another_generation(self):
        work = copy_of(lab.base(), "refused-provenance")
        document = load(work, "provenance.json")
        document["subject"][0]["digest"]["sha256"] = "0" * 64
        lab.write(json.dumps(document), work, "provenance.json")
        code, parts = verify(work)
        self.assertEqual((code, parts["bad"]), (13, {"provenance.json", "provenance"}))
