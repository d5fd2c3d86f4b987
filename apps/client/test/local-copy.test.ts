import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { copy } from "../src/copy/copy.ts";
import type { CopyEntry, CopySource } from "../src/copy/copy-entry.ts";
import { LocalSource } from "../src/copy/local-source.ts";
import { LocalTarget } from "../src/copy/local-target.ts";
import { placeOf } from "../src/copy/place.ts";

const dir = await mkdtemp("/tmp/wrenn-local-copy-");
after(() => rm(dir, { recursive: true, force: true }));
const { signal } = new AbortController();
const options = { signal, onProgress: () => undefined };

/** A capsule that answers what it likes. */
function hostile(entries: readonly CopyEntry[], digest?: string): CopySource {
  const content = Buffer.from("content");
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(content);
  };
  return {
    label: "c:/evil",
    name: "evil",
    root: async () => await Promise.resolve({ path: "", kind: "directory", size: 0, mode: 0o755 }),
    below: async () => await Promise.resolve(entries),
    open: async () => await Promise.resolve({ size: content.length, chunks: chunks() }),
    digests: async (asked) =>
      await Promise.resolve(
        new Map(
          asked.map(({ path }) => [path, digest ?? createHash("sha256").update(content).digest("hex")]),
        ),
      ),
  };
}

const file = (path: string): CopyEntry => ({ path, kind: "file", size: 7, mode: 0o644 });

test("names and links that a capsule makes up never lead out of the destination", async () => {
  await mkdir(join(dir, "outside"));
  const source = hostile([
    { path: "link", kind: "symlink", size: 0, mode: 0o777, target: "../outside" },
    { path: "link", kind: "directory", size: 0, mode: 0o755 },
    file("link/inside"),
    file("../escaped"),
    file("a/../../escaped"),
    file("/tmp/wrenn-escaped"),
    file("good"),
  ]);
  const report = await copy(
    source,
    await source.root(),
    new LocalTarget(join(dir, "target"), signal),
    options,
  );
  assert.deepEqual(
    report.failed.map(({ code }) => code),
    ["name_not_possible", "name_not_possible", "name_not_possible", "EISDIR"],
  );
  assert.deepEqual((await readdir(dir)).toSorted(), ["outside", "target"]);
  assert.deepEqual(await readdir(join(dir, "outside")), []);
  assert.deepEqual((await readdir(join(dir, "target"))).toSorted(), ["good", "link"]);
  // A second copy finds a link of an earlier one in the place of the directory.
  await rm(join(dir, "target/link"), { recursive: true });
  await symlink("../outside", join(dir, "target/link"));
  const again = await copy(
    source,
    await source.root(),
    new LocalTarget(join(dir, "target"), signal),
    options,
  );
  assert.equal(again.failed[0]?.code, "ENOTDIR");
  assert.deepEqual(await readdir(join(dir, "outside")), []);
});

test("a file whose hash differs is not put in its place", async () => {
  const source = hostile([file("x")], "0".repeat(64));
  await mkdir(join(dir, "differs"));
  await writeFile(join(dir, "differs/x"), "before");
  const report = await copy(
    source,
    await source.root(),
    new LocalTarget(join(dir, "differs"), signal),
    options,
  );
  assert.deepEqual([report.files, report.failed[0]?.code], [0, "copy_differs"]);
  assert.deepEqual(await readdir(join(dir, "differs")), ["x"]);
  assert.equal(await readFile(join(dir, "differs/x"), "utf8"), "before");
});

test("a tree keeps links and modes, and directories that no one may write to are filled first", async () => {
  await mkdir(join(dir, "tree/closed"), { recursive: true });
  await writeFile(join(dir, "tree/closed/x"), "x", { mode: 0o600 });
  await symlink("closed/x", join(dir, "tree/link"));
  await chmod(join(dir, "tree/closed"), 0o555);
  const source = new LocalSource(join(dir, "tree"), false);
  const root = await source.root();
  const place = { isDirectory: false, isOneOfMany: false };
  const target = await placeOf(source, root, new LocalTarget(join(dir, "copy"), signal), place);
  const report = await copy(source, root, target, options);
  assert.deepEqual([report.files, report.directories, report.links, report.failed], [1, 2, 1, []]);
  assert.equal((await stat(join(dir, "copy/closed"))).mode & 0o777, 0o555);
  assert.equal((await stat(join(dir, "copy/closed/x"))).mode & 0o777, 0o600);
  assert.equal(await readlink(join(dir, "copy/link")), "closed/x");
});

test("what a killed copy left is removed by the next one, and what a running one uses is kept", async () => {
  await mkdir(join(dir, "swept"));
  const dead = `.wrenn-cp-${hostname()}-${2 ** 22 + 1}-00000000`;
  const alive = `.wrenn-cp-${hostname()}-${process.pid}-00000000`;
  await mkdir(join(dir, "swept", dead));
  await mkdir(join(dir, "swept", alive));
  const source = hostile([file("x")]);
  await copy(source, await source.root(), new LocalTarget(join(dir, "swept"), signal), options);
  assert.deepEqual((await readdir(join(dir, "swept"))).toSorted(), [alive, "x"]);
});

test("a destination that does not fit is refused before anything is written", async () => {
  await mkdir(join(dir, "place/dir/name"), { recursive: true });
  await writeFile(join(dir, "place/file"), "file");
  await writeFile(join(dir, "place/dir/file"), "file");
  const source = (name: string): CopySource => ({ ...hostile([]), label: `c:/${name}`, name });
  const directory: CopyEntry = { path: "", kind: "directory", size: 0, mode: 0o755 };
  const one = { isDirectory: false, isOneOfMany: false };
  const many = { isDirectory: false, isOneOfMany: true };
  for (const [name, root, destination, place, code] of [
    ["name", directory, "place/file", one, "not_a_directory"],
    ["name", file(""), "place/file", many, "not_a_directory"],
    ["name", file(""), "place/file", { ...one, isDirectory: true }, "not_a_directory"],
    ["name", file(""), "place/none", many, "path_not_found"],
    ["name", file(""), "place/dir", one, "is_a_directory"],
    ["file", directory, "place/dir", one, "not_a_directory"],
  ] as const)
    await assert.rejects(
      placeOf(source(name), root, new LocalTarget(join(dir, destination), signal), place),
      { code },
      `${name} to ${destination}`,
    );
  assert.deepEqual((await readdir(join(dir, "place"))).toSorted(), ["dir", "file"]);
});
