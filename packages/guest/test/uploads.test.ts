import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { newId, systemRandom, WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { UPLOAD_LIFETIME_MS } from "@wrenn/protocol";
import type { CapsuleUploads, UploadState, WriteOptions } from "@wrenn/protocol";
import { CuttingProxy } from "./support/cutting-proxy.ts";
import { NativeAgent } from "./support/native-agent.ts";

const run = promisify(execFile);
const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-uploads-");
await chmod(root, 0o755);
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const MIB = 1 << 20;
const { uploads } = link.files;
const at = (...names: readonly string[]): string => join(root, ...names);

async function* chunks(...parts: readonly (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

async function begin(
  path: string,
  size: number,
  options: WriteOptions & { readonly user?: string } = {},
  of: CapsuleUploads = uploads,
): Promise<string> {
  const id = newId("upload", systemRandom);
  await of.create({ id, path, size }, { signal, ...options });
  return id;
}

function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

const stateOf = async (id: string, of: CapsuleUploads = uploads): Promise<UploadState> =>
  await of.state(id, { signal });
const descriptors = async ({ pid } = agent): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

async function refuses(work: Promise<unknown>, reason: ErrorReason): Promise<void> {
  await assert.rejects(work, (error) => WrennError.is(error, reason), reason);
}

test("an upload in parts is exact, has no name before its end, and leaves nothing open", async () => {
  await mkdir(at("parts"));
  const before = await descriptors();
  const content = randomBytes(24 * MIB + 5);
  const id = await begin(at("parts/file"), content.length, { mode: 0o750 });
  const changes = await link.files.watch(at("parts"), { signal, recursive: false });
  for (let offset = 0, part = 1; offset < content.length; part *= 3) {
    const bytes = content.subarray(offset, offset + part * 100_000);
    const { offset: next, entry } = await uploads.append(id, offset, chunks(bytes), { signal });
    assert.equal(next, offset + bytes.length);
    assert.equal(entry === undefined, next < content.length);
    if (!entry) assert.deepEqual(await readdir(at("parts")), []);
    offset = next;
  }
  const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  assert.equal(digest(await readFile(at("parts/file"))), digest(content));
  assert.equal((await stat(at("parts/file"))).mode & 0o777, 0o750);
  await writeFile(at("parts/last"), "");
  const seen: string[] = [];
  for await (const change of changes) {
    seen.push(change.type === "overflow" ? change.type : `${change.type} ${change.path}`);
    if (seen.at(-1) === "create last") break;
  }
  assert.deepEqual(seen, ["create file", "create last"]);
  await eventually("everything is closed", async () => (await descriptors()) <= before);
});

test("large parts go past the page cache where the file system can do it, wherever a part begins", async (t) => {
  const probe = await open(at("probe"), constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT).catch(
    () => undefined,
  );
  await probe?.close();
  if (!probe) return t.skip("this file system takes no direct writes");
  const content = randomBytes(9 * MIB + 77);
  const id = await begin(at("direct"), content.length);
  // The first part breaks off within a block, and so does the second.
  const broken = new Error("the client left");
  const parts = [content.subarray(0, 3 * MIB + 1), content.subarray(3 * MIB + 1, 6 * MIB - 5)];
  for (const part of parts) {
    const { offset } = await stateOf(id);
    await assert.rejects(
      uploads.append(id, offset, chunks(...cut(part, 65_536), broken), { signal }),
      broken,
    );
  }
  const { offset } = await stateOf(id);
  assert.equal(offset, 6 * MIB - 5);
  const { entry } = await uploads.append(id, offset, chunks(...cut(content.subarray(offset), 65_536)), {
    signal,
  });
  assert.equal(entry?.size, content.length);
  const { stdout } = await run("fincore", ["--bytes", "--noheadings", "--output", "RES", at("direct")]);
  assert.ok(Number(stdout) < 3 * MIB, `${stdout} bytes are in the page cache`);
  assert.ok(content.equals(await readFile(at("direct"))));
});

test("an upload outlives the link that began it, with what it had sent", async () => {
  // An agent has one link at a time.
  await using other = await NativeAgent.start();
  const first = await other.connect();
  const id = await begin(at("restarted"), 3 * MIB, {}, first.files.uploads);
  const never = new Promise<void>(() => {});
  const stuck = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(2 * MIB, "a");
    await never;
  };
  const append = first.files.uploads.append(id, 0, stuck(), { signal });
  append.catch(() => {});
  await eventually(
    "the bytes arrive",
    async () => (await stateOf(id, first.files.uploads)).offset === 2 * MIB,
  );
  await first.detach();
  const second = await other.connect();
  const { uploads: again } = second.files;
  assert.equal((await stateOf(id, again)).offset, 2 * MIB);
  const rest = chunks(Buffer.alloc(MIB, "b"));
  assert.equal((await again.append(id, 2 * MIB, rest, { signal })).entry?.size, 3 * MIB);
  const whole = Buffer.concat([Buffer.alloc(2 * MIB, "a"), Buffer.alloc(MIB, "b")]);
  assert.ok((await readFile(at("restarted"))).equals(whole));
  await second.detach();
});

test("whatever is cut between host and guest, an upload stays exact", async () => {
  const content = randomBytes(6 * MIB);
  const plan = { cuts: [300, 40, 80, 120, 500, 30, 64, 200], stale: 7 };
  await using other = await NativeAgent.start();
  await using proxy = await CuttingProxy.listen(at("bulk.sock"), other.bulk, plan);
  const cut = await other.connect({ interactive: other.interactive, bulk: at("bulk.sock") });
  const id = await begin(at("cut"), content.length, {}, cut.files.uploads);
  for (let offset = 0; offset < content.length; offset += 2 * MIB)
    await cut.files.uploads.append(id, offset, chunks(content.subarray(offset, offset + 2 * MIB)), {
      signal,
    });
  assert.ok((await readFile(at("cut"))).equals(content));
  assert.ok(proxy.cutCount >= 4, `${proxy.cutCount} cuts`);
  await cut.detach();
});

test("an upload that gets no more bytes vanishes after its lifetime, with its bytes", async () => {
  assert.equal(UPLOAD_LIFETIME_MS, 24 * 60 * 60_000);
  await using other = await NativeAgent.start();
  const impatient = await other.connect(other, undefined, 400);
  const { uploads: brief } = impatient.files;
  await impatient.connected();
  const before = await descriptors(other);
  const id = await begin(at("late"), 10, {}, brief);
  const abandoned = await begin(at("abandoned"), 10, {}, brief);
  for (let offset = 0; offset < 4; offset++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await brief.append(id, offset, chunks("x"), { signal });
  }
  const { offset, expiresInMs } = await stateOf(id, brief);
  assert.ok(offset === 4 && expiresInMs > 0 && expiresInMs <= 400);
  await refuses(stateOf(abandoned, brief), "upload_not_found");
  await eventually("the other one expires", async () => (await descriptors(other)) <= before, {
    intervalMs: 50,
  });
  await refuses(brief.append(id, 4, chunks("x"), { signal }), "upload_not_found");
  assert.equal(await readFile(at("late"), "utf8").catch(() => "none"), "none");
  await impatient.detach();
});

test("abandoning an upload ends the append that goes on", async () => {
  const before = await descriptors();
  const id = await begin(at("given-up"), 8 * MIB);
  const go = Promise.withResolvers<void>();
  const slow = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(MIB);
    await go.promise;
    yield Buffer.alloc(MIB);
    yield Buffer.alloc(MIB);
  };
  const append = uploads.append(id, 0, slow(), { signal });
  await eventually("the first bytes arrive", async () => (await stateOf(id)).offset === MIB);
  await uploads.abandon(id, { signal });
  await refuses(stateOf(id), "upload_not_found");
  go.resolve();
  await refuses(append, "upload_not_found");
  await eventually("everything is closed", async () => (await descriptors()) <= before);
});

test("directories are made with the file; a target that becomes a directory keeps the bytes", async () => {
  const id = await begin(at("gone/deep/file"), 3);
  assert.ok(!(await readdir(root)).includes("gone"), "directories are made with the file");
  assert.equal((await uploads.append(id, 0, chunks("abc"), { signal })).entry?.size, 3);
  const long = await begin(at("parents/of", "x".repeat(300)), 3);
  await refuses(uploads.append(long, 0, chunks("abc"), { signal }), "path_invalid");
  assert.ok(!(await readdir(root)).includes("parents"), "directories are removed with a failure");
  const blocked = await begin(at("blocked"), 3);
  await mkdir(at("blocked"));
  await refuses(uploads.append(blocked, 0, chunks("abc"), { signal }), "is_a_directory");
  assert.equal((await stateOf(blocked)).offset, 3);
  await rm(at("blocked"), { recursive: true });
  assert.equal((await uploads.append(blocked, 3, chunks(), { signal })).entry?.size, 3);
});

test("the user's rights hold at the begin and at the end", { skip: process.getuid?.() !== 0 }, async () => {
  await mkdir(at("guarded"), { mode: 0o755 });
  await refuses(begin(at("guarded/file"), 1, { user: "nobody" }), "permission_denied");
  await refuses(begin(at("guarded/deep/file"), 1, { user: "nobody" }), "permission_denied");
  assert.deepEqual(await readdir(at("guarded")), []);
  await chmod(at("guarded"), 0o777);
  const id = await begin(at("guarded/file"), 3, { user: "nobody" });
  const { entry } = await uploads.append(id, 0, chunks("abc"), { signal });
  assert.equal(entry?.owner, "nobody");
  const late = await begin(at("guarded/late"), 3, { user: "nobody" });
  await chmod(at("guarded"), 0o755);
  await refuses(uploads.append(late, 0, chunks("abc"), { signal }), "permission_denied");
  await uploads.abandon(late, { signal });
});

test("a full disk is an error with the true offset, and the upload goes on once there is room", async (t) => {
  await mkdir(at("small"));
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=4m", "small", at("small")]).then(
    () => true,
    () => false,
  );
  if (!mounted) return t.skip("needs the right to mount");
  t.after(() => run("umount", ["--lazy", at("small")]));
  await refuses(begin(at("small/deep/file"), 5 * MIB), "disk_full_in_capsule");
  assert.deepEqual(await readdir(at("small")), [], "no directory is made");
  const content = randomBytes(3 * MIB);
  const id = await begin(at("small/file"), content.length);
  await writeFile(at("small/other"), Buffer.alloc(2 * MIB));
  await refuses(uploads.append(id, 0, chunks(content), { signal }), "disk_full_in_capsule");
  const { offset } = await stateOf(id);
  assert.ok(offset > MIB && offset < 3 * MIB, `${offset} bytes fit`);
  await rm(at("small/other"));
  const { entry } = await uploads.append(id, offset, chunks(content.subarray(offset)), { signal });
  assert.equal(entry?.size, content.length);
  assert.ok((await readFile(at("small/file"))).equals(content));
});
