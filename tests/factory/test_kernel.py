"""The kernel of our own: refused by the option's name, and the same bytes from nothing. Compiles a kernel, so `make
soak` runs it and `make test` does not."""
import os
import unittest

import lab


def sums_of(folder):
    """Every file of a step's result, without the notes of the cache."""
    found = [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(file, folder): lab.sha256(file) for file in found if os.path.dirname(file) != folder or
            not os.path.basename(file).startswith(".")}


def kernel(source, *arguments, env=None):
    return lab.factory("build", "node", "--kernel", "broch", "--until", "kernel", "--source", source, *arguments,
                       env=env)


class Options(unittest.TestCase):
    def setUp(self):
        self.source = lab.path(self.id())
        lab.copy_source(self.source)

    def refused(self, code, *words):
        result = kernel(self.source)
        self.assertEqual(result.returncode, 1, result.stderr)
        line = next(line for line in result.stderr.splitlines() if line.startswith("broch: "))
        self.assertTrue(line.startswith(f"broch: {code}: step kernel: "), line)
        for word in words:
            self.assertIn(word, line)

    def test_an_option_that_kconfig_drops(self):
        """Nothing says MD any more, so Kconfig leaves out all of device mapper, without a word."""
        lab.replace("CONFIG_MD=y\n", "", self.source, "kernel", "common.config")
        self.refused("BR-KERNEL-OPTION", "CONFIG_BLK_DEV_DM: kernel/common.config wants y, the kernel has n")

    def test_a_required_option_that_no_fragment_names(self):
        lab.replace("CONFIG_DM_VERITY=y\n", "", self.source, "kernel", "common.config")
        self.refused("BR-KERNEL-OPTION", "CONFIG_DM_VERITY: kernel/required.config wants y, the kernel has n")

    def test_an_option_that_must_be_off(self):
        lab.replace("CONFIG_MODULES=n\n", "CONFIG_MODULES=y\n", self.source, "kernel", "common.config")
        self.refused("BR-KERNEL-OPTION", "CONFIG_MODULES: kernel/required.config wants n, the kernel has y")

    def test_a_line_that_is_none(self):
        lab.replace("CONFIG_MODULES=n\n", "CONFIG_MODULES\n", self.source, "kernel", "common.config")
        self.refused("BR-SYNTAX", "kernel/common.config:")


class SameBytes(unittest.TestCase):
    def test_from_nothing_elsewhere(self):
        """Another cache, source, time zone and number of jobs; the user's kernel may have grown step by step."""
        first = kernel(lab.Lab.base_source)
        self.assertEqual(first.returncode, 0, first.stderr)
        cache = lab.make_cache("kernel-cache")
        other = kernel(lab.copy_source(lab.path("another kernel's source"), lab.OLD), "--jobs", "3", "--offline",
                       env=lab.environment(BROCH_CACHE=cache, TZ="Pacific/Kiritimati"))
        self.assertEqual(other.returncode, 0, other.stderr)
        one, two = first.stdout.strip(), other.stdout.strip()
        self.assertNotEqual(one, two)
        self.assertRegex(other.stderr, r"\bkernel +done")
        files = sums_of(one)
        self.assertIn("vmlinuz", files)
        self.assertEqual(files, sums_of(two))
