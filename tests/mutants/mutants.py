#!/usr/bin/env python3
"""Makes mutants of src/org and asks whether the tests notice.

A mutant is one small change of one line: a negated condition, a number or a bound off by one, a
dropped statement, swapped comparison or arithmetic. Each is built in a copy of the tree and judged
by the unit tests and the simulator; the first that fails kills it. A mutant that does not compile
is not counted. The patches beside this file are mutants that people thought of: plausible errors of
several lines. All of those must be killed.

    mutants.py --build DIR [--group live|state] [--count N] [--seed S] [--file NAME] [--fresh] [--quick]
    mutants.py --build DIR --patches

--quick judges by the unit tests alone, in a tenth of the time: for finding out which tests are missing.

DIR is a scratch folder; the tree itself is not touched. Verdicts are kept there: a mutant that was
killed is not judged again while its file stays as it is, so that a run after adding a test looks at
the survivors only (--fresh forgets). Nothing here compares traces or recordings with kept ones, which
every change would fail: what kills is a promise that is broken.

Survivors that change nothing anybody could see are listed in survivors.txt with the reason, one a
line: FILE | LINE AS IT IS | LINE AS CHANGED | REASON. They count as survivors all the same.
"""
import argparse
import filecmp
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
SWAPS = [(' < ', ' <= '), (' <= ', ' < '), (' > ', ' >= '), (' >= ', ' > '), (' == ', ' != '),
         (' != ', ' == '), (' && ', ' || '), (' || ', ' && '), (' + ', ' - '), (' - ', ' + '),
         ('true', 'false'), ('false', 'true'), ('++', '--')]


class Group:
    """What belongs together: sources, and the tests that look at them, quickest first."""

    def __init__(self, library, sources, units, program, runs, arguments=None, leaves=(), shared=()):
        self.library, self.sources, self.units, self.program = library, sources, units, program
        self.runs, self.arguments = runs, arguments or {}
        # Tests that look at one source alone; of these sources, those that other tests use as well.
        self.leaves, self.shared = leaves, shared

    def targets(self):
        return [f'src/org/{unit}_test' for unit in self.units] + [self.program]

    def units_for(self, name):
        """The tests of this file first: they know it best. Those that cannot reach it are left out."""
        stem = name.removesuffix('.c')
        units = [unit for unit in self.units if unit not in self.leaves or stem == unit.removeprefix('org_')]
        if f'org_{stem}' in self.leaves and stem not in self.shared:
            units = [f'org_{stem}']
        return sorted(units, key=lambda unit: not stem.startswith(unit.removeprefix('org_')))


GROUPS = {
    'live': Group(
        'liborg.a',
        ['hlc.c', 'roster.c', 'swim.c', 'swim_budget.c', 'swim_inquiry.c', 'swim_news.c', 'swim_random.c',
         'swim_repair.c', 'swim_self.c', 'swim_watch.c', 'wire.c'],
        ['org_hlc', 'org_roster', 'org_wire', 'org_swim', 'org_swim_crowd', 'org_swim_inquiry', 'org_swim_news',
         'org_swim_random', 'org_swim_repair', 'org_swim_self', 'org_swim_watch'],
        'tests/sim/broch-sim',
        [['soak', '--partial', '--seeds', '12', '--nodes', '4'],
         ['figures', 'check'],
         ['soak', '--partial', '--seeds', '10', '--nodes', '20']],
        {'org_wire': ['src/org/wire_golden.txt']}, ['org_hlc', 'org_roster', 'org_wire'], ['roster', 'wire']),
    'state': Group(
        'liborg_state.a',
        ['chain.c', 'chain_batch.c', 'chain_fork.c', 'chain_kept.c', 'checkpoint.c', 'crdt.c', 'entry.c',
         'gate.c', 'gf64.c', 'ids.c', 'index.c', 'leaf.c', 'merkle.c', 'ranks.c', 'record.c', 'replica.c',
         'replica_checkpoint.c', 'replica_disk.c', 'revoke.c', 'sha256.c', 'sketch.c', 'symbol.c', 'sync.c',
         'sync_descend.c', 'sync_find.c', 'sync_want.c', 'topology.c', 'tree.c'],
        ['chain', 'checkpoint', 'crdt', 'entry', 'gate', 'gf64', 'ids', 'index', 'leaf', 'merkle', 'ranks',
         'record', 'revoke', 'sha256', 'sketch', 'symbol', 'topology', 'sync', 'upgrade', 'tree', 'replica',
         'replica_checkpoint'],
        'tests/sim/broch-state-sim',
        [['soak', '--seeds', '10']]),
}


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


