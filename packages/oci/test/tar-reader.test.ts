import assert from "node:assert/strict";
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { applyLayers } from "@wrenn/oci";
import { runCommand } from "@wrenn/system";
import { TarReader } from "../src/tar/tar-reader.ts";
import type { TarEntry } from "../src/tar/tar-entry.ts";
import { layersOf } from "./support/layer-files.ts";
import { listTree } from "./support/list-tree.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import {
  dir,
  file,
  hardLink,
  headerBlock,
  link as linkTo,
  memberBlocks,
  tarOf,
  withSum,
} from "./support/tar-builder.ts";

const signal = new AbortController().signal;

function read(archive: Buffer, pieceBytes = archive.length): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  const reader = new TarReader((entry) => entries.push(entry));
  for (let at = 0; at < archive.length; at += pieceBytes) reader.write(archive.subarray(at, at + pieceBytes));
  reader.end();
  return entries;
}

/** A tree with everything that GNU tar can put into an archive. */
async function makeTree(root: string): Promise<void> {
  const long = "long-".repeat(45);
  await mkdir(join(root, "dir", long), { recursive: true });
  await writeFile(join(root, "dir", long, `${long}file`), "long");
  await writeFile(join(root, "plain"), "plain");
  await writeFile(join(root, "empty"), "");
  await writeFile(join(root, "ünïcode"), "unicode");
  await writeFile(Buffer.concat([Buffer.from(`${root}/bytes-`), Buffer.of(0xff, 0xfe)]), "no utf-8");
  await writeFile(join(root, "block"), "x".repeat(512));
  await chown(join(root, "plain"), 3_000_000_000, 12);
  await chmod(join(root, "plain"), 0o6755);
  await link(join(root, "plain"), join(root, "other name"));
  await symlink("../outside", join(root, "link"));
  await symlink(`to/${"target/".repeat(30)}`, join(root, "long link"));
  await link(join(root, "link"), join(root, "link too"));
  await runCommand(["mkfifo", "-m", "620", join(root, "fifo")]);
  await utimes(join(root, "empty"), 1_234_567_890.5, 1_234_567_890.5);
  for (const [name, pieces] of Object.entries({
    "sparse-end": [0],
    "sparse-middle": [1, 5],
    "sparse-all": [],
    "sparse-ö": [0, 2, 4, 6, 8, 10, 12, 14],
  })) {
    await writeFile(join(root, name), "");
    await truncate(join(root, name), 3_000_001);
    const handle = await open(join(root, name), "r+");
    for (const piece of pieces) await handle.write(Buffer.alloc(4096, 65 + piece), 0, 4096, piece * 131_072);
    await handle.close();
  }
  const script = [
    "import os, sys",
    "os.chdir(sys.argv[1])",
    "os.setxattr('plain', 'user.bytes', b'\\x00\\xff\\n=b')",
    "os.setxattr('dir', 'user.on.directory', b'd')",
    // CAP_SETUID: a capability whose bytes are no UTF-8.
    "os.setxattr('plain', 'security.capability', bytes.fromhex('0100000280000000000000000000000000000000'))",
  ];
  await runCommand(["python3", "-c", script.join("\n"), root]);
}

/** What makes two trees alike: attributes of all kinds, contents, and how much of the disk they take. */
async function describeTree(root: string): Promise<string> {
  const script = [
    "import os, sys, hashlib",
    "root = os.fsencode(sys.argv[1])",
    "first = {}",
    "for directory, names, files in sorted(os.walk(root)):",
    "    for name in [b'.'] + sorted(files + [n for n in names if os.path.islink(os.path.join(directory, n))]):",
    "        path = os.path.join(directory, name)",
    "        s = os.lstat(path)",
    "        same = first.setdefault(s.st_ino, path)[len(root):]",
    "        attributes = [] if os.path.islink(path) else [(n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))]",
    "        content = os.readlink(path) if os.path.islink(path) else hashlib.sha256(open(path, 'rb').read()).hexdigest() if os.path.isfile(path) else ''",
    "        size = 0 if os.path.isdir(path) else s.st_size",
    "        sparse = os.path.isfile(path) and s.st_blocks * 512 < s.st_size",
    "        print(path[len(root):], oct(s.st_mode), s.st_uid, s.st_gid, size, s.st_mtime_ns, same, attributes, content, sparse)",
  ];
  return (await runCommand(["python3", "-c", script.join("\n"), root])).stdout;
}

const formats: Readonly<Record<string, readonly string[]>> = {
  "GNU tar's own": ["--format=gnu"],
  "GNU tar's own with sparse files": ["--format=gnu", "--sparse"],
  POSIX: ["--format=posix"],
  "POSIX with sparse files, version 0.0": ["--format=posix", "--sparse", "--sparse-version=0.0"],
  "POSIX with sparse files, version 0.1": ["--format=posix", "--sparse", "--sparse-version=0.1"],
  "POSIX with sparse files, version 1.0": ["--format=posix", "--sparse", "--sparse-version=1.0"],
};
for (const [format, options] of Object.entries(formats))
  test(`a tree comes out as it went in: ${format}`, async () => {
    await using directory = await ScratchDirectory.create();
    const from = join(directory.path, "from");
    await mkdir(from);
    await makeTree(from);
    const archive = join(directory.path, "archive.tar");
    const isPosix = options.includes("--format=posix");
    await runCommand([
      "tar",
      "-c",
      "-f",
      archive,
      "-C",
      from,
      "--xattrs",
      "--xattrs-include=*",
      ...(isPosix ? [] : ["--no-xattrs"]),
      ...options,
      ".",
    ]);
    await applyLayers(await layersOf(directory, [await readFile(archive)]), { ...directory.places, signal });
    const [expected, actual] = [await describeTree(from), await describeTree(directory.tree)];
    if (isPosix && options.includes("--sparse")) assert.equal(actual, expected);
    else assert.equal(coarse(actual, isPosix), coarse(expected, isPosix));
  });

