#!/usr/bin/env python3
"""Makes mutants of src/org and asks whether the tests notice.

A mutant is one small change of one line: a negated condition, a number or a bound off by one, a
dropped statement, swapped comparison or arithmetic. Each is built in a copy of the tree and judged
by the unit tests and a short soak; the first that fails kills it. A mutant that does not compile
is not counted.

    mutants.py --build DIR [--count N] [--seed S] [--file NAME]

DIR is a scratch folder; the tree itself is not touched. The survivors are printed with their line.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ['hlc.c', 'roster.c', 'swim.c', 'swim_budget.c', 'swim_inquiry.c', 'swim_news.c',
           'swim_repair.c', 'swim_self.c', 'swim_watch.c', 'wire.c']
UNITS = ['hlc', 'roster', 'swim', 'swim_crowd', 'wire']
SWAPS = [(' < ', ' <= '), (' <= ', ' < '), (' > ', ' >= '), (' >= ', ' > '), (' == ', ' != '),
         (' != ', ' == '), (' && ', ' || '), (' || ', ' && '), (' + ', ' - '), (' - ', ' + '),
         ('true', 'false'), ('false', 'true'), ('++', '--')]
SOAKS = [['soak', '--seeds', '12', '--nodes', '20'], ['soak', '--seeds', '12', '--nodes', '4'],
         ['figures', 'kills-check']]


def mutable(lines):
    """The numbers of lines inside functions that hold a statement; checks are left alone."""
    inside = False
    for number, line in enumerate(lines):
        if line.startswith('{'):
            inside = True
        elif line.startswith('}'):
            inside = False
        elif inside and line.strip() and 'CHECK(' not in line and 'count(s, ' not in line \
                and not line.strip().startswith(('/*', '*', 'case', 'default', 'break')):
            yield number


def mutations(line):
    """(what, mutated line) of one line."""
    code = line.split('/*')[0]
    match = re.match(r'(\s*(?:} else )?(?:if|while) \()(.*)(\).*)$', code)
    if match and code.count('(') == code.count(')'):
        yield 'negated', f'{match[1]}!({match[2]}){match[3]}'
    for old, new in SWAPS:
        for at in re.finditer(re.escape(old), code):
            yield f'{old.strip()} for {new.strip()}', code[:at.start()] + new + code[at.end():]
    for at in re.finditer(r'(?<![\w.])(\d+)(?!\w)', code):
        yield 'off by one', code[:at.start()] + str(int(at[1]) + 1) + code[at.end():]
    if re.match(r'\s+[\w>.\-\[\]()*&, ]+(=|\+=|\|=|&=|\+\+|--|\().*;$', code) \
            and not re.match(r'\s+(struct|const|uint|size_t|bool|enum|return|int|for|goto)\b', code):
        yield 'dropped', re.match(r'\s*', code)[0] + ';'


def all_mutants(names):
    for name in names:
        with open(os.path.join(ROOT, 'src/org', name), encoding='utf-8') as file:
            lines = file.read().split('\n')
        for number in mutable(lines):
            for what, line in mutations(lines[number]):
                yield name, number, what, line


def run(command, seconds=120):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1


def judge(build):
    """None when it does not compile, else the name of the test that killed it, or ''."""
    targets = [f'src/org/org_{name}_test' for name in UNITS] + ['tests/sim/broch-sim']
    if run(['ninja', '-C', build, '-j1', *targets], 300) != 0:
        return None
    for name in UNITS:
        golden = [os.path.join(build, '../tree/src/org/wire_golden.txt')] if name == 'wire' else []
        if run([os.path.join(build, f'src/org/org_{name}_test'), *golden], 60) != 0:
            return f'unit {name}'
    for soak in SOAKS:
        if run([os.path.join(build, 'tests/sim/broch-sim'), *soak]) != 0:
            return ' '.join(soak)
    return ''


def prepare(scratch):
    tree, build = os.path.join(scratch, 'tree'), os.path.join(scratch, 'build')
    shutil.rmtree(tree, ignore_errors=True)
    outside = shutil.ignore_patterns('.git', 'build', 'build-*', 'out', 'log')
    shutil.copytree(ROOT, tree, symlinks=True, ignore=outside)
    if not os.path.exists(os.path.join(build, 'build.ninja')):
        # Warnings are no errors here: a dropped statement may leave a variable unused.
        # The sanitizer sees a bound that is off by one where the tests would be lucky.
        subprocess.run(['meson', 'setup', '-Dwerror=false', '-Db_sanitize=undefined',
                        '-Dc_args=-fno-sanitize-recover=all', build, tree], check=True,
                       stdout=subprocess.DEVNULL)
    if judge(build) != '':
        sys.exit('mutants: the tests fail without a mutant')
    return tree, build


def main():
    parser = argparse.ArgumentParser(description='Do the tests notice mutants of src/org?')
    parser.add_argument('--build', required=True)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--file', action='append')
    arguments = parser.parse_args()
    scratch = os.path.abspath(arguments.build)
    tree, build = prepare(scratch)
    candidates = list(all_mutants(arguments.file or SOURCES))
    random.Random(arguments.seed).shuffle(candidates)
    killed, survivors = 0, []
    for name, number, what, line in candidates:
        if killed + len(survivors) == arguments.count:
            break
        path = os.path.join(tree, 'src/org', name)
        with open(path, encoding='utf-8') as file:
            original = file.read()
        lines = original.split('\n')
        where = f'{name}:{number + 1}: {what}: {lines[number].strip()} -> {line.strip()}'
        lines[number] = line
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines))
        verdict = judge(build)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(original)
        if verdict is None:
            continue
        if verdict:
            killed += 1
        else:
            survivors.append(where)
            print(f'survived {where}', flush=True)
    total = killed + len(survivors)
    print(f'{total} mutants of {len(candidates)} possible, {killed} killed '
          f'({100 * killed // max(total, 1)} %), {len(survivors)} survived')


if __name__ == '__main__':
    main()
