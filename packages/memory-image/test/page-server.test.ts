import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemRandom } from "@wrenn/core";
import { pageSize, startPageServer, zeroSource } from "@wrenn/memory-image";
import type { Extent, Mapping, PageServer, PageServerOptions } from "@wrenn/memory-image";
import { runCommand } from "@wrenn/system";

const native = fileURLToPath(new URL("../../../native/page-server", import.meta.url));
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
  await runCommand(["make", "-s", "-C", native, "all"]);
  directory = await mkdtemp(join(tmpdir(), "wrenn-pages-"));
  file = join(directory, "memory");
  const stored = mapping.filter((extent) => extent.source === id);
  await writeFile(
    file,
    Buffer.concat(stored.map((extent) => memory.subarray(extent.offset, extent.offset + extent.length))),
  );
});
after(() => rm(directory, { recursive: true, force: true }));

function serve(options: Partial<PageServerOptions> = {}): { server: PageServer; socket: string } {
  sockets += 1;
  const socket = join(directory, `s${sockets}`);
  const files = new Map([[id, file]]);
  const server = startPageServer({ socket, mapping, files, faultAround: 16, handshakeMs: 5000, ...options });
  return { server, socket };
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

async function standIn(
  socket: string,
  mode: string,
  touches = 20_000,
  signal?: AbortSignal,
): Promise<Outcome> {
  const program = join(native, "build/stand-in-vmm");
  const child = spawn(program, [socket, String(pages), String(touches), mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  signal?.addEventListener("abort", () => child.kill("SIGKILL"));
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { code: child.exitCode, output };
}

for (const faultAround of [1, 16, 64]) {
  test(`every page has its content with ${faultAround} pages around a fault`, async () => {
    const { server, socket } = serve({ faultAround });
    assert.deepEqual((await standIn(socket, "check")).code, 0);
    assert.equal(await server.ended, undefined);
    const { faults, workingSet, pages: stored, zeroPages } = server.report();
    assert.ok(faults > 0 && workingSet.length > 0 && stored > 0 && zeroPages > 0);
  });
}

test("a recorded working set is brought in before it is touched", async () => {
  const first = serve({ faultAround: 1 });
  await standIn(first.socket, "check", 500);
  await first.server.ended;
  const prefetch = first.server.report().workingSet;
  assert.ok(prefetch.length > 300);
  const second = serve({ faultAround: 1, prefetch });
  assert.equal((await standIn(second.socket, "check", 500)).code, 0);
  await second.server.ended;
  assert.ok(second.server.report().pages + second.server.report().zeroPages >= prefetch.length);
});

test("pages from a slow asynchronous source arrive whole", async () => {
  const remote = {
    size: memory.length,
    read: async (offset: number, length: number) => memory.subarray(offset, offset + length),
  };
  const { server, socket } = serve({ files: new Map(), remote });
  assert.equal((await standIn(socket, "check")).code, 0);
  assert.equal(await server.ended, undefined);
  assert.ok(server.report().requests > 0);
});

test("pages given back read as zero, moved pages keep their content, a fork is survived", async () => {
  const { server, socket } = serve();
  const { code, output } = await standIn(socket, "events");
  assert.equal(code, 0, output);
  assert.equal(await server.ended, undefined);
  assert.ok(server.report().removes >= 1 && server.report().otherEvents >= 3);
});

test("a machine that dies ends its server without a failure", async () => {
  const { server, socket } = serve();
  assert.equal((await standIn(socket, "die")).code, 9);
  assert.equal(await server.ended, undefined);
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
    const { server, socket } = serve({ handshakeMs: mode === "silent" ? 50 : 5000 });
    const machine = standIn(socket, mode);
    assert.match((await server.ended)?.message ?? "", message);
    server.stop();
    assert.equal((await machine).code, 0);
  });
}

test("a failing source is reported, and the machine gets no invented page", async () => {
  const read = (): Promise<Uint8Array> => Promise.reject(new Error("store is gone"));
  const { server, socket } = serve({ files: new Map(), remote: { size: memory.length, read } });
  const end = new AbortController();
  const machine = standIn(socket, "check", 20_000, end.signal);
  assert.match((await server.ended)?.message ?? "", /store is gone/);
  end.abort();
  assert.equal((await machine).code, null, "the machine never read a page that nobody provided");
  server.stop();
});

test("cycles leave neither descriptors nor threads", async () => {
  const count = async (what: string): Promise<number> => (await readdir(`/proc/self/${what}`)).length;
  const cycle = async (index: number): Promise<void> => {
    const { server, socket } = serve();
    if (index % 2 === 0) await standIn(socket, "check", 50);
    else server.stop();
    await server.ended;
  };
  for (let index = 0; index < 4; index += 1) await cycle(index);
  const [fds, threads] = [await count("fd"), await count("task")];
  const cycles = Number(process.env["WRENN_LEAK_CYCLES"] ?? 50);
  for (let index = 0; index < cycles; index += 1) await cycle(index);
  assert.ok((await count("fd")) <= fds + 2);
  assert.ok((await count("task")) <= threads);
});
