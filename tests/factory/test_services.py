"""Services of a profile: what the build refuses, with place and nearest name, and what an image then has."""
import os
import unittest

import lab

FOLDER = "profiles/node/overlay/usr/lib/broch/services"
# A service as a person would write their first one.
GOOD = ('name = "first"\n'
        'description = "A first service"\n'
        'run = ["/usr/bin/true"]\n'
        'kind = "once"\n'
        'needs = ["watchdog"]\n'
        'before = ["ready"]\n')


class Services(unittest.TestCase):
    def setUp(self):
        self.source = lab.path("services-source")
        if not os.path.exists(self.source):
            lab.copy_source(self.source)
        self.profile = os.path.join(self.source, "profiles/node/profile.toml")
        self.manifest = os.path.join(self.source, FOLDER, "first.toml")
        original = lab.read(self.profile).decode()
        self.addCleanup(lab.write, original, self.profile)
        self.addCleanup(lambda: os.path.exists(self.manifest) and os.unlink(self.manifest))
        lab.write(original.replace("enable = [", 'enable = ["first", '), self.profile)

    def build(self, text):
        lab.write(text, self.manifest)
        return lab.factory("build", "node", "--source", self.source, "--until", "system")

    def refused(self, code, *words, text):
        result = self.build(text)
        self.assertEqual(result.returncode, 1, result.stderr)
        line = next(line for line in result.stderr.splitlines() if line.startswith("broch: "))
        self.assertTrue(line.startswith(f"broch: {code}: "), line)
        for word in words:
            self.assertIn(word, line)
        self.assertIn("\n  next: ", result.stderr)

    def read(self, folder, *names):
        """Lines of files of the system image."""
        results = [lab.tool("dump.erofs", "--cat", f"--path=/{name}", f"{folder}/system.erofs", binds=[folder])
                   for name in names]
        for result in results:
            self.assertEqual(result.returncode, 0, result.stderr)
        return [result.stdout.decode().splitlines() for result in results]

    def test_good(self):
        result = self.build(GOOD)
        self.assertEqual(result.returncode, 0, result.stderr)
        order, passwd, group, shadow = self.read(result.stdout.strip(), "usr/lib/broch/services.list",
                                                 "etc/passwd", "etc/group", "etc/shadow")
        self.assertEqual(sorted(order), sorted(set(order)))
        self.assertLess(order.index("watchdog"), order.index("first"))
        self.assertLess(order.index("first"), order.index("ready"))
        user = [line for line in passwd if line.startswith("broch-first:")]
        self.assertEqual(len(user), 1)
        number = user[0].split(":")[2]
        self.assertIn(f"broch-first:x:{number}:", group)
        self.assertIn("broch-first:!*:::::::", shadow)
        self.assertTrue([line for line in passwd if line.startswith("broch-log:x:69999:69999:")])
        # The number follows from the name: another build, the same owner of files under /var.
        [again] = self.read(self.build(GOOD + "required = false\n").stdout.strip(), "etc/passwd")
        self.assertEqual([line for line in again if line.startswith("broch-first:")], user)

    def test_numbers_follow_from_names(self):
        """Packages' users too: no number says in which order packages were set up."""
        folder = self.build(GOOD).stdout.strip()
        for lines, first in zip(self.read(folder, "etc/passwd", "etc/group"), (100, 101)):
            numbers = {line.split(":")[0]: int(line.split(":")[2]) for line in lines}
            self.assertEqual([name for name, number in numbers.items() if first <= number <= 999], [])
            self.assertIn(numbers["_chrony"], range(200000, 524288))
        result = lab.tool("dump.erofs", "--path=/etc/chrony/chrony.keys", f"{folder}/system.erofs", binds=[folder])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout.decode(), rf"Gid: {numbers['_chrony']}\b")

    def test_unknown_key(self):
        self.refused("BR-SCHEMA", f"{self.manifest}:7: ", "'need'", "'needs'", text=GOOD + 'need = ["x"]\n')

    def test_broken_toml(self):
        self.refused("BR-SYNTAX", f"{self.manifest}:7: ", text=GOOD + "required = = true\n")

    def test_cycle(self):
        self.refused("BR-SERVICE-CYCLE", "first -> watchdog -> first",
                     text=GOOD.replace('["ready"]', '["ready", "watchdog"]'))

    def test_missing_dependency(self):
        self.refused("BR-SERVICE-NEEDS", f"{self.manifest}:5: ", "'wachdog'", "did you mean 'watchdog'?",
                     text=GOOD.replace('["watchdog"]', '["wachdog"]'))

    def test_missing_program(self):
        self.refused("BR-SERVICE-PROGRAM", f"{self.manifest}:3: ", "'/usr/bin/ture'",
                     text=GOOD.replace("/usr/bin/true", "/usr/bin/ture"))

    def test_missing_user(self):
        self.refused("BR-SERVICE-USER", f"{self.manifest}:7: ", "'nobdy'", text=GOOD + 'user = "nobdy"\n')

    def test_missing_manifest(self):
        lab.write(lab.read(self.profile).decode().replace('"first",', '"frist",'), self.profile)
        self.refused("BR-SERVICE-UNKNOWN", "services.enable", "'frist'", "did you mean 'first'?", text=GOOD)

    def test_tier_that_does_not_run(self):
        self.refused("BR-SERVICE-TIER", f"{self.manifest}:7: ", "'org-vm'", text=GOOD + 'tier = "org-vm"\n')
