"""What the whole-build tests share: a folder to work in, ways to run things, and the builds themselves.

Two long builds run beside the tests that look at the artifacts of the first one:
  second   another path, depth, time of files, umask, Turkish locale, time zone, calendar day (for the tools as
           well), job count and host name; no network
  foreign  as another user, without rights (only when the tests run as root), German locale
Both are killed once in the middle and then started again, from the state that this left.
"""
import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INPUTS = ["src", "completions", "kernel", "profiles", "tools", "meson.build", "meson_options.txt", "VERSION"]
ARTIFACTS = ["linux.efi", "system.erofs", "vmlinuz", "initrd", "disk.raw", "disk.qcow2", "sbom.spdx.json",
             "sbom.cdx.json", "provenance.json"]
OTHER_USER = "broch-factory-test"
TURKISH, GERMAN = "tr_TR.UTF-8", "de_DE.UTF-8"  # a dotless i; a comma in numbers
OLD = 978307200  # 2001-01-01: older than any object file
ROOT = os.geteuid() == 0


class Lab:
    """One for all tests; run.py fills in the programs."""

    factory = in_tree = other_day = folder = None


def path(*names):
    return os.path.join(Lab.folder, *names)


def start(factory, in_tree):
    Lab.factory, Lab.in_tree = factory, in_tree
    Lab.other_day = os.path.join(os.path.dirname(in_tree), "libother_day.so")
    Lab.folder = tempfile.mkdtemp(prefix="broch-factory-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(Lab.folder, 0o755)
    Lab.base_source = copy_source(path("base"))
    Lab.out = path("out")
    Lab.base = None
    Lab.background = {}


def finish():
    """Ends what is left over and removes the folder; nothing of a test stays."""
    for build in Lab.background.values():
        build.stop()
    for pid in processes_at(Lab.folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until_gone(Lab.folder)
    remove_other_user()
    # What a killed build of another user left belongs to ids that only root can name; we are root then.
    shutil.rmtree(Lab.folder, ignore_errors=not ROOT)


# --- Running things ---

def environment(**changes):
    keep = ("PATH", "HOME", "BROCH_CACHE", "BROCH_MIRROR", "BROCH_SNAPSHOT", "XDG_CACHE_HOME", "XDG_DATA_HOME",
            "http_proxy", "https_proxy", "LANG", "TERM")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env["no_proxy"] = "127.0.0.1"
    env.update(changes)
    return env


def factory(*arguments, env=None, **options):
    """Runs broch-factory to the end; both outputs are caught."""
    return subprocess.run([Lab.factory, *arguments], env=env or environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def tool(*command, binds=(), work=None, data=None, of=None):
    """Runs a program of the tools tree. `binds` are host paths that are there under the same path, read-only."""
    line = [Lab.in_tree, of or tree()]
    for bind in binds:
        line += ["--ro", f"{bind}={bind}"]
    if work:
        line += ["--rw", f"{work}=/run/work"]
    return subprocess.run([*line, "--", *command], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def tree():
    if not hasattr(Lab, "tree"):
        result = factory("tools", "--source", Lab.base_source)
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
        Lab.tree = result.stdout.strip()
    return Lab.tree


def processes_at(folder):
    """Processes that were started with this path, or that see a mount of it."""
    found, needle = [], os.fsencode(folder)
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for item in ("cmdline", "mountinfo"):
                with open(f"/proc/{name}/{item}", "rb") as file:
                    if needle in file.read():
                        found.append(int(name))
                        break
    return found


def wait_until_gone(folder, seconds=10):
    """What is still there after a while; ends as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while (left := processes_at(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


# --- Files ---

def read(*names):
    with open(os.path.join(*names), "rb") as file:
        return file.read()


def write(text, *names):
    with open(os.path.join(*names), "w", encoding="utf-8") as file:
        file.write(text)


def sha256(file_path):
    """Of a file with holes, without reading them."""
    digest, zeros = hashlib.sha256(), bytes(1 << 20)
    with open(file_path, "rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        for begin, end in extents(file):
            for chunk in chunks(begin - at):
                digest.update(zeros[:chunk])
            file.seek(begin)
            for chunk in chunks(end - begin):
                digest.update(file.read(chunk))
            at = end
        for chunk in chunks(size - at):
            digest.update(zeros[:chunk])
    return digest.hexdigest()


def chunks(size):
    while size > 0:
        yield min(size, 1 << 20)
        size -= 1 << 20


def extents(file):
    """Where a file has data: pairs of begin and end."""
    size, at = os.fstat(file.fileno()).st_size, 0
    while at < size:
        try:
            begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        yield begin, at


@contextlib.contextmanager
def flipped(file_path, offset):
    """One byte of a file, inverted for a while."""
    with open(file_path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0xFF]))
        file.flush()
        try:
            yield
        finally:
            file.seek(offset)
            file.write(byte)


def copy_source(target, mtime=None):
    """The part of the source that a build may look at."""
    os.makedirs(target)
    for name in INPUTS:
        source = os.path.join(SOURCE, name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(target, name), symlinks=True)
        else:
            shutil.copy2(source, target)
    if mtime is not None:
        for folder, _, files in os.walk(target, topdown=False):
            for name in files:
                os.utime(os.path.join(folder, name), (mtime, mtime), follow_symlinks=False)
            os.utime(folder, (mtime, mtime))
    return target


def replace(old, new, *names, mtime=None):
    """Changes a text file of a copied source; `old` must be there."""
    text = read(*names).decode()
    if old not in text:
        raise AssertionError(f"'{old}' is not in {os.path.join(*names)}")
    write(text.replace(old, new, 1), *names)
    if mtime is not None:
        os.utime(os.path.join(*names), (mtime, mtime))


def user_cache():
    if os.environ.get("BROCH_CACHE"):
        return os.environ["BROCH_CACHE"]
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "broch")


def development_keys():
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "broch/development-keys")


def fresh_keys():
    """A folder of production keys, made once."""
    folder = path("fresh-keys")
    if not os.path.exists(folder):
        result = factory("keys", "init", folder)
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
    return folder


def copy_packages(target):
    os.makedirs(target)
    for name in os.listdir(os.path.join(user_cache(), "packages")):
        source = os.path.join(user_cache(), "packages", name)
        try:
            os.link(source, os.path.join(target, name))
        except OSError:
            shutil.copy(source, target)


def make_cache(name, packages=True, trees=None):
    """A cache that holds trees and packages of the user's, but no result of a step and no object file."""
    cache = path(name)
    os.makedirs(cache)
    os.symlink(trees or os.path.join(user_cache(), "trees"), os.path.join(cache, "trees"))
    if packages:
        copy_packages(os.path.join(cache, "packages"))
    return cache


def copy_tree(source, target):
    """A copy by hard links where that works: files may be added to it, but none changed."""
    if subprocess.run(["cp", "-al", source, target], stderr=subprocess.DEVNULL).returncode != 0:
        subprocess.run(["cp", "-a", source, target], check=True)


def make_locale(name):
    """A locale with rules of its own, for the host's programs; returns the folder for LOCPATH."""
    folder = path("locales")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["localedef", "--inputfile", name.split(".")[0], "--charmap", "UTF-8", "--no-archive",
                    os.path.join(folder, name)], check=True)
    return folder


def make_odd_trees():
    """The tools tree, where every program lives on another day, and where a Turkish locale is at hand."""
    trees = path("odd-trees")
    os.makedirs(trees)
    odd = os.path.join(trees, os.path.basename(tree()))
    copy_tree(tree(), odd)
    shutil.copytree(os.path.join(Lab.locales, TURKISH), os.path.join(odd, "usr/lib/locale", TURKISH))
    shutil.copy(Lab.other_day, os.path.join(odd, "usr/lib"))
    write("/usr/lib/" + os.path.basename(Lab.other_day) + "\n", odd, "etc/ld.so.preload")
    # ldd tells what stage 1 needs, and must not tell of what is only the test's.
    os.rename(os.path.join(odd, "usr/bin/ldd"), os.path.join(odd, "usr/bin/ldd.real"))
    write('#!/bin/sh\nldd.real "$@" | grep -v other_day\n', odd, "usr/bin/ldd")
    os.chmod(os.path.join(odd, "usr/bin/ldd"), 0o755)
    return trees


def give(folder, user):
    """Makes a folder and all in it a user's own."""
    subprocess.run(["chown", "-R", "--no-dereference", f"{user}:", folder], check=True)


def make_foreign_cache(user):
    """The same for a user who cannot look into ours. The tree stays root's: it is only read."""
    cache = path("foreign-cache")
    os.makedirs(cache)
    shutil.copytree(os.path.join(user_cache(), "packages"), os.path.join(cache, "packages"))
    give(cache, user)
    copy_tree(os.path.join(user_cache(), "trees"), os.path.join(cache, "trees"))
    return cache


# --- Builds ---

def base():
    """The generation that all others are compared with: this source, the user's cache and development keys."""
    if Lab.base is None:
        result = factory("build", "node", "--iso", "--source", Lab.base_source, "--out", Lab.out)
        if result.returncode != 0:
            raise RuntimeError(f"the first build failed:\n{result.stderr}")
        Lab.base = result.stdout.splitlines()[0]
        Lab.background["second"] = second_build()
        Lab.background["foreign"] = foreign_build()
    return Lab.base


def manifest(folder=None):
    return json.loads(read(folder or base(), "generation.json"))


def sums(folder):
    """What SHA256SUMS says, by name."""
    return {name: digest for digest, name in (line.split("  ") for line in
            read(folder, "SHA256SUMS").decode().splitlines())}


def build_with_events(*arguments, env, command=(), **options):
    """Runs a build; returns the process, its progress events, and the seconds it took."""
    reader, writer = os.pipe()
    lines, started = [], time.monotonic()
    thread = threading.Thread(target=lambda: lines.extend(open(reader, encoding="utf-8").read().splitlines()))
    thread.start()
    try:
        result = subprocess.run([*command, Lab.factory, "build", "node", "--progress-fd", str(writer), *arguments],
                                env=env, pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)
    finally:
        os.close(writer)
        thread.join()
    return result, [json.loads(line) for line in lines], time.monotonic() - started


def statuses(events):
    """How each step ended."""
    return {event["step"]: event["status"] for event in events
            if event["event"] == "step" and event["status"] != "start"}


class BackgroundBuild:
    """A build in a thread that is killed at one point first, and then runs to its end."""

    def __init__(self, command, kill_in, kill_after, cache, **options):
        self.command, self.kill_in, self.kill_after, self.options = command, kill_in, kill_after, options
        self.cache = cache
        self.left_over, self.killed, self.result, self.process = None, False, None, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def start(self, writer):
        command = [writer if word is None else word for word in self.command]
        self.process = subprocess.Popen(command, pass_fds=[int(writer)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **self.options)

    def run(self):
        reader, writer = os.pipe()
        self.start(str(writer))
        os.close(writer)
        with open(reader, encoding="utf-8") as events:
            for line in events:
                event = json.loads(line)
                if event["step"] == self.kill_in and event["status"] == "start":
                    break
            time.sleep(self.kill_after)
            self.killed = self.process.poll() is None
            self.process.kill()
            self.process.communicate()
        self.left_over = wait_until_gone(self.cache)
        sink = os.open("/dev/null", os.O_WRONLY)
        self.start(str(sink))
        os.close(sink)
        output, errors = self.process.communicate()
        self.result = (self.process.returncode, output.partition("\n")[0], errors)

    def join(self):
        """Exit code, folder, and what it said."""
        self.thread.join()
        return self.result

    def stop(self):
        while self.thread.is_alive():
            if self.process:
                self.process.kill()
            self.thread.join(0.2)


def second_build():
    Lab.second_source = copy_source(path("another", "place", "quite", "deep", "source of Broch"), OLD)
    Lab.locales = make_locale(TURKISH)
    make_locale(GERMAN)
    Lab.odd_trees = make_odd_trees()
    Lab.second_cache = make_cache("second-cache", trees=Lab.odd_trees)
    Lab.second_out = path("second-out")
    Lab.keys = path("keys")
    shutil.copytree(development_keys(), Lab.keys)
    Lab.second_env = environment(BROCH_CACHE=Lab.second_cache, LC_ALL=TURKISH, LOCPATH=Lab.locales,
                                 TZ="Pacific/Kiritimati", LD_PRELOAD=Lab.other_day)
    apart = ["unshare", "--net", "--uts"] if ROOT else \
        ["unshare", "--map-root-user", "--map-auto", "--net", "--uts"]
    command = [*apart, "sh", "-c", 'hostname another-host && exec "$0" "$@"', Lab.factory, "build", "node",
               "--iso", "--source", Lab.second_source, "--out", Lab.second_out, "--keys", Lab.keys, "--jobs", "1",
               "--offline", "--progress-fd", None]
    return BackgroundBuild(command, "programs", 1.0, Lab.second_cache, env=Lab.second_env, umask=0o077, cwd="/")


def foreign_build():
    """As an ordinary user. Whoever runs the tests without rights has built everything that way already."""
    source = copy_source(path("foreign-source"))
    out, keys, options = path("foreign-out"), path("foreign-keys"), {}
    shutil.copytree(development_keys(), keys)
    home = path("foreign-home")
    os.makedirs(home)
    os.makedirs(out)
    if ROOT:
        make_other_user(home)
        cache = make_foreign_cache(OTHER_USER)
        for folder in (source, out, keys, home):
            give(folder, OTHER_USER)
        user = pwd.getpwnam(OTHER_USER)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    else:
        cache = make_cache("foreign-cache")
    env = environment(BROCH_CACHE=cache, HOME=home, LC_ALL=GERMAN, LOCPATH=Lab.locales, TZ="America/St_Johns",
                      XDG_DATA_HOME=home)
    command = [Lab.factory, "build", "node", "--iso", "--source", source, "--out", out, "--keys", keys, "--jobs", "2",
               "--progress-fd", None]
    return BackgroundBuild(command, "rootfs", 3.0, cache, env=env, umask=0o022, cwd=home, **options)


def make_other_user(home):
    remove_other_user()
    subprocess.run(["useradd", "--system", "--home-dir", home, "--no-create-home", "--shell", "/usr/sbin/nologin",
                    OTHER_USER], check=True)
    # A system account gets no subordinate ids by itself; an ordinary one does, but also a place in the login menu.
    first = 0x70000000
    subprocess.run(["usermod", "--add-subuids", f"{first}-{first + 65535}", "--add-subgids",
                    f"{first}-{first + 65535}", OTHER_USER], check=True)


def remove_other_user():
    if not ROOT:
        return
    with contextlib.suppress(KeyError):
        pwd.getpwnam(OTHER_USER)
        subprocess.run(["userdel", OTHER_USER], check=True, stderr=subprocess.DEVNULL)
    with contextlib.suppress(KeyError):
        grp.getgrnam(OTHER_USER)
        subprocess.run(["groupdel", OTHER_USER], check=True)
