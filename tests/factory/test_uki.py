"""linux.efi: sections, Secure Boot signature, PCR 11 and the policy that is signed."""
import base64
import json
import os
import shutil
import unittest

import lab
import pe

OURS = {".linux", ".initrd", ".cmdline", ".osrel", ".uname", ".sbat", ".pcrsig", ".pcrpkey"}
STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"


class Uki(unittest.TestCase):
    def setUp(self):
        self.folder = lab.base()
        self.image = lab.read(self.folder, "linux.efi")

    def verifiers(self, path, folder):
        """Exit codes of both verifiers."""
        certificate = f"{self.folder}/keys/db.crt"
        binds = [folder, f"{self.folder}/keys"]
        return (lab.tool("sbverify", "--cert", certificate, path, binds=binds).returncode,
                lab.tool("osslsigncode", "verify", "-CAfile", certificate, "-in", path, binds=binds).returncode)

    def test_sections(self):
        stub = set(pe.sections(lab.read(lab.tree() + STUB)))
        self.assertEqual(set(pe.sections(self.image)), OURS | stub)
        self.assertIn(".sbat", stub)

    def test_section_contents(self):
        text = pe.content(self.image, ".cmdline").rstrip(b"\0").decode()
        self.assertEqual(text, lab.manifest()["cmdline"])
        self.assertEqual(pe.content(self.image, ".uname").decode(), lab.manifest()["kernel"])
        self.assertEqual(pe.content(self.image, ".initrd"), lab.read(self.folder, "initrd"))
        self.assertEqual(pe.content(self.image, ".linux"), lab.read(self.folder, "vmlinuz"))
        self.assertEqual(pe.content(self.image, ".pcrpkey"), lab.read(self.folder, "keys/pcr.pub"))
        self.assertIn(b"\nBROCH_CHANNEL=development\n", pe.content(self.image, ".osrel"))
        self.assertIn(b"\nbroch,1,", pe.content(self.image, ".sbat"))

    def test_command_line(self):
        words = lab.manifest()["cmdline"].split(" ")
        self.assertIn(f"broch.verity={lab.manifest()['verity']}", words)
        for word in ("panic=5", "oops=panic", "console=tty0"):
            self.assertIn(word, words)
        self.assertEqual([word for word in words if word.startswith("console=")][-1], "console=ttyS0,115200")

    def test_both_verifiers_accept(self):
        self.assertEqual(self.verifiers(f"{self.folder}/linux.efi", self.folder), (0, 0))

    def test_a_flipped_byte_in_any_section_is_refused(self):
        work = lab.path("flipped-uki")
        os.makedirs(work)
        copy = shutil.copyfile(f"{self.folder}/linux.efi", f"{work}/linux.efi")
        for name, (offset, size) in pe.sections(self.image).items():
            with self.subTest(section=name), lab.flipped(copy, offset + size // 2):
                for code in self.verifiers(copy, work):
                    self.assertNotEqual(code, 0)
        self.assertEqual(self.verifiers(copy, work), (0, 0), "the copy was put back")

    def test_unsigned_is_refused(self):
        work = lab.path("unsigned-uki")
        os.makedirs(work)
        lab.tool("osslsigncode", "remove-signature", "-in", f"{self.folder}/linux.efi", "-out", "unsigned.efi",
                 binds=[self.folder], work=work)
        self.assertEqual(set(pe.sections(lab.read(work, "unsigned.efi"))), set(pe.sections(self.image)))
        for code in self.verifiers(f"{work}/unsigned.efi", work):
            self.assertNotEqual(code, 0)

    def test_another_key_is_refused(self):
        keys = lab.fresh_keys()
        for command in (["sbverify", "--cert", f"{keys}/db.crt", f"{self.folder}/linux.efi"],
                        ["osslsigncode", "verify", "-CAfile", f"{keys}/db.crt", "-in",
                         f"{self.folder}/linux.efi"]):
            self.assertNotEqual(lab.tool(*command, binds=[keys, self.folder]).returncode, 0)

    def test_pcr_11_is_as_predicted(self):
        stub, enter_initrd = pe.pcr11(self.image)
        self.assertEqual(lab.manifest()["pcr11_stub"], stub.hex())
        self.assertEqual(lab.manifest()["pcr11_enter_initrd"], enter_initrd.hex())

    def test_the_signed_policy(self):
        document = json.loads(pe.content(self.image, ".pcrsig"))
        self.assertEqual(list(document), ["sha256"])
        entry, = document["sha256"]
        digest = pe.policy(pe.pcr11(self.image)[1], lab.manifest()["epoch"])
        self.assertEqual(entry["pcrs"], [11])
        self.assertEqual(entry["pol"], digest.hex())
        self.assertNotEqual(entry["pol"], pe.policy(pe.pcr11(self.image)[1], lab.manifest()["epoch"] + 1).hex())
        der = lab.tool("openssl", "pkey", "-pubin", "-in", f"{self.folder}/keys/pcr.pub", "-outform", "DER",
                       binds=[self.folder]).stdout
        self.assertEqual(entry["pkfp"], pe.sha256(der).hex())
        work = lab.path("policy")
        os.makedirs(work)
        with open(f"{work}/signature", "wb") as file:
            file.write(base64.b64decode(entry["sig"], validate=True))
        for data, good in ((digest, True), (pe.sha256(digest), False)):
            with open(f"{work}/policy", "wb") as file:
                file.write(data)
            result = lab.tool("openssl", "dgst", "-sha256", "-verify", f"{self.folder}/keys/pcr.pub", "-signature",
                              "signature", "policy", binds=[self.folder], work=work)
            self.assertEqual(result.returncode == 0, good, result.stdout)
