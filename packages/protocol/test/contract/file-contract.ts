import assert from "node:assert/strict";
import { before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { ByteRange, CapsuleFiles, FileChange } from "@wrenn/protocol";
import { FileEntry } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { chunks, collect, rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

/** What HostAgent promises of files. */
export function fileContract(name: string, lab: ContractLab): void {
  const { signal } = lab;
  const at = (path: string): string => `${lab.subject.directory}/${path}`;
  let files: CapsuleFiles;
  before(async () => {
    files = lab.agent.files(await lab.capsule());
  });
  const contentOf = async (path: string, range?: ByteRange): Promise<string> => {
    const { bytes } = await files.read(at(path), { signal, ...(range ? { range } : {}) });
    return (await collect(bytes)).toString();
  };
  const write = async (path: string, text: string): Promise<FileEntry> =>
    await files.write(at(path), chunks(text), { signal });

  test(`${name}: a file of several megabytes goes up and comes down unchanged`, async () => {
    const big = Buffer.alloc(5_000_001, "0123456789abcde");
    const entry = await files.write(at("new/big"), chunks(big, "end"), { signal, mode: 0o640 });
    assert.ok(Value.Check(FileEntry, entry));
    assert.deepEqual(
      [entry.name, entry.path, entry.type, entry.size, entry.mode],
      ["big", at("new/big"), "file", big.length + 3, 0o640],
    );
    const { entry: read, bytes } = await files.read(at("new/big"), { signal });
    assert.equal(read.size, entry.size);
    assert.ok((await collect(bytes)).equals(Buffer.concat([big, Buffer.from("end")])));
  });

  test(`${name}: a range ends with its last byte`, async () => {
    await write("ten", "0123456789");
    assert.equal(await contentOf("ten", { start: 3, end: 5 }), "345");
    assert.equal(await contentOf("ten", { start: 7 }), "789");
    assert.equal(await contentOf("ten", { start: 20 }), "");
  });

  test(`${name}: a write that fails leaves the old file`, async () => {
    await write("kept", "old");
    const failing = (): AsyncGenerator<Uint8Array> => chunks("half of the new", new Error("the client left"));
    await assert.rejects(files.write(at("kept"), failing(), { signal }), /the client left/);
    await assert.rejects(files.write(at("never/made/file"), failing(), { signal }), /the client left/);
    await rejects(() => files.stat(at("never"), { signal }), "path_not_found");
    assert.equal(await contentOf("kept"), "old");
    const exclusive = { signal, exclusive: true };
    await rejects(() => files.write(at("kept"), chunks("new"), exclusive), "path_exists");
    assert.equal(await contentOf("kept"), "old");
  });

  test(`${name}: directories are made, listed as deep as asked, and removed`, async () => {
    assert.equal((await files.makeDirectory(at("tree/a"), { signal })).type, "directory");
    await rejects(() => files.makeDirectory(at("tree/a"), { signal }), "path_exists");
    await write("tree/a/file", "x");
    const paths = async (depth: number): Promise<readonly string[]> =>
      (await files.list(at("tree"), depth, { signal })).map(({ path }) => path);
    assert.deepEqual(await paths(1), [at("tree/a")]);
    assert.deepEqual(await paths(2), [at("tree/a"), at("tree/a/file")]);
    const first = await files.listPage(at("tree"), { depth: 2, limit: 1 }, { signal });
    assert.deepEqual([first.entries.map(({ path }) => path), first.next], [[at("tree/a")], "a"]);
    const second = await files.listPage(at("tree"), { depth: 2, limit: 1, after: "a" }, { signal });
    assert.deepEqual([second.entries.map(({ path }) => path), second.next], [[at("tree/a/file")], undefined]);
    await rejects(() => files.listPage(at("none"), { depth: 1, limit: 1 }, { signal }), "path_not_found");
    await rejects(() => files.remove(at("tree"), { signal, recursive: false }), "directory_not_empty");
    await files.remove(at("tree"), { signal, recursive: true });
    await rejects(() => files.stat(at("tree"), { signal }), "path_not_found", /tree/);
  });

  test(`${name}: files are moved, copied, and given another mode`, async () => {
    await write("source", "content");
    await files.copy(at("source"), at("copy"), { signal, overwrite: false, recursive: false });
    await rejects(
      () => files.copy(at("source"), at("copy"), { signal, overwrite: false, recursive: false }),
      "path_exists",
    );
    await rejects(() => files.move(at("source"), at("copy"), { signal, overwrite: false }), "path_exists");
    const moved = await files.move(at("source"), at("moved"), { signal, overwrite: false });
    assert.equal(moved.path, at("moved"));
    assert.deepEqual([await contentOf("copy"), await contentOf("moved")], ["content", "content"]);
    await rejects(() => files.stat(at("source"), { signal }), "path_not_found");
    assert.equal((await files.changeMode(at("moved"), 0o600, { signal, recursive: false })).mode, 0o600);
  });

  test(`${name}: attributes of files are set, replaced below their prefix, and read for many files at once`, async () => {
    await write("attributed", "x");
    await write("plain", "x");
    const path = at("attributed");
    const read = async (prefix: string): Promise<readonly unknown[]> =>
      await files.attributes([path, at("plain"), at("missing")], prefix, { signal });
    await files.setAttributes(path, "user.one.", { "user.one.a": "1", "user.one.b": "é" }, { signal });
    await files.setAttributes(path, "user.two.", { "user.two.a": "2" }, { signal });
    assert.deepEqual(await read("user.one."), [{ "user.one.a": "1", "user.one.b": "é" }, {}, {}]);
    await files.setAttributes(path, "user.one.", { "user.one.c": "" }, { signal });
    assert.deepEqual(await read("user.one."), [{ "user.one.c": "" }, {}, {}]);
    assert.deepEqual(await read("user.two."), [{ "user.two.a": "2" }, {}, {}]);
    await files.setAttributes(path, "user.one.", {}, { signal });
    assert.deepEqual(await read("user.one."), [{}, {}, {}]);
    await rejects(() => files.setAttributes(at("missing"), "user.one.", {}, { signal }), "path_not_found");
  });

  test(`${name}: copies and moves refuse what they would destroy, and change nothing`, async () => {
    await write("pair/file", "x");
    await write("pair/other", "y");
    await write("pair/full/inside/file", "z");
    await files.makeDirectory(at("pair/directory"), { signal });
    const inventory = async (): Promise<readonly string[]> =>
      (await files.list(at("pair"), 9, { signal })).map(({ path, size }) => `${path} ${size}`);
    const before = await inventory();
    const copy = (from: string, to: string) =>
      files.copy(at(from), at(to), { signal, overwrite: true, recursive: true });
    const move = (from: string, to: string) => files.move(at(from), at(to), { signal, overwrite: true });
    for (const call of [copy, move]) {
      await rejects(() => call("pair/file", "pair/file"), "path_invalid");
      await rejects(() => call("pair/full", "pair/full/new/parents/full"), "path_invalid");
      await rejects(() => call("pair/full/inside", "pair/full"), "path_invalid");
      await rejects(() => call("pair/file", "pair/directory"), "is_a_directory", /pair\/directory/);
      await rejects(() => call("pair/directory", "pair/file"), "not_a_directory", /pair\/file/);
      await rejects(() => call("pair/missing", "pair/new/parents/file"), "path_not_found");
    }
    await rejects(() => move("pair/directory", "pair/full"), "directory_not_empty", /pair\/full/);
    assert.deepEqual(await inventory(), before);
  });

  test(`${name}: a directory is copied into one that is there, and takes nothing out of it`, async () => {
    await write("merged/both", "old");
    await write("merged/rest", "rest");
    await write("merging/both", "new");
    await write("merging/below/only", "only");
    await files.copy(at("merging"), at("merged"), { signal, overwrite: true, recursive: true });
    const contents = ["both", "rest", "below/only"].map((path) => contentOf(`merged/${path}`));
    assert.deepEqual(await Promise.all(contents), ["new", "rest", "only"]);
  });

  test(`${name}: what cannot be done says why`, async () => {
    await write("file", "x");
    await files.makeDirectory(at("directory"), { signal });
    await rejects(() => files.read(at("missing"), { signal }), "path_not_found", /missing/);
    await rejects(() => files.read(at("directory"), { signal }), "is_a_directory");
    await rejects(() => files.list(at("file"), 1, { signal }), "not_a_directory");
    await rejects(() => files.write(at("directory"), chunks(), { signal }), "is_a_directory");
    await rejects(() => files.remove(at("missing"), { signal, recursive: true }), "path_not_found");
    await rejects(() => files.stat("", { signal }), "path_invalid");
    await rejects(() => files.stat(at("file"), { signal, user: "no-such-user" }), "user_not_found");
    const aborted = AbortSignal.abort(new Error("enough"));
    await assert.rejects(files.stat(at("file"), { signal: aborted }), /enough/);
  });

  test(`${name}: an archive is a compressed tar of what is in the directory`, async () => {
    await write("archived/inside", "the content");
    const tar = gunzipSync(await collect(await files.archive(at("archived"), { signal })));
    assert.ok(tar.includes("inside") && tar.includes("the content"));
    await rejects(() => files.archive(at("missing"), { signal }), "path_not_found");
  });

  test(`${name}: changes are seen in their order, up to the end of what is watched`, async () => {
    await files.makeDirectory(at("watched"), { signal });
    const changes = await files.watch(at("watched"), { signal, recursive: false });
    await write("watched/made", "x");
    await files.remove(at("watched"), { signal, recursive: true });
    const seen: FileChange[] = [];
    for await (const change of changes) seen.push(change);
    const kinds = seen.map((change) =>
      change.type === "overflow" ? "overflow" : `${change.type} ${change.path}`,
    );
    const offsets = seen.map(({ offset }) => offset);
    assert.ok(kinds.length > 0 && kinds.includes("remove "), kinds.join());
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
    await rejects(() => files.watch(at("missing"), { signal, recursive: false }), "path_not_found");
  });

  test(`${name}: watching can be given up`, async () => {
    await files.makeDirectory(at("quiet"), { signal });
    const giveUp = new AbortController();
    const changes = await files.watch(at("quiet"), { signal: giveUp.signal, recursive: true });
    const reading = Array.fromAsync(changes);
    setTimeout(() => giveUp.abort(new Error("enough")), 50);
    await assert.rejects(reading, /enough/);
  });
}