def all_mutants(tree, names):
    for name in names:
        with open(os.path.join(tree, 'src/org', name), encoding='utf-8') as file:
            lines = file.read().split('\n')
        for number in mutable(lines):
            for what, line in mutations(lines[number]):
                yield name, number, what, line


def run(command, seconds=240, cwd=None):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=seconds, check=False, cwd=cwd).returncode
    except subprocess.TimeoutExpired:
        return -1


class Judge:
    def __init__(self, scratch, group, quick):
        self.quick = quick
        self.tree, self.build = os.path.join(scratch, 'tree'), os.path.join(scratch, 'build')
        self.group = group
        self.kept = os.path.join(scratch, 'verdicts.json')
        self.commands, self.verdicts = {}, {}
        if os.path.exists(self.kept):
            with open(self.kept, encoding='utf-8') as file:
                self.verdicts = json.load(file)

    def prepare(self):
        """Brings the copy up to date; what did not change keeps its time, so that little is compiled."""
        names = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
                               check=True, stdout=subprocess.PIPE, text=True).stdout.split('\0')
        wanted = {n for n in names if n and os.path.isfile(os.path.join(ROOT, n))}
        for folder, _, files in os.walk(self.tree):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.relpath(path, self.tree) not in wanted:
                    os.unlink(path)
        for name in wanted:
            there, here = os.path.join(self.tree, name), os.path.join(ROOT, name)
            if not os.path.exists(there) or not filecmp.cmp(here, there, shallow=False):
                os.makedirs(os.path.dirname(there), exist_ok=True)
                shutil.copy(here, there)
        if not os.path.exists(os.path.join(self.build, 'build.ninja')):
            # Warnings are no errors here: a dropped statement may leave a variable unused.
            # The sanitizer sees a bound that is off by one where the tests would be lucky; all of it
            # would make everything three times slower.
            subprocess.run(['meson', 'setup', '-Dwerror=false', '-Ddebug=false', '-Doptimization=1',
                            '-Dc_args=-fsanitize=bounds,shift -fsanitize-undefined-trap-on-error',
                            self.build, self.tree], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(['ninja', '-C', self.build, '-j1', '--quiet', *self.group.targets()], check=True)
        rules = subprocess.run(['ninja', '-C', self.build, '-t', 'compdb'], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        self.commands = {rule['output']: rule['command'] for rule in json.loads(rules) if 'output' in rule}
        verdict = self.judge(self.group.sources[0])
        if verdict != '':
            sys.exit(f'mutants: without a mutant, {verdict or "the build"} fails')

    def make(self, output):
        """One rule and nothing else: the library is thin, so what links it finds the new object."""
        return run(['sh', '-c', self.commands[output]], 120, self.build) == 0

    def judge(self, name):
        """None when it does not compile, else the name of the test that killed it, or ''. Links a test
        only when those before it passed."""
        group = self.group
        if not self.make(f'src/org/{group.library}.p/{name}.o'):
            return None
        for unit in group.units_for(name):
            program = f'src/org/{unit}_test'
            arguments = [os.path.join(self.tree, a) for a in group.arguments.get(unit, [])]
            if not self.make(program):
                return None
            if run([os.path.join(self.build, program), *arguments], 60) != 0:
                return f'unit {unit}'
        if self.quick:
            return ''
        if not self.make(group.program):
            return None
        for words in group.runs:
            if run([os.path.join(self.build, group.program), *words]) != 0:
                return ' '.join(words)
        return ''

    def restore(self, name, original):
        with open(os.path.join(self.tree, 'src/org', name), 'w', encoding='utf-8') as file:
            file.write(original)
        self.make(f'src/org/{self.group.library}.p/{name}.o')

    def judge_line(self, name, number, line, fresh):
        path = os.path.join(self.tree, 'src/org', name)
        with open(path, encoding='utf-8') as file:
            original = file.read()
        lines = original.split('\n')
        key = hashlib.sha256(f'{name}\0{original}\0{number}\0{line}'.encode()).hexdigest()
        if not fresh and self.verdicts.get(key, '') != '':
            return self.verdicts[key]
        lines[number] = line
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines))
        try:
            verdict = self.judge(name)
        finally:
            self.restore(name, original)
        self.verdicts[key] = verdict if verdict is not None else 'does not compile'
        with open(self.kept, 'w', encoding='utf-8') as file:
            json.dump(self.verdicts, file)
        return self.verdicts[key]

    def judge_patch(self, patch):
        """Of one source file of the group."""
        with open(patch, encoding='utf-8') as file:
            name = re.search(r'^\+\+\+ b/src/org/(\w+\.c)$', file.read(), re.M)[1]
        with open(os.path.join(self.tree, 'src/org', name), encoding='utf-8') as file:
            original = file.read()
        if run(['patch', '-p1', '-s', '-F0', '-r', '-', '--no-backup-if-mismatch', '-i', patch], cwd=self.tree) != 0:
            return None
        try:
            return self.judge(name)
        finally:
            self.restore(name, original)


