import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { pageSize, startPageServer, zeroSource } from "@wrenn/memory-image";
import type { Extent, Mapping, PageServer, PageServerOptions } from "@wrenn/memory-image";
import { eventually } from "@wrenn/core/testing";
import { exists } from "@wrenn/system";
import { buildPrograms, machineUid, programs, serverUid, startProgram } from "./support/jailed-program.ts";

const pages = 4096;
const id = systemRandom.uuid();
const memory = Buffer.alloc(pages * pageSize);
for (let page = 0; page < pages; page += 1) {
  if (page % 8 !== 7) memory.writeUInt32LE(page + 1, page * pageSize);
}
/** Every eighth page is zero and not in the file at its place: the file holds the other seven packed. */
const mapping: Mapping = Array.from({ length: pages / 4 }, (_, index): Extent => {
  const group = Math.floor(index / 2);
  const offset = group * 8 * pageSize;
  return index % 2 === 0
    ? { offset, length: 7 * pageSize, source: id, sourceOffset: group * 7 * pageSize }
    : { offset: offset + 7 * pageSize, length: pageSize, source: zeroSource, sourceOffset: 0 };
});
let directory = "";
let file = "";
let sockets = 0;

before(async () => {
  await buildPrograms();
  directory = await mkdtemp(join(tmpdir(), "wrenn-pages-"));
  await chmod(directory, 0o755);
  file = join(directory, "memory");
  const stored = mapping.filter((extent) => extent.source === id);
  await writeFile(
    file,
    Buffer.concat(stored.map((extent) => memory.subarray(extent.offset, extent.offset + extent.length))),
  );
});
after(() => rm(directory, { recursive: true, force: true }));

interface Served {
  readonly server: PageServer;
  readonly socket: string;
  readonly pid: number;
}

