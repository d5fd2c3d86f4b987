import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { defined } from "@wrenn/core";
import { encodeDiffIndex, servePackedDiff, writeChunks } from "@wrenn/memory-image";
import { nativeParts } from "@wrenn/server";
import { listPageServers, startJailedPageServer } from "@wrenn/vmm";
import type { Fetch, ServedDiff } from "@wrenn/memory-image";
import {
  anonymousPages,
  differingBytes,
  diffPages,
  FrozenLab,
  heldBy,
  memoryMib,
  page,
} from "../support/frozen-lab.ts";
import type { Frozen } from "../support/frozen-lab.ts";
import { accelerator } from "../support/real-machines.ts";

/* Real machines whose pages come from compressed chunks through the page server. */

const lab = await FrozenLab.open(199_003);
const servers: ServedDiff[] = [];
after(async () => {
  await lab.close();
  for (const server of servers) await server.stop();
  await rm(sockets, { recursive: true, force: true });
});
const { directory, signal, uid } = lab;
const memorySize = memoryMib << 20;

const template = await lab.template();
const source = await lab.restore(template);
await lab.answers(source);
const frozen = await lab.freeze(source, template);
await source.destroy();
const changed = await diffPages(frozen.memoryDiff);
const packed = await pack(frozen.memoryDiff);

/** Writes a diff file as compressed chunks; gives the path. */
async function pack(diff: string): Promise<string> {
  const bytes = await readFile(diff);
  const path = `${diff}.chunks`;
  await using file = await open(path, "w");
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  await writeChunks(
    { size: bytes.length, read },
    async (piece, position) => void (await file.write(piece, 0, piece.length, position)),
    signal,
  );
  return path;
}

function fetchFrom(path: string): Fetch {
  return async (offset, length) => {
    await using file = await open(path);
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, (await file.read(bytes, 0, length, offset)).bytesRead);
  };
}

/** Not in the lab's own directory, all of which machines see. */
const sockets = await mkdtemp("/tmp/wp-");
let serverUid = 265_003;

interface Serving {
  readonly server: ServedDiff;
  readonly from: Frozen;
}

async function serve(
  fetch: Fetch,
  memoryFile: string,
  more: { readonly workingSet?: Uint32Array; readonly stopped?: boolean } = {},
): Promise<Serving> {
  const name = lab.name("pages");
  const servedMemory = {
    socket: join(sockets, name, "machine.sock"),
    ranges: join(directory, `${name}.ranges`),
  };
  serverUid += 1;
  const users = { machineUid: uid, serverUid };
  const { workingSet, ...start } = more;
  const server = await servePackedDiff(
    {
      fetch,
      what: "the packed memory",
      baseFile: memoryFile,
      memorySize,
      ranges: servedMemory.ranges,
      start: (files, inner) =>
        startJailedPageServer(
          nativeParts,
          { files, socket: servedMemory.socket, memoryMib, ...users },
          inner,
        ),
      ...defined({ workingSet }),
    },
    signal,
  );
  servers.push(server);
  const { memoryDiff: _diff, ...rest } = frozen;
  return { server, from: { ...rest, memoryFile, servedMemory, ...start } };
}

/** Every page of the base with the changed ones over it. */
async function whole(): Promise<Map<number, Buffer>> {
  const base = await readFile(template.memoryFile);
  const pages = new Map<number, Buffer>();
  for (let number = 0; number < memorySize / page; number++)
    pages.set(number, changed.get(number) ?? base.subarray(number * page, (number + 1) * page));
  return pages;
}

/**
 * KVM keeps the guest's clocks in pages of its memory and writes them when a device state is loaded, before the guest runs.
 * They are found on a machine that nothing is served to and no diff is laid over: there, the anonymous pages are those that
 * loading this very state wrote. QEMU's own emulation writes none.
 */
async function pagesWrittenByLoading(): Promise<ReadonlySet<number>> {
  const { memoryDiff: _diff, ...start } = frozen;
  const machine = await lab.restore({ ...start, stopped: true });
  const written = await anonymousPages(machine, signal);
  await machine.destroy();
  const most = accelerator() === "kvm" ? 8 : 0;
  assert.ok(written.size <= most, `loading the device state wrote ${written.size} pages`);
  return written;
}

/** A wall clock of 12 bytes and a clock of 32 for each CPU. */
const CLOCK_BYTES = 64;