/** Without what a format cannot store: sparse files, fractions of seconds, and attributes. */
function coarse(described: string, hasTimes: boolean): string {
  return described
    .replaceAll(/ (True|False)$/gm, "")
    .replaceAll(/^(.* )(\d{10})\d{9}( .*)$/gm, hasTimes ? "$&" : "$1$2$3")
    .replaceAll(/\[\(.*?\)\]/g, hasTimes ? "$&" : "[]");
}

test("an archive is read the same in pieces of any size", () => {
  const members = [
    dir("d"),
    file("d/a", "content", { pax: { mtime: "1.25", "SCHILY.xattr.user.x": Buffer.of(0, 255) } }),
    file("n".repeat(120), "x".repeat(1000)),
    linkTo("l", "t".repeat(150)),
    hardLink("h", "d/a"),
    file("s", `2\n0\n3\n10\n2\n${"\0".repeat(501)}abcde`, {
      pax: {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse",
        "GNU.sparse.realsize": "20",
      },
    }),
    file("end", ""),
  ];
  const archive = tarOf(members);
  const whole = read(archive);
  assert.equal(whole.length, members.length);
  for (const pieceBytes of [1, 7, 511, 512, 513, 4096]) assert.deepEqual(read(archive, pieceBytes), whole);
  const sparse = whole[5];
  assert.deepEqual(
    [sparse?.name, sparse?.content.size, sparse?.content.pieces],
    [
      "sparse",
      20,
      [
        { at: 0, length: 3 },
        { at: 10, length: 2 },
      ],
    ],
  );
  assert.equal(
    archive.toString("latin1", sparse?.content.offset, (sparse?.content.offset ?? 0) + 5),
    "abcde",
  );
});

test("old and odd headers are read", () => {
  const [v7] = memberBlocks(file("v7/", "", { flag: "\0", magic: "" }));
  const base256 = headerBlock({ name: "large" });
  base256.write("\x80\0\0\0", 108, "latin1");
  base256.writeUInt32BE(4_000_000_000, 112);
  base256.write("\xff".repeat(11) + "\xfe", 136, "latin1");
  const blanks = headerBlock({ name: "blanks" });
  blanks.write(" 644 \0\0\0", 100, "latin1");
  blanks.write("        ", 108, "latin1");
  const prefixed = headerBlock({ name: "name" });
  prefixed.write("a/prefix", 345, "latin1");
  const global = memberBlocks({ name: "g", flag: "g", content: "18 comment=a hash\n" });
  const entries = read(
    Buffer.concat([...global, v7 ?? Buffer.of(), withSum(base256), withSum(blanks), withSum(prefixed)]),
  );
  assert.deepEqual(
    entries.map(({ type, name, uid, mode, mtime }) => [type, name, uid, mode, mtime.seconds]),
    [
      ["directory", "v7/", 0, 0o644, 1_700_000_000],
      ["file", "large", 4_000_000_000, 0o644, -2],
      ["file", "blanks", 0, 0o644, 1_700_000_000],
      ["file", "a/prefix/name", 0, 0o644, 1_700_000_000],
    ],
  );
});

test("what an extended header says replaces the header, and an empty value does not", () => {
  const [entry] = read(
    tarOf([
      file("short", "1", { uid: 5, pax: { path: "longer", uid: "4000000000", gid: "", mtime: "-1.25" } }),
    ]),
  );
  assert.deepEqual(
    [entry?.name, entry?.uid, entry?.gid, entry?.mtime],
    ["longer", 4_000_000_000, 0, { seconds: -2, nanoseconds: 750_000_000 }],
  );
});

test("attributes that mean nothing in a guest are left out", async () => {
  await using directory = await ScratchDirectory.create();
  const xattrs = {
    "SCHILY.xattr.security.selinux": "label",
    "SCHILY.xattr.trusted.overlay.opaque": "y",
    "SCHILY.xattr.user.kept": "1",
  };
  const members = [
    file("a", "1", { pax: xattrs }),
    linkTo("l", "a", { pax: xattrs }),
    dir("d", { pax: { "SCHILY.xattr.security.capability": "x" } }),
  ];
  await applyLayers(await layersOf(directory, [members]), { ...directory.places, signal });
  const described = await describeTree(directory.tree);
  assert.match(described, /\/a' .*\[\('user\.kept', b'1'\)\]/);
  assert.doesNotMatch(described, /selinux|overlay|capability/);
  assert.equal((await lstat(join(directory.tree, "l"))).isSymbolicLink(), true);
  assert.equal((await listTree(directory.tree)).length, 3);
});
