import assert from "node:assert/strict";
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import type { FileChange } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-watches-");
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function directory(name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  return path;
}

const told = (change: FileChange): string => {
  if (change.type === "overflow") return "overflow";
  const kind = change.directory ? "/" : "";
  return `${change.type} ${change.oldPath === undefined ? "" : `${change.oldPath} -> `}${change.path}${kind}`;
};

/** Reads changes up to the one that the test makes last. */
async function until(changes: AsyncIterable<FileChange>, last: string): Promise<FileChange[]> {
  const seen: FileChange[] = [];
  for await (const change of changes) {
    seen.push(change);
    if (told(change) === last) break;
  }
  return seen;
}

test("changes come in order, with offsets that grow, from new directories too", async () => {
  const path = await directory("tree");
  const changes = await link.files.watch(path, { signal, recursive: true });
  await writeFile(join(path, "a"), "1");
  await chmod(join(path, "a"), 0o600);
  await rename(join(path, "a"), join(path, "b"));
  await rm(join(path, "b"));
  await mkdir(join(path, "sub"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writeFile(join(path, "sub", "in"), "2");
  await rename(join(path, "sub"), join(path, "moved"));
  await appendFile(join(path, "moved", "in"), "3");
  await writeFile(join(path, "last"), "");
  const seen = await until(changes, "create last");
  assert.deepEqual(seen.map(told), [
    "create a",
    "write a",
    "chmod a",
    "rename a -> b",
    "remove b",
    "create sub/",
    "create sub/in",
    "write sub/in",
    "rename sub -> moved/",
    "write moved/in",
    "create last",
  ]);
  for (const [index, change] of seen.entries())
    assert.ok(index === 0 || change.offset > (seen[index - 1]?.offset ?? 0));
});

test("a tree that appears at once is told as a whole", async () => {
  const path = await directory("appearing");
  const outside = await directory("outside");
  await mkdir(join(outside, "x/y"), { recursive: true });
  await writeFile(join(outside, "x/y/z"), "");
  const changes = await link.files.watch(path, { signal, recursive: true });
  await rename(join(outside, "x"), join(path, "x"));
  const seen = (await until(changes, "create x/y/z")).map(told);
  assert.deepEqual(seen, ["create x/", "create x/y/", "create x/y/z"]);
});

test("without recursion nothing below is told; a file can be watched too", async () => {
  const path = await directory("flat");
  await mkdir(join(path, "sub"));
  await writeFile(join(path, "file"), "");
  const flat = await link.files.watch(path, { signal, recursive: false });
  const one = await link.files.watch(join(path, "file"), { signal, recursive: false });
  await writeFile(join(path, "sub", "hidden"), "");
  await appendFile(join(path, "file"), "more");
  assert.deepEqual((await until(flat, "write file")).map(told), ["write file"]);
  assert.deepEqual((await until(one, "write ")).map(told), ["write "]);
});

test("changes that nobody takes are lost and said to be lost, in bounded memory", async () => {
  const path = await directory("busy");
  const changes = await link.files.watch(path, { signal, recursive: false });
  const name = (index: number): string => `${index}`.padStart(200, "x");
  for (let index = 0; index < 3000; index++) await writeFile(join(path, name(index)), "");
  const kinds = new Set<string>();
  let count = 0;
  const reading = (async () => {
    for await (const change of changes) {
      kinds.add(change.type);
      count++;
      if (change.type !== "overflow" && change.path === "last") return;
    }
  })();
  // Once there is room again, later changes are told.
  for (let attempt = 0; attempt < 200; attempt++) {
    await writeFile(join(path, "last"), "");
    const done = await Promise.race([reading.then(() => true), new Promise((r) => setTimeout(r, 20, false))]);
    if (done === true) break;
  }
  await reading;
  assert.ok(kinds.has("overflow"));
  assert.ok(count < 3000, `${count} of 3000 changes were kept somewhere`);
});

test("a watch ends when what it watches goes away, and refuses what is not there", async () => {
  const path = join(root, "going");
  const ways = [
    async () => await rm(path, { recursive: true }),
    async () => await rename(path, join(root, "gone")),
  ];
  for (const leave of ways) {
    await directory("going");
    const changes = await link.files.watch(path, { signal, recursive: true });
    await leave();
    const seen: string[] = [];
    for await (const change of changes) seen.push(told(change));
    assert.equal(seen.at(-1), "remove /");
  }
  await assert.rejects(link.files.watch(path, { signal, recursive: true }), (error) =>
    WrennError.is(error, "path_not_found"),
  );
});

test("an upload is reported as one change of its target, without temporary names", async () => {
  const path = await directory("uploads");
  await mkdir(join(path, "sub"));
  const changes = await link.files.watch(path, { signal, recursive: true });
  const content = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("uploaded ");
    yield Buffer.from("content");
  };
  for (const name of ["new", "new", "sub/new"])
    await link.files.write(join(path, name), content(), { signal, mode: 0o666 });
  await writeFile(join(path, "last"), "");
  assert.deepEqual((await until(changes, "create last")).map(told), [
    "create new",
    "write new",
    "create sub/new",
    "create last",
  ]);
});

test("trees that are made under a temporary name appear under their own", async () => {
  const path = await directory("trees");
  const temporary = (kind: string): string => join(path, `.wrenn-${kind}-0123456789abcdef`);
  await mkdir(temporary("old"));
  const changes = await link.files.watch(path, { signal, recursive: true });
  await mkdir(temporary("copy"));
  await writeFile(join(temporary("copy"), "file"), "");
  await chmod(temporary("copy"), 0o700);
  await rename(temporary("copy"), join(path, "copied"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writeFile(join(path, "copied/later"), "");
  await rm(temporary("old"), { recursive: true });
  await writeFile(join(path, ".wrenn-mine"), "");
  assert.deepEqual((await until(changes, "create .wrenn-mine")).map(told), [
    "create copied/",
    "create copied/file",
    "create copied/later",
    "create .wrenn-mine",
  ]);
  await mkdir(temporary("copy"));
  const listed = await link.files.list(path, 2, { signal });
  assert.deepEqual(
    listed.map(({ name }) => name),
    [".wrenn-mine", "copied", "file", "later"],
  );
  const tar = gunzipSync(Buffer.concat(await Array.fromAsync(await link.files.archive(path, { signal }))));
  assert.ok(tar.includes("copied/later") && tar.includes(".wrenn-mine") && !tar.includes(".wrenn-copy"));
});
