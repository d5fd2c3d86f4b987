import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { defined, WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-files-");
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const { files } = guestLink;
const at = (...names: readonly string[]): string => join(root, ...names);

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts) yield part;
}

async function readAll(
  path: string,
  range?: { readonly start: number; readonly end?: number },
): Promise<Buffer> {
  const { bytes } = await files.read(path, { signal, ...defined({ range }) });
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

async function refuses(work: Promise<unknown>, reason: ErrorReason): Promise<void> {
  await assert.rejects(
    work,
    (error) => error instanceof WrennError && error.reason === reason && error.entry.status < 500,
    reason,
  );
}

test("64 MiB go up and come down unchanged, with missing directories made", async () => {
  const parts = Array.from({ length: 64 }, () => randomBytes(1 << 20));
  const expected = createHash("sha256");
  for (const part of parts) expected.update(part);
  const entry = await files.write(at("deep/er/big"), chunks(...parts), { signal });
  assert.deepEqual([entry.type, entry.size, entry.mode, entry.name], ["file", 64 << 20, 0o644, "big"]);
  const digest = createHash("sha256");
  const { bytes } = await files.read(at("deep/er/big"), { signal });
  for await (const part of bytes) digest.update(part);
  assert.equal(digest.digest("hex"), expected.digest("hex"));
});

test("empty files, ranges, and ranges past the end", async () => {
  await files.write(at("empty"), chunks(), { signal });
  assert.equal((await readAll(at("empty"))).length, 0);
  await files.write(at("ten"), chunks(Buffer.from("0123456789")), { signal });
  assert.equal((await readAll(at("ten"), { start: 3, end: 5 })).toString(), "345");
  assert.equal((await readAll(at("ten"), { start: 7 })).toString(), "789");
  assert.equal((await readAll(at("ten"), { start: 20 })).toString(), "");
});

test("files whose size nobody knows are read to their end", async () => {
  assert.match((await readAll("/proc/version")).toString(), /^Linux version .*\n$/);
  assert.equal((await readAll("/proc/version", { start: 0, end: 4 })).toString(), "Linux");
  assert.equal((await readAll("/proc/version", { start: 100_000 })).toString(), "");
});

test("a write is atomic: what fails midway leaves the old file and no debris", async () => {
  await files.write(at("kept/file"), chunks(Buffer.from("old")), { signal });
  const failing = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from("half of the new");
    throw new Error("the client left");
  };
  await assert.rejects(files.write(at("kept/file"), failing(), { signal }), /the client left/);
  assert.equal(await readFile(at("kept/file"), "utf8"), "old");
  // Closing the transfer is not waited for by the caller.
  await eventually("the temporary file is gone", async () => (await readdir(at("kept"))).length === 1);
  assert.deepEqual(await readdir(at("kept")), ["file"]);
});

test("an existing file keeps its mode, and a link's target is replaced, not the link", async () => {
  await writeFile(at("script"), "old");
  await chmod(at("script"), 0o750);
  await symlink("script", at("alias"));
  await files.write(at("alias"), chunks(Buffer.from("new")), { signal });
  assert.equal(await readFile(at("script"), "utf8"), "new");
  assert.equal((await stat(at("script"))).mode & 0o777, 0o750);
  const link = await files.stat(at("alias"), { signal });
  assert.deepEqual([link.type, link.symlinkTarget, link.targetType], ["symlink", "script", "file"]);
  await refuses(files.write(at("script"), chunks(), { signal, exclusive: true }), "path_exists");
});

test("odd names survive: newlines, quotes, and bytes that are no text", async () => {
  const names = ["new\nline", " quote\"'`$(x)", "ünïcödé", "\udcff\udc80raw"];
  for (const name of names) await files.write(at("odd", name), chunks(Buffer.from(name)), { signal });
  const listed = await files.list(at("odd"), 1, { signal });
  assert.deepEqual(listed.map((entry) => entry.name).sort(), [...names].sort());
  const raw = (await readdir(Buffer.from(at("odd")), { encoding: "buffer" })).map((name) =>
    name.toString("hex"),
  );
  assert.ok(raw.includes("ff80726177"));
  for (const name of names) assert.equal((await readAll(at("odd", name))).length, Buffer.from(name).length);
});

test("listing goes as deep as asked, sorted, without following links", async () => {
  await mkdir(at("tree/a/b"), { recursive: true });
  await writeFile(at("tree/a/b/c"), "");
  await symlink(at("tree"), at("tree/loop"));
  const paths = async (depth: number): Promise<string[]> =>
    (await files.list(at("tree"), depth, { signal })).map((entry) => entry.path.slice(root.length));
  assert.deepEqual(await paths(1), ["/tree/a", "/tree/loop"]);
  assert.deepEqual(await paths(3), ["/tree/a", "/tree/a/b", "/tree/a/b/c", "/tree/loop"]);
});

