import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { defined } from "@wrenn/core";
import type { ByteRange, FileEntry } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-replaced-");
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const { files } = link;
const at = (...names: readonly string[]): string => join(root, ...names);
const MIB = 1 << 20;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes));
}

async function readAll(path: string): Promise<Buffer> {
  return await collect((await files.read(path, { signal })).bytes);
}

/** What an entity tag is made of. */
const version = ({ inode, size, modifiedNs }: FileEntry): string => `${inode}-${size}-${modifiedNs}`;

test("240 downloads during 320 replacements are each one version, whole, with its own facts", async () => {
  const path = at("replaced");
  const versions = [Buffer.alloc(100_000, "a"), Buffer.alloc(200_000, "b"), Buffer.alloc(3, "c")];
  const contents = new Map<string, Buffer>();
  const put = async (content: Buffer): Promise<void> => {
    const entry = await files.write(path, once(content), { signal });
    assert.equal(entry.size, content.length);
    // Size and time may be those of an earlier one: then the content is too, as sizes differ.
    contents.set(version(entry), content);
  };
  await put(versions[0] ?? Buffer.of());
  const seen: { readonly entry: FileEntry; readonly range: ByteRange | undefined; readonly body: Buffer }[] =
    [];
  const ranges = [undefined, { last: 2 }, { start: 1, end: 150_000 }, undefined];
  const writers = [0, 1].map(async (writer) => {
    for (let round = 0; round < 160; round++) await put(versions[(round + writer) % 3] ?? Buffer.of());
  });
  const readers = [0, 1, 2, 3].map(async (reader) => {
    for (let round = 0; round < 60; round++) {
      const range = ranges[(round + reader) % ranges.length];
      const { entry, size, bytes } = await files.read(path, { signal, ...defined({ range }) });
      assert.equal(size, entry.size);
      seen.push({ entry, range, body: await collect(bytes) });
    }
  });
  await Promise.all([...writers, ...readers]);
  for (const { entry, range, body } of seen) {
    const content = contents.get(version(entry));
    assert.ok(content, "an entry of no version");
    const { start, end = Infinity } =
      range && "last" in range ? { start: content.length - range.last } : (range ?? { start: 0 });
    assert.ok(body.equals(content.subarray(start, end + 1)), `${body.length} of ${content.length} bytes`);
  }
  assert.equal(seen.length, 240);
  assert.deepEqual(await readdir(root), ["replaced"], "no temporary file stays");
});

test("a file that becomes shorter while it is read fails, and one that grows ends at its promised size", async () => {
  await writeFile(at("shrinking"), Buffer.alloc(16 * MIB, "s"));
  const shrinking = await files.read(at("shrinking"), { signal });
  await truncate(at("shrinking"), MIB);
  await assert.rejects(collect(shrinking.bytes), /file_operation_failed|reading/);

  await writeFile(at("growing"), Buffer.alloc(6 * MIB, "g"));
  const growing = await files.read(at("growing"), { signal });
  await appendFile(at("growing"), Buffer.alloc(MIB, "more"));
  assert.equal((await collect(growing.bytes)).length, 6 * MIB);

  await writeFile(at("removed"), Buffer.alloc(6 * MIB, "r"));
  const removed = await files.read(at("removed"), { signal });
  await rm(at("removed"));
  assert.equal((await collect(removed.bytes)).length, 6 * MIB);
});

test("files of /proc and /sys have no size, and empty ones have the size 0", async () => {
  for (const path of ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"]) {
    const { size, bytes } = await files.read(path, { signal });
    assert.equal(size, undefined, path);
    assert.ok((await collect(bytes)).length > 0, path);
  }
  await writeFile(at("empty"), "");
  const empty = await files.read(at("empty"), { signal });
  assert.deepEqual([empty.size, (await collect(empty.bytes)).length], [0, 0]);
});

test("an archive fails when a file in it becomes shorter, and cuts one that grows", async () => {
  const source = at("archived");
  await mkdir(source);
  await writeFile(join(source, "file"), Buffer.alloc(32 * MIB, "x"));
  const read = async (change: () => Promise<void>): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const part of await files.archive(source, { signal })) {
      if (parts.length === 0) await change();
      parts.push(part);
    }
    return gunzipSync(Buffer.concat(parts));
  };
  const whole = await read(() => appendFile(join(source, "file"), "more"));
  // A header, the content, and two blocks of zeros.
  assert.equal(whole.length, 512 + 32 * MIB + 1024);
  await assert.rejects(read(() => truncate(join(source, "file"), 10)));
});

test("an upload has no name before it is complete, also when it replaces a file", async () => {
  await mkdir(at("quiet"));
  await writeFile(at("quiet/old"), "old");
  for (const name of ["old", "new"]) {
    const names: (readonly string[])[] = [];
    const content = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * MIB, "n");
      names.push(await readdir(at("quiet")));
      yield Buffer.from("end");
    };
    await files.write(at("quiet", name), content(), { signal });
    assert.deepEqual(names, [["old"]]);
    assert.equal((await readAll(at("quiet", name))).length, 2 * MIB + 3);
  }
  assert.deepEqual((await readdir(at("quiet"))).toSorted(), ["new", "old"]);
});
