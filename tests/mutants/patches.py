#!/usr/bin/env python3
"""Mutants that somebody thought of: plausible mistakes, each a patch in patches/.

A patch begins with a sentence that says what is wrong, and `Tests: NAMES`, the unit tests of src/org
and the store that must notice. Each is applied to a copy of the tree, built, and judged by those
tests alone; one that survives, or no longer applies, is a failure.

    patches.py --build DIR [NAME ...]
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATCHES = os.path.join(ROOT, 'tests/mutants/patches')


def run(command, directory, seconds=300):
    """The exit code; a test that hangs has noticed too."""
    try:
        return subprocess.run(command, cwd=directory, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1


def prepare(scratch):
    tree, build = os.path.join(scratch, 'tree'), os.path.join(scratch, 'build')
    shutil.rmtree(tree, ignore_errors=True)
    outside = shutil.ignore_patterns('.git', 'build', 'build-*', 'out', 'log')
    shutil.copytree(ROOT, tree, symlinks=True, ignore=outside)
    if not os.path.exists(os.path.join(build, 'build.ninja')):
        subprocess.run(['meson', 'setup', '-Dwerror=false', build, tree], check=True,
                       stdout=subprocess.DEVNULL)
    return tree, build


def judge(build, tests):
    """The test that noticed, '' for none, None when it does not compile."""
    targets = [f'src/org/{name}_test' for name in tests]
    if run(['ninja', '-C', build, '-j2', *targets], build, 900) != 0:
        return None
    for name, target in zip(tests, targets):
        if run([os.path.join(build, target)], build) != 0:
            return name
    return ''


def main():
    parser = argparse.ArgumentParser(description='Do the tests notice plausible mistakes?')
    parser.add_argument('--build', required=True)
    parser.add_argument('names', nargs='*')
    arguments = parser.parse_args()
    tree, build = prepare(os.path.abspath(arguments.build))
    patches = sorted(glob.glob(os.path.join(PATCHES, '*.patch')))
    failed = 0
    for path in patches:
        name = os.path.basename(path)[:-len('.patch')]
        if arguments.names and name not in arguments.names:
            continue
        with open(path, encoding='utf-8') as file:
            tests = re.search(r'^Tests: (.*)$', file.read(), re.MULTILINE)[1].split()
        if run(['patch', '-p1', '-s', '-i', path], tree) != 0:
            verdict = 'does not apply'
        else:
            noticed = judge(build, tests)
            verdict = {None: 'does not compile', '': 'SURVIVED'}.get(noticed, f'noticed by {noticed}')
            if run(['patch', '-p1', '-s', '-R', '-i', path], tree) != 0:
                sys.exit(f'patches: {name} cannot be taken back')
        failed += not verdict.startswith('noticed')
        print(f'{name}: {verdict}', flush=True)
    if judge(build, ['ids']) != '':
        sys.exit('patches: the tests fail without a mutant')
    print(f'{len(patches)} patches, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
