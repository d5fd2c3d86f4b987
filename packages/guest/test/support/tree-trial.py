"""Random trees, and random work on them by coreutils: what the file calls of a guest are compared with.

    tree-trial.py begin SEED STEPS FIRST SECOND   builds twins in two file systems, works on one, prints the steps as JSON
    tree-trial.py compare FIRST SECOND            prints how the twins differ as a JSON list

FIRST and SECOND are empty directories of two file systems; the twins are FIRST/product, FIRST/reference and the same in
SECOND. The steps were done in "reference" and are to be repeated in "product"; "ok" says whether each must succeed.

Where the file calls promise something other than cp -aT --remove-destination and mv -T do, this script does what
docs/reference/files.md says: nothing is replaced without being asked to, FIFOs, sockets and devices are never replaced,
a directory that is there keeps its attributes, and two trees of which one is inside the other, or two names of one file,
are refused.
"""
import errno, hashlib, json, os, random, socket, stat, subprocess, sys

NAMES = [b"a", b"b", b"c", b"d", b"with space", b"new\nline", b"-dash", b"\xff\xfe raw", "ünïcödé".encode(), b"'quote\"", b".hidden", b"n" * 200]
MODES = [0o644, 0o600, 0o755, 0o700, 0o4755, 0o2755, 0o6711, 0o1777, 0o444, 0o2775, 0]
OWNERS = [(0, 0), (0, 0), (1000, 1000), (1234, 5678), (0, 1000)]
# A version 2 capability set with CAP_NET_BIND_SERVICE, as the kernel keeps it.
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def special(mode):
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def facts(path):
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise


def real(path):
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


class Builder:
    def __init__(self, rng, top):
        self.rng, self.top, self.files = rng, top, []

    def xattr(self, path, name, value):
        """Not every file system has attributes of every kind."""
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise

    def attributes(self, path, kind):
        rng = self.rng
        uid, gid = rng.choice(OWNERS)
        mode, when = rng.choice(MODES), rng.randrange(10**9, 17 * 10**17)
        if kind != "link":
            os.chmod(path, 0o700)
        os.lchown(path, uid, gid)
        if kind == "file" and rng.random() < 0.3:
            self.xattr(path, b"user.note", rng.randbytes(rng.randrange(40)))
        if kind == "file" and rng.random() < 0.1:
            self.xattr(path, b"security.capability", CAPABILITY)
        if kind != "link":
            os.chmod(path, mode)
        os.utime(path, ns=(when, when), follow_symlinks=False)

    def file(self, path):
        rng = self.rng
        with open(path, "wb") as out:
            size = rng.choice([0, 1, 100, 5000, 70000, 1300000])
            out.write(rng.randbytes(size))
            if rng.random() < 0.3:
                for _ in range(rng.randrange(3)):
                    out.seek(rng.randrange(1, 60) * 65536)
                    out.write(rng.randbytes(rng.randrange(1, 9000)))
                out.truncate(max(out.tell(), size, rng.randrange(64 << 20)))
        self.files.append(path)
        self.attributes(path, "file")

    def node(self, path, depth):
        rng, dice = self.rng, self.rng.random()
        if depth > 0 and dice < 0.35:
            os.mkdir(path)
            for name in rng.sample(NAMES, rng.randrange(6)):
                self.node(os.path.join(path, name), depth - 1)
            self.attributes(path, "directory")
        elif dice < 0.65:
            self.file(path)
        elif dice < 0.75 and self.files:
            os.link(rng.choice(self.files), path, follow_symlinks=False)
        elif dice < 0.9:
            target = rng.choice([b"a", b"..", b"../b", b".", os.path.basename(path), b"/nowhere/at/all", b"nothing", b"x" * 900])
            os.symlink(target, path)
            self.attributes(path, "link")
        elif dice < 0.94:
            os.mkfifo(path)
            self.attributes(path, "fifo")
        elif dice < 0.97:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
            self.attributes(path, "device")
        else:
            # The address of a socket may not be as long as a path.
            os.chdir(os.path.dirname(path))
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(b"s" * 20)
            os.rename(b"s" * 20, path)
            self.attributes(path, "socket")

    def deep(self, path):
        os.mkdir(path)
        os.chdir(path)
        for _ in range(self.rng.randrange(250, 350)):
            os.mkdir(b"d" * 20)
            os.chdir(b"d" * 20)
        with open(b"bottom", "wb") as out:
            out.write(b"bottom")
        os.utime(b"bottom", ns=(10**18, 10**18))
        os.link(b"bottom", b"other")
        os.chdir(b"/")

    def build(self, levels):
        for name in NAMES[:7]:
            self.node(os.path.join(self.top, name), levels)
        if self.rng.random() < 0.25:
            self.deep(os.path.join(self.top, b"deep"))