def known_survivors():
    """(file, line, mutated line) -> reason."""
    known = {}
    with open(os.path.join(HERE, 'survivors.txt'), encoding='utf-8') as file:
        for line in file:
            if line.strip() and not line.startswith('#'):
                name, before, after, reason = (part.strip() for part in line.split(' | '))
                known[name, before, after] = reason
    return known


def generated(judge, arguments):
    names = arguments.file or judge.group.sources
    candidates = list(all_mutants(judge.tree, names))
    random.Random(arguments.seed).shuffle(candidates)
    known, killed, survived, explained = known_survivors(), 0, 0, 0
    for name, number, what, line in candidates:
        if killed + survived == arguments.count:
            break
        verdict = judge.judge_line(name, number, line, arguments.fresh)
        if verdict == 'does not compile':
            continue
        if verdict:
            killed += 1
            continue
        survived += 1
        with open(os.path.join(judge.tree, 'src/org', name), encoding='utf-8') as file:
            before = file.read().split('\n')[number].strip()
        reason = known.get((name, before, line.strip()))
        explained += reason is not None
        print(f'survived {name}:{number + 1}: {what}: {before} -> {line.strip()}'
              + (f' ({reason})' if reason else ''), flush=True)
    total = killed + survived
    print(f'{total} mutants of {len(candidates)} possible, {killed} killed '
          f'({1000 * killed // max(total, 1) / 10} %), {survived} survived, {explained} of them explained')
    return 0 if 10 * killed >= 9 * total else 1


def patched(judge, group):
    folder, bad, names = os.path.join(HERE, 'patches', group), 0, []
    for name in sorted(os.listdir(folder)):
        verdict = judge.judge_patch(os.path.join(folder, name))
        names.append(name)
        bad += not verdict
        print(f'{"killed by " + verdict if verdict else "SURVIVED" if verdict == "" else "DOES NOT BUILD"}: {name}',
              flush=True)
    print(f'{len(names)} patches, {len(names) - bad} killed')
    return 0 if names and not bad else 1


def main():
    parser = argparse.ArgumentParser(description='Do the tests notice mutants of src/org?')
    parser.add_argument('--build', required=True)
    parser.add_argument('--group', choices=sorted(GROUPS), default='live')
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--file', action='append')
    parser.add_argument('--fresh', action='store_true')
    parser.add_argument('--patches', action='store_true')
    parser.add_argument('--quick', action='store_true', help='unit tests alone: what they miss is to be judged again')
    arguments = parser.parse_args()
    judge = Judge(os.path.abspath(arguments.build), GROUPS[arguments.group], arguments.quick)
    judge.prepare()
    return patched(judge, arguments.group) if arguments.patches else generated(judge, arguments)


if __name__ == '__main__':
    sys.exit(main())
