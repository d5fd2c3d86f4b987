import assert from "node:assert/strict";
import { chmod, link, mkdir, readFile, readlink, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { digestSources, findArchives, packedSize, packSources, readContext } from "@wrenn/recipe/context";
import type { BuildContext, PackedCopy } from "@wrenn/recipe/context";
import { ContextLab, copyOf, run } from "./support/context-lab.ts";

async function archiveOf(context: BuildContext, copies: readonly PackedCopy[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of packSources(context, copies)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("tar unpacks what was packed: names, bytes, modes, links and hard links, all of root", async () => {
  const long = `${"long-".repeat(30)}name`;
  await using lab = await ContextLab.open({
    plain: "plain",
    "dir/empty": "",
    "dir/sub/": "",
    [`dir/${long}/${long}`]: "long",
    "dir/ünïcode 😀": "unicode",
    "dir/new\nline": "line",
    "to-long": `-> dir/${long}/${long}`,
    "to-ü": "-> ü",
    tool: "#!/bin/sh",
    block: "x".repeat(512),
    big: "y".repeat(700_001),
  });
  await chmod(join(lab.root, "tool"), 0o700);
  await link(join(lab.root, "plain"), join(lab.root, "dir/same"));
  await utimes(join(lab.root, "plain"), 1_700_000_000, 1_700_000_000);
  const context = await readContext(lab.root);
  const archive = await archiveOf(context, [
    { directory: "1", copy: copyOf("COPY . /t", context) },
    { directory: "2", copy: copyOf("COPY --chmod=640 plain /t", context) },
  ]);
  assert.equal(
    packedSize([
      { directory: "1", copy: copyOf("COPY . /t", context) },
      { directory: "2", copy: copyOf("COPY --chmod=640 plain /t", context) },
    ]),
    archive.length,
  );
  const out = join(lab.directory, "out");
  await mkdir(out);
  const listed = run(["tar", "-tv", "--numeric-owner"], archive).trim().split("\n");
  assert.ok(listed.every((line) => line.includes(" 0/0 ")));
  run(["tar", "-xp", "-C", out], archive);
  run(["diff", "-r", "--no-dereference", lab.root, join(out, "1")]);
  const modeOf = async (path: string): Promise<string> =>
    ((await stat(join(out, path))).mode & 0o7777).toString(8);
  assert.deepEqual(await Promise.all(["1/plain", "1/tool", "1/dir", "2/plain"].map((path) => modeOf(path))), [
    "644",
    "755",
    "755",
    "640",
  ]);
  assert.equal(await readlink(join(out, "1/to-ü")), "ü");
  assert.equal((await stat(join(out, "1/plain"))).ino, (await stat(join(out, "1/dir/same"))).ino);
  assert.equal((await stat(join(out, "1/plain"))).mtimeMs, 1_700_000_000_000);
  // The same context makes the same archive.
  const again = await archiveOf(await readContext(lab.root), [
    { directory: "1", copy: copyOf("COPY . /t", context) },
    { directory: "2", copy: copyOf("COPY --chmod=640 plain /t", context) },
  ]);
  assert.ok(archive.equals(again));
});

test("a large file goes through in small pieces, and is given up when asked", async () => {
  await using lab = await ContextLab.open({ large: "" });
  const size = 9 * 1024 ** 3;
  await truncate(join(lab.root, "large"), size);
  const context = await readContext(lab.root);
  const copy = copyOf("COPY large /t", context);
  const abort = new AbortController();
  const reason = new Error("given up");
  let longest = 0;
  let total = 0;
  const head: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const piece of packSources(context, [{ directory: "1", copy }], abort.signal)) {
        if (total < 2048) head.push(piece);
        longest = Math.max(longest, piece.length);
        total += piece.length;
        if (total > 8 * 1024 ** 2) abort.abort(reason);
      }
    },
    (error) => error === reason,
  );
  assert.ok(longest <= 256 * 1024);
  // Its size does not fit into the old field.
  assert.match(Buffer.concat(head).toString("latin1"), new RegExp(` size=${size}\n`));
});

test("the digest of sources comes from paths, bytes, modes and links, and from nothing else", async () => {
  const files = { "d/a": "a", "d/b": "b", "d/l": "-> a", "d/sub/": "" };
  const digestOf = async (
    change: (root: string) => Promise<unknown> = async () => await Promise.resolve(),
    line = "COPY d /t",
  ): Promise<string> => {
    await using lab = await ContextLab.open(files);
    await change(lab.root);
    const context = await readContext(lab.root);
    return await digestSources(context, copyOf(line, context));
  };
  const before = await digestOf();
  const same: readonly ((root: string) => Promise<unknown>)[] = [
    async (root) => await utimes(join(root, "d/a"), 1, 1),
    async (root) => await chmod(join(root, "d/a"), 0o600),
    async (root) => await chmod(join(root, "d"), 0o700),
    async (root) => await chmod(join(root, "d/sub"), 0o2775),
    async (root) => await writeFile(join(root, "beside"), "x"),
    async (root) => await link(join(root, "d/a"), join(root, "beside")),
  ];
  for (const change of same) assert.equal(await digestOf(change), before, String(change));
  const different: readonly ((root: string) => Promise<unknown>)[] = [
    async (root) => await writeFile(join(root, "d/a"), "c"),
    async (root) => await chmod(join(root, "d/a"), 0o755),
    async (root) => await writeFile(join(root, "d/new"), ""),
    async (root) => await mkdir(join(root, "d/new")),
    async (root) => await link(join(root, "d/a"), join(root, "d/new")),
    async (root) => run(["ln", "-sfn", "b", join(root, "d/l")]),
    async (root) => run(["mv", join(root, "d/a"), join(root, "d/c")]),
    async (root) => run(["cp", "--remove-destination", join(root, "d/a"), join(root, "d/l")]),
  ];
  const digests = await Promise.all(different.map(async (change) => await digestOf(change)));
  assert.equal(new Set([before, ...digests]).size, 1 + different.length);
  // With --chmod the mode of the source is no part of it.
  const executable = async (root: string): Promise<void> => await chmod(join(root, "d/a"), 0o755);
  const line = "COPY --chmod=644 d /t";
  assert.equal(await digestOf(executable, line), await digestOf(undefined, line));
  assert.notEqual(await digestOf(undefined, "COPY --chmod=600 d /t"), await digestOf(undefined, line));
});

test("archives that ADD names are known by their bytes, whatever their names", async () => {
  await using lab = await ContextLab.open({ text: "x".repeat(2000), "dir/inner": "", empty: "" });
  const tar = Buffer.from(run(["tar", "-c", "-C", lab.root, "text"]));
  for (const [name, bytes] of [
    ["plain", tar],
    ["zipped.txt", gzipSync(tar)],
    ["dir/inner", tar],
    ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x01])],
    ["bz2", Buffer.from("BZh91AY")],
    ["zst", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01])],
    ["zeros.tar", Buffer.alloc(1024)],
    ["short.tar", tar.subarray(0, 300)],
  ] as const)
    await writeFile(join(lab.root, name), bytes);
  const context = await readContext(lab.root);
  const found = await findArchives(
    context,
    copyOf("ADD plain zipped.txt xz bz2 zst zeros.tar short.tar text empty dir /t/", context),
  );
  assert.deepEqual(Object.fromEntries(found), {
    bz2: "bzip2",
    plain: "tar",
    xz: "xz",
    "zipped.txt": "gzip",
    zst: "zstd",
  });
  assert.equal((await readFile(join(lab.root, "dir/inner"))).length, tar.length);
});