test("make, move, copy, change mode and remove", async () => {
  assert.equal((await files.makeDirectory(at("made/by/us"), { signal })).type, "directory");
  await refuses(files.makeDirectory(at("made/by/us"), { signal }), "path_exists");
  await files.write(at("made/one"), chunks(Buffer.from("1")), { signal });
  await files.copy(at("made"), at("copied"), { signal, overwrite: false, recursive: true });
  assert.equal((await readAll(at("copied/one"))).toString(), "1");
  await refuses(
    files.copy(at("made"), at("copied"), { signal, overwrite: false, recursive: true }),
    "path_exists",
  );
  await files.move(at("copied/one"), at("copied/elsewhere/two"), { signal, overwrite: false });
  assert.equal((await readAll(at("copied/elsewhere/two"))).toString(), "1");
  assert.equal((await files.changeMode(at("made/one"), 0o600, { signal, recursive: false })).mode, 0o600);
  await refuses(files.remove(at("made"), { signal, recursive: false }), "directory_not_empty");
  await files.remove(at("made"), { signal, recursive: true });
  await refuses(files.stat(at("made"), { signal }), "path_not_found");
});

test("a copy onto the file itself, by whatever name, leaves it as it is", async () => {
  await files.write(at("self"), chunks(Buffer.from("mine")), { signal });
  await link(at("self"), at("twin"));
  for (const name of ["self", "twin"])
    await refuses(
      files.copy(at("self"), at(name), { signal, overwrite: true, recursive: false }),
      "path_invalid",
    );
  assert.equal((await readAll(at("self"))).toString(), "mine");
  await mkdir(at("selves"));
  await writeFile(at("selves/one"), "1");
  const whole = files.copy(at("selves"), at("selves"), { signal, overwrite: true, recursive: true });
  await refuses(whole, "path_invalid");
  assert.equal((await readAll(at("selves/one"))).toString(), "1");
});

test("a removal that cannot succeed removes nothing, and one of a link with a slash removes the link", async () => {
  await mkdir(at("kept/below"), { recursive: true });
  await writeFile(at("kept/below/file"), "here");
  for (const end of ["/.", "/..", "/./", "/below/.."])
    await refuses(files.remove(at("kept") + end, { signal, recursive: true }), "path_invalid");
  await symlink(at("kept"), at("to-kept"));
  await files.remove(`${at("to-kept")}/`, { signal, recursive: true });
  assert.equal((await readAll(at("kept/below/file"))).toString(), "here");
  await refuses(files.stat(at("to-kept"), { signal }), "path_not_found");
  await files.remove(`${at("kept")}//`, { signal, recursive: true });
  await refuses(files.stat(at("kept"), { signal }), "path_not_found");
});

test("a move to another file system replaces what rename would, and nothing else", async (t) => {
  const other = await mkdtemp("/dev/shm/wrenn-files-");
  t.after(() => rm(other, { recursive: true, force: true }));
  await mkdir(at("moving"));
  await writeFile(at("moving/new"), "new");
  await mkdir(join(other, "full"));
  await writeFile(join(other, "full/old"), "old");
  const move = (from: string, to: string) => files.move(from, join(other, to), { signal, overwrite: true });
  await refuses(move(at("moving"), "full"), "directory_not_empty");
  assert.deepEqual(await readdir(other), ["full"]);
  assert.deepEqual(await readdir(join(other, "full")), ["old"]);
  await writeFile(join(other, "file"), "replaced");
  await move(at("moving/new"), "file");
  assert.equal(await readFile(join(other, "file"), "utf8"), "new");
  await writeFile(at("moving/again"), "again");
  await move(at("moving"), "moved");
  assert.deepEqual(await readdir(join(other, "moved")), ["again"]);
  await refuses(files.stat(at("moving"), { signal }), "path_not_found");
  assert.deepEqual((await readdir(other)).toSorted(), ["file", "full", "moved"]);
});

test("every refusal is the user's fault and names its reason", async () => {
  await refuses(files.read(at("missing"), { signal }), "path_not_found");
  await refuses(files.read(root, { signal }), "is_a_directory");
  await refuses(files.read("/dev/null", { signal }), "not_a_file");
  await refuses(files.list(at("ten"), 1, { signal }), "not_a_directory");
  await refuses(files.remove(at("missing"), { signal, recursive: true }), "path_not_found");
  await refuses(files.write(root, chunks(), { signal }), "is_a_directory");
  await refuses(files.stat("a\0b", { signal }), "path_invalid");
  await refuses(files.stat("", { signal }), "path_invalid");
  await refuses(files.stat(`/${"x".repeat(5000)}`, { signal }), "path_invalid");
  await refuses(files.stat(`/${"x".repeat(300)}`, { signal }), "path_invalid");
  await refuses(files.stat(root, { signal, user: "nobody-here" }), "user_not_found");
  await symlink("round", at("round"));
  await refuses(files.list(at("round"), 1, { signal }), "path_invalid");
  await refuses(files.write(at("round"), chunks(), { signal }), "path_invalid");
  await refuses(files.write(at("round/below"), chunks(), { signal }), "path_invalid");
  assert.ok((await lstat(at("round"))).isSymbolicLink());
  await refuses(files.move(root, at("inside/itself"), { signal, overwrite: false }), "path_invalid");
  await refuses(files.remove("/proc", { signal, recursive: false }), "path_in_use");
});

test("a reader that stops early leaves nothing open in the agent", async () => {
  const before = (await readdir(`/proc/${agent.pid}/fd`)).length;
  for (let round = 0; round < 20; round++) {
    const { bytes } = await files.read(at("deep/er/big"), { signal });
    for await (const part of bytes) if (part.length > 0) break;
  }
  await files.stat(root, { signal });
  // The agent closes what nobody reads when it comes to it.
  const open = async (): Promise<number> => (await readdir(`/proc/${agent.pid}/fd`)).length;
  await eventually("the agent has closed the files", async () => (await open()) <= before);
});