test("every page of a machine served from compressed chunks is what was frozen, and no server is needed afterwards", async () => {
  const { server, from } = await serve(fetchFrom(packed), template.memoryFile, { stopped: true });
  const machine = await lab.restore(from);
  server.fill();
  assert.equal(await server.ended, undefined);
  assert.ok(server.isComplete(), "the machine was told that it has everything");
  const expected = await whole();
  const clocks = new Map<number, Buffer>();
  for (const number of await pagesWrittenByLoading()) {
    clocks.set(number, expected.get(number) ?? Buffer.alloc(page));
    expected.delete(number);
  }
  assert.equal(await heldBy(machine, expected, signal), memorySize / page - clocks.size);
  for (const [number, count] of await differingBytes(machine, clocks, signal))
    assert.ok(
      count <= CLOCK_BYTES,
      `${count} bytes of page ${number}, which has a clock, are not what was frozen`,
    );
  await machine.resume(signal);
  assert.match(await lab.answers(machine), /^\d+\./);
  // It can be frozen like any other: what was brought in counts as changed.
  const next = await lab.freeze(machine, template);
  await machine.destroy();
  const after = await diffPages(next.memoryDiff);
  for (const number of changed.keys()) assert.ok(after.has(number), `page ${number} is in the next diff`);
  const again = await lab.restore(next);
  await lab.answers(again);
  await again.destroy();
  assert.ok((await stat(packed)).size < (await stat(frozen.memoryDiff)).size / 2, "packing is worth it");
});

test("pages are brought in when they are touched; what was touched is there before it is asked for the next time", async () => {
  const first = await serve(fetchFrom(packed), template.memoryFile);
  const machine = await lab.restore(first.from);
  await lab.answers(machine);
  const lazily = await first.server.report();
  await machine.destroy();
  assert.equal(await first.server.ended, undefined);
  assert.ok(lazily.faults > 0 && lazily.pages > 0, "pages came by faults");
  assert.ok(lazily.pages < changed.size, `only some pages came: ${lazily.pages} of ${changed.size}`);
  const second = await serve(fetchFrom(packed), template.memoryFile, { workingSet: lazily.workingSet });
  const prepared = await lab.restore(second.from);
  await lab.answers(prepared);
  const { faults } = await second.server.report();
  await prepared.destroy();
  assert.ok(faults < lazily.faults, `${faults} faults after ${lazily.faults}`);
});

test("a machine without any local memory runs from a source that takes its time", async () => {
  const empty = join(directory, "empty.memory");
  await writeFile(empty, "");
  await truncate(empty, memorySize);
  const stored = [...(await whole())].filter(([, bytes]) => bytes.some((byte) => byte !== 0));
  const index = encodeDiffIndex({ memorySize, pages: stored.map(([number]) => number), zeros: [] });
  const diff = join(directory, "whole.diff");
  await writeFile(diff, Buffer.concat([index, ...stored.map(([, bytes]) => bytes)]));
  const near = fetchFrom(await pack(diff));
  const far: Fetch = async (offset, length, inner) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return await near(offset, length, inner);
  };
  const { server, from } = await serve(far, empty);
  const machine = await lab.restore(from);
  assert.match(await lab.answers(machine), /^\d+\./);
  server.fill();
  assert.equal(await server.ended, undefined);
  assert.ok(server.isComplete());
  assert.match(await lab.answers(machine), /^\d+\./);
  await machine.destroy();
});

test("a page server that goes away takes its machine with it, and no other", async () => {
  const [lost, kept] = [
    await serve(fetchFrom(packed), template.memoryFile),
    await serve(fetchFrom(packed), template.memoryFile),
  ];
  const machine = await lab.restore(lost.from);
  const other = await lab.restore(kept.from);
  await lab.answers(machine);
  await lost.server.stop();
  const death = await machine.death;
  assert.deepEqual([death.kind, /page server is gone/.test(death.detail)], ["crashed", true], death.detail);
  assert.match(await lab.answers(other), /^\d+\./);
  kept.server.fill();
  assert.equal(await kept.server.ended, undefined);
  await other.destroy();
});

test("a page server that is killed fails, and takes its machine with it", async () => {
  const { server, from } = await serve(fetchFrom(packed), template.memoryFile);
  const machine = await lab.restore(from);
  await lab.answers(machine);
  const program = (await listPageServers()).find(
    ({ directory: at }) => at === dirname(from.servedMemory?.socket ?? ""),
  );
  assert.ok(program);
  process.kill(program.supervisor.pid, "SIGKILL");
  const problem = await server.ended;
  assert.equal(problem?.reason, "page_server_failed");
  const death = await machine.death;
  assert.deepEqual([death.kind, /page server is gone/.test(death.detail)], ["crashed", true], death.detail);
  await server.stop();
});

test("a chunk that is damaged stops the machine at the page and is told; nothing is invented", async () => {
  const bytes = await readFile(packed);
  const at = Math.floor(bytes.length * 0.9);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  const damaged = `${packed}.damaged`;
  await writeFile(damaged, bytes);
  const { server, from } = await serve(fetchFrom(damaged), template.memoryFile, { stopped: true });
  const outcome = lab.restore(from).then(
    async (machine) => {
      server.fill();
      return (await machine.death).detail;
    },
    (error: unknown) => String(error),
  );
  const problem = await server.ended;
  assert.ok(problem, "the server failed");
  assert.equal(problem.reason, "page_server_failed");
  assert.match(problem.message, /chunk \d+/);
  await server.stop();
  assert.match(await outcome, /page server is gone/);
});