async function serve(options: Partial<PageServerOptions> = {}): Promise<Served> {
  sockets += 1;
  const home = join(directory, `s${sockets}`);
  const { pid, socket, ...program } = await startProgram(home, options.files ? [] : [file]);
  await Promise.all([home, socket].map((path) => chown(path, machineUid, machineUid)));
  const fixed = { program, mapping, files: [id], faultAround: 16, handshakeMs: 5000 };
  return { server: startPageServer({ ...fixed, ...options }), socket, pid };
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

async function standIn(
  socket: string,
  mode: string,
  { touches = 20_000, uid = machineUid, signal }: StandInOptions = {},
): Promise<Outcome> {
  const child = spawn(programs.standIn, [socket, ...[pages, touches, mode, uid].map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  signal?.addEventListener("abort", () => child.kill("SIGKILL"));
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { code: child.exitCode, output };
}

interface StandInOptions {
  readonly touches?: number;
  readonly uid?: number;
  readonly signal?: AbortSignal;
}

async function untilGone(pid: number): Promise<void> {
  await eventually(`process ${pid} is gone`, async () => !(await exists(`/proc/${pid}`)));
}

for (const faultAround of [1, 16, 64]) {
  test(`every page has its content with ${faultAround} pages around a fault`, async () => {
    const { server, socket } = await serve({ faultAround });
    assert.deepEqual((await standIn(socket, "check")).code, 0);
    assert.equal(await server.ended, undefined);
    const { faults, workingSet, pages: stored, zeroPages } = await server.report();
    assert.ok(faults > 0 && workingSet.length > 0 && stored > 0 && zeroPages > 0);
  });
}

test("a recorded working set is brought in before it is touched", async () => {
  const first = await serve({ faultAround: 1 });
  await standIn(first.socket, "check", { touches: 500 });
  await first.server.ended;
  const { workingSet: prefetch } = await first.server.report();
  assert.ok(prefetch.length > 300);
  const second = await serve({ faultAround: 1, prefetch });
  assert.equal((await standIn(second.socket, "check", { touches: 500 })).code, 0);
  await second.server.ended;
  const { pages: stored, zeroPages } = await second.server.report();
  assert.ok(stored + zeroPages >= prefetch.length);
});

test("pages from a slow asynchronous source arrive whole", async () => {
  const remote = {
    size: memory.length,
    read: async (offset: number, length: number) => memory.subarray(offset, offset + length),
  };
  const { server, socket } = await serve({ files: [], remote });
  assert.equal((await standIn(socket, "check")).code, 0);
  assert.equal(await server.ended, undefined);
  assert.ok((await server.report()).requests > 0);
});

test("pages given back read as zero, moved pages keep their content, a fork is survived", async () => {
  const { server, socket } = await serve();
  const { code, output } = await standIn(socket, "events");
  assert.equal(code, 0, output);
  assert.equal(await server.ended, undefined);
  const { removes, otherEvents } = await server.report();
  assert.ok(removes >= 1 && otherEvents >= 3);
});

test("a machine that dies ends its server without a failure", async () => {
  const { server, socket } = await serve();
  assert.equal((await standIn(socket, "die")).code, 9);
  assert.equal(await server.ended, undefined);
});

test("a user that is not its machine's is turned away, and the machine is served afterwards", async () => {
  const { server, socket } = await serve();
  for (const uid of [0, machineUid + 1, serverUid]) {
    await chown(join(socket, ".."), uid, uid);
    await chown(socket, uid, uid);
    assert.equal((await standIn(socket, "silent", { uid })).code, 0, "the server hangs up");
  }
  await Promise.all([join(socket, ".."), socket].map((path) => chown(path, machineUid, machineUid)));
  assert.equal((await standIn(socket, "check")).code, 0);
  assert.equal(await server.ended, undefined);
});

test("a server that is killed is a failure", async () => {
  const { server, pid } = await serve();
  process.kill(pid, "SIGKILL");
  assert.match(String(await server.ended), /the page server has ended/);
  assert.equal((await server.ended)?.reason, "page_server_failed");
  await server.stop();
});

test("a server that needs more memory than it may have is a failure", async () => {
  const home = join(directory, "small");
  const program = await startProgram(home, [file], 5);
  const huge: Mapping = [{ offset: 0, length: 2 ** 36, source: id, sourceOffset: 0 }];
  const fixed = { files: [id], faultAround: 16, handshakeMs: 5000 };
  const server = startPageServer({ program, mapping: huge, ...fixed });
  assert.match(String(await server.ended), /out of memory/);
  await server.stop();
});

const hostile = {
  "bad-json": /not a list of regions/,
  "no-fd": /no descriptor/,
  "wrong-fd": /no userfaultfd/,
  overlap: /overlap/,
  huge: /outside the image/,
  silent: /in time/,
};
for (const [mode, message] of Object.entries(hostile)) {
  test(`the handshake "${mode}" is refused`, async () => {
    const { server, socket } = await serve({ handshakeMs: mode === "silent" ? 50 : 5000 });
    const machine = standIn(socket, mode);
    assert.match((await server.ended)?.message ?? "", message);
    await server.stop();
    assert.equal((await machine).code, 0);
  });
}

test("a failing source is reported, and the machine gets no invented page", async () => {
  const read = (): Promise<Uint8Array> => Promise.reject(new Error("store is gone"));
  const { server, socket } = await serve({ files: [], remote: { size: memory.length, read } });
  const end = new AbortController();
  const machine = standIn(socket, "check", { signal: end.signal });
  assert.match((await server.ended)?.message ?? "", /store is gone/);
  end.abort();
  assert.equal((await machine).code, null, "the machine never read a page that nobody provided");
  await server.stop();
});

test("cycles leave no descriptor, and no process", async () => {
  const count = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
  const pids: number[] = [];
  const cycle = async (index: number): Promise<void> => {
    const { server, socket, pid } = await serve();
    pids.push(pid);
    if (index % 2 === 0) await standIn(socket, "check", { touches: 50 });
    else await server.stop();
    await server.ended;
  };
  for (let index = 0; index < 4; index += 1) await cycle(index);
  const fds = await count();
  const cycles = Number(process.env["WRENN_LEAK_CYCLES"] ?? 50);
  for (let index = 0; index < cycles; index += 1) await cycle(index);
  for (const pid of pids) await untilGone(pid);
  assert.ok((await count()) <= fds + 2);
});