class Reference:
    def __init__(self, rng, tops):
        self.rng, self.tops = rng, tops

    def known(self):
        """Paths that are there, not too deep below either top."""
        found = []
        for top in self.tops:
            for directory, directories, files in os.walk(top):
                if directory[len(top):].count(b"/") > 3:
                    directories.clear()
                    continue
                found += [os.path.join(directory, name) for name in directories + files]
        return sorted(found)

    def path(self, there):
        rng, known = self.rng, self.known()
        if known and rng.random() < there:
            return rng.choice(known)
        parents = list(self.tops) + [one for one in known if stat.S_ISDIR(os.lstat(one).st_mode) or rng.random() < 0.05]
        path = rng.choice(parents)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            path = os.path.join(path, rng.choice(NAMES + [b"new"]))
        return path

    def run(self, *command):
        return subprocess.run([b"env", b"LC_ALL=C", *command], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def parents(self, path):
        """mkdir -p of what is above; the directories that were made."""
        made, above = [], os.path.dirname(path)
        while not os.path.lexists(above):
            made.append(above)
            above = os.path.dirname(above)
        return self.run(b"mkdir", b"-p", b"--", os.path.dirname(path)), made

    def conflict(self, source, destination, depth=0):
        """Whether a merge meets something it refuses: "top" or "below", None when it does not."""
        here, there = facts(source), facts(destination)
        if there is None:
            return None
        where = "top" if depth == 0 else "below"
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return where
        if not stat.S_ISDIR(here.st_mode):
            return where if stat.S_ISDIR(there.st_mode) or special(there.st_mode) else None
        if not stat.S_ISDIR(there.st_mode):
            return where
        for name in os.listdir(source):
            if self.conflict(os.path.join(source, name), os.path.join(destination, name), depth + 1):
                return "below"
        return None

    def nested(self, source, destination):
        here, there = facts(source), facts(destination)
        one, two = real(source) + b"/", real(destination) + b"/"
        if stat.S_ISDIR(here.st_mode) and two.startswith(one):
            return True
        return bool(there and stat.S_ISDIR(here.st_mode) and stat.S_ISDIR(there.st_mode) and one.startswith(two))

    def copied(self, source, destination, before):
        """What differs from cp: see the top of this file."""
        here, old = os.lstat(source), before.get(destination)
        if not stat.S_ISDIR(here.st_mode):
            return
        for name in os.listdir(source):
            self.copied(os.path.join(source, name), os.path.join(destination, name), before)
        if old:
            os.lchown(destination, old.st_uid, old.st_gid)
        # As cp(1) with access lists, in a set-group-id directory, does not.
        os.chmod(destination, stat.S_IMODE((old or here).st_mode))

    def before(self, source, destination, found):
        here, there = facts(source), facts(destination)
        if there:
            found[destination] = there
            if stat.S_ISDIR(here.st_mode) and stat.S_ISDIR(there.st_mode):
                for name in os.listdir(source):
                    self.before(os.path.join(source, name), os.path.join(destination, name), found)
        return found

    def above(self, path):
        """The deepest directory above a path that is there."""
        above = os.path.dirname(path)
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        return above

    def too_deep(self, source, destination):
        longest = max((len(directory) for directory, _, _ in os.walk(source)), default=0)
        return longest + len(destination) + 300 > 4000

    def hands_on_group(self, source, destination):
        """mv(1) with access lists leaves a moved directory the bit that it took over from a set-group-id directory."""
        st = os.stat(self.above(destination))
        return bool(st.st_dev != os.lstat(source).st_dev and st.st_mode & stat.S_ISGID)

    def two_paths(self, verb):
        rng = self.rng
        source, destination = self.path(0.95), self.path(0.4)
        step = {"verb": verb, "source": source, "destination": destination, "overwrite": rng.random() < 0.6}
        here, there = facts(source), facts(destination)
        # Where a path becomes too long, cp(1) and mv(1) fail and the file calls do not.
        if self.too_deep(source, destination) and (verb == "copy" or here.st_dev != os.stat(self.above(destination)).st_dev):
            return None
        if here is None or self.nested(source, destination):
            return {**step, "ok": False}
        if there and not step["overwrite"]:
            return {**step, "ok": False}
        conflict = self.conflict(source, destination)
        if verb == "copy" and conflict == "below":
            return None
        if conflict == "top" or (there and special(there.st_mode)):
            return {**step, "ok": False}
        if verb == "move" and self.hands_on_group(source, destination):
            return None
        made, parents = self.parents(destination)
        ok = made
        if made and verb == "copy":
            old = self.before(source, destination, {})
            ok = self.run(b"cp", b"-aT", b"--remove-destination", b"--", source, destination)
            if ok:
                self.copied(source, destination, old)
        elif made:
            ok = self.run(b"mv", b"-fT", b"--", source, destination)
        if not ok:
            for directory in parents:
                if os.path.isdir(directory):
                    os.rmdir(directory)
        return {**step, "ok": ok}

    def step(self):
        rng = self.rng
        verb = rng.choice(["copy", "copy", "copy", "move", "move", "move", "remove", "chmod", "mkdir"])
        if verb in ("copy", "move"):
            return self.two_paths(verb)
        path = self.path({"remove": 0.9, "chmod": 0.9, "mkdir": 0.1}[verb])
        there = facts(path)
        if verb == "mkdir":
            ok, made = (False, []) if there else self.parents(path)
            ok = ok and self.run(b"mkdir", b"--", path)
            for directory in made if not ok else []:
                if os.path.isdir(directory):
                    os.rmdir(directory)
            return {"verb": verb, "source": path, "ok": ok}
        if verb == "remove":
            return {"verb": verb, "source": path, "ok": there is not None and self.run(b"rm", b"-rf", b"--", path)}
        mode, recursive = rng.choice(MODES), rng.random() < 0.5
        arguments = [b"-R"] if recursive else []
        # Five digits: with fewer, chmod(1) leaves special bits of directories alone.
        ok = self.run(b"chmod", *arguments, b"--", b"%05o" % mode, path)
        return {"verb": verb, "source": path, "mode": mode, "recursive": recursive, "ok": ok}


def content(fd, size):
    """A digest of what is not zero, and whether more is allocated than that needs: holes that were filled."""
    digest, at, needed, allocated = hashlib.sha256(), 0, 0, 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(fd, at, os.SEEK_HOLE)
        for page in range(at // 4096, -(-end // 4096)):
            one = os.pread(fd, 4096, page * 4096)
            allocated += 1
            # cp(1) makes a hole of a page that holds zeros only.
            if one.strip(b"\0"):
                needed += 1
                digest.update(b"%d " % page + one)
        at = end
    return [digest.hexdigest(), allocated > needed + 20]


def describe(parent, name, path, out, groups):
    st = os.lstat(name, dir_fd=parent)
    entry = [stat.filemode(st.st_mode), st.st_uid, st.st_gid]
    if stat.S_ISDIR(st.st_mode):
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        for child in sorted(os.listdir(fd)):
            describe(fd, os.fsencode(child), path + b"/" + os.fsencode(child), out, groups)
        os.close(fd)
    else:
        entry.append(st.st_mtime_ns)
        groups.setdefault((st.st_dev, st.st_ino), []).append(path)
        entry.append(groups[(st.st_dev, st.st_ino)])
    if stat.S_ISREG(st.st_mode):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
        xattrs = sorted((one, os.getxattr(fd, one).hex()) for one in os.listxattr(fd))
        entry += [st.st_size, content(fd, st.st_size), xattrs]
        os.close(fd)
    elif stat.S_ISLNK(st.st_mode):
        entry.append(os.readlink(name, dir_fd=parent))
    else:
        entry.append(st.st_rdev)
    out[path] = entry


def inventory(top):
    out, groups = {}, {}
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for name in sorted(os.listdir(fd)):
        describe(fd, os.fsencode(name), os.fsencode(name), out, groups)
    os.close(fd)
    return out


def text(value):
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, (list, tuple)):
        return [text(one) for one in value]
    return {key: text(one) for key, one in value.items()} if isinstance(value, dict) else value


def begin(seed, steps, tops):
    os.umask(0o022)
    for twin in (b"product", b"reference"):
        rng = random.Random(seed)
        for number, top in enumerate(tops):
            # A link to ".." must not lead from one twin to the other.
            os.makedirs(os.path.join(top, twin, b"tree"))
            Builder(rng, os.path.join(top, twin, b"tree")).build(3 if number == 0 else 1)
    reference = Reference(rng, [os.path.join(top, b"reference/tree") for top in tops])
    done = [step for step in (reference.step() for _ in range(steps)) if step]
    for step in done:
        for key in ("source", "destination"):
            if key in step:
                step[key] = step[key].replace(b"/reference/tree", b"/product/tree", 1)
    return text(done)


def compare(tops):
    differences = []
    for top in tops:
        product, reference = (inventory(os.path.join(top, twin)) for twin in (b"product", b"reference"))
        for path in sorted(product.keys() | reference.keys()):
            if product.get(path) != reference.get(path):
                differences.append(text({"path": os.path.join(top, path), "product": product.get(path), "reference": reference.get(path)}))
    return differences


sys.setrecursionlimit(10_000)
tops = [os.fsencode(top) for top in sys.argv[-2:]]
print(json.dumps(begin(int(sys.argv[2]), int(sys.argv[3]), tops) if sys.argv[1] == "begin" else compare(tops)))
