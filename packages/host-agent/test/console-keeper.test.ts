import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { ConsoleLog } from "@wrenn/protocol";
import { CONSOLE_RING, setFakeFault } from "@wrenn/vmm";
import { CapsuleDirectory } from "../src/capsules/capsule-directory.ts";
import { ConsoleKeeper } from "../src/console/console-keeper.ts";
import { writeToConsole } from "@wrenn/vmm/testing";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const root = await mkdtemp(join(tmpdir(), "wrenn-console-"));
after(() => rm(root, { recursive: true, force: true }));
const RING = 256 << 10;
let last = 0;
let now = 0;

/** A capsule whose machine has written nothing yet. */
async function capsule() {
  const directory = new CapsuleDirectory(root, `cl-${++last}`);
  await mkdir(directory.run, { recursive: true });
  const keeper = (): ConsoleKeeper => new ConsoleKeeper({ clock: { now: () => now }, logger: silentLogger });
  const console = join(directory.run, CONSOLE_RING);
  return {
    directory,
    console,
    keeper: keeper(),
    /** The keeper of a host agent that was started again. */
    restarted: (): { readonly keeper: ConsoleKeeper; readonly directory: CapsuleDirectory } => ({
      keeper: keeper(),
      directory: new CapsuleDirectory(root, directory.id),
    }),
    /** The end of the machine, and another one. */
    nextMachine: async (): Promise<void> => {
      await rm(directory.run, { recursive: true });
      await mkdir(directory.run);
    },
  };
}

const textOf = ({ pieces }: ConsoleLog): string =>
  Buffer.concat(pieces.map(({ bytes }) => bytes)).toString("latin1");

test("what a machine writes is kept with offsets and times, and read from any offset on", async () => {
  const { console, directory, keeper } = await capsule();
  assert.deepEqual(await keeper.read(directory, 0), { pieces: [], next: 0 });
  now = 1000;
  await writeToConsole(console, "first\n");
  await keeper.collect(directory);
  now = 2000;
  await writeToConsole(console, Buffer.from([0x1b, 0xff, 0x00, 0x0a]));
  const log = await keeper.read(directory, 0);
  assert.deepEqual(
    log.pieces.map(({ at, offset, gap }) => ({ at, offset, gap })),
    [
      { at: 1000, offset: 0, gap: false },
      { at: 2000, offset: 6, gap: false },
    ],
  );
  assert.equal(textOf(log), "first\n\u001b\u00ff\u0000\n");
  assert.equal(log.next, 10);
  assert.equal(textOf(await keeper.read(directory, 3)), "st\n\u001b\u00ff\u0000\n");
  assert.deepEqual(await keeper.read(directory, 10), { pieces: [], next: 10 });
});

test("the log goes on over the end of the ring, the next machine, and a restart of the host agent", async () => {
  const one = await capsule();
  const { console, directory, keeper } = one;
  await writeToConsole(console, "a".repeat(RING - 10));
  await keeper.collect(directory);
  const { next } = await keeper.read(directory, 0);
  await writeToConsole(console, "b".repeat(20));
  assert.equal(textOf(await keeper.read(directory, next)), "b".repeat(20));
  const again = one.restarted();
  await writeToConsole(console, "d");
  await again.keeper.collect(again.directory);
  await one.nextMachine();
  await writeToConsole(console, "e");
  const log = await again.keeper.read(again.directory, next);
  assert.equal(textOf(log), `${"b".repeat(20)}de`);
  assert.ok(log.pieces.every(({ gap }) => !gap));
});

test("bytes that were overwritten before they were read are a gap, and the rest is bounded", async () => {
  const one = await capsule();
  const { console, directory, keeper } = one;
  await writeToConsole(console, "start\n");
  await keeper.collect(directory);
  for (let round = 0; round < 3; round += 1) await writeToConsole(console, String(round).repeat(RING));
  await writeToConsole(console, "end\n");
  const log = await keeper.read(directory, 0);
  assert.deepEqual(
    log.pieces.map(({ gap }) => gap),
    [false, true],
  );
  assert.ok(textOf(log).startsWith("start\n2") && textOf(log).endsWith("2end\n"));
  for (let round = 0; round < 20; round += 1) {
    await writeToConsole(console, "x".repeat(50_000));
    await keeper.collect(directory);
  }
  const kept = await keeper.read(directory, 0);
  assert.ok((kept.pieces[0]?.offset ?? 0) > 0, "the oldest bytes were dropped");
  const size = textOf(kept).length;
  assert.ok(size >= 128 << 10 && size <= 512 << 10, `${size} bytes`);
});

test("a console that is written byte by byte is kept in a bounded number of pieces, and read in several answers", async () => {
  const { console, directory, keeper } = await capsule();
  for (let count = 0; count < 9000; count += 1) {
    await writeToConsole(console, "x");
    await keeper.collect(directory);
  }
  let pieces = 0;
  for (let from = 0; ;) {
    const log = await keeper.read(directory, from);
    assert.ok(log.pieces.length <= 2000);
    if (log.pieces.length === 0) break;
    pieces += log.pieces.length;
    from = log.next;
  }
  assert.ok(pieces >= 4096 && pieces <= 8192, `${pieces} pieces`);
});

test("a torn line of the log, and a console that is no file, cost nothing but themselves", async () => {
  const one = await capsule();
  const { console, directory, keeper } = one;
  await writeToConsole(console, "kept\n");
  await keeper.collect(directory);
  const log = join(directory.path, "console");
  await appendFile(log, '{"at":1,"offset":5,"bytes":"aGF');
  await writeToConsole(console, "more\n");
  const again = one.restarted();
  assert.equal(textOf(await again.keeper.read(again.directory, 0)), "kept\nmore\n");
  await one.nextMachine();
  await symlink("/etc/passwd", console);
  assert.equal(textOf(await keeper.read(directory, 0)), "kept\nmore\n");
});

test("the console of a capsule's machine is kept over its pause and after a crash", async () => {
  const lab = await startAgentOnFakeMachines();
  const signal = AbortSignal.timeout(60_000);
  try {
    const { agent } = lab;
    const { id } = await agent.createCapsule(specOf(lab.template), signal);
    const console = join(lab.machineDirectory(id), CONSOLE_RING);
    await writeToConsole(console, "before the pause\n");
    await agent.pauseCapsule(id, signal);
    await agent.resumeCapsule(id, signal);
    await writeToConsole(console, "after the resume\n");
    assert.equal(textOf(await agent.consoleLog(id, 0, signal)), "before the pause\nafter the resume\n");
    await writeToConsole(console, "last words\n");
    await setFakeFault({ directory: lab.machineDirectory(id) }, "broken");
    const hasFailed = async (): Promise<boolean> => (await agent.capsule(id, signal)).state === "failed";
    await eventually("the capsule has failed", hasFailed);
    const words = async (): Promise<boolean> =>
      textOf(await agent.consoleLog(id, 0, signal)).endsWith("after the resume\nlast words\n");
    await eventually("its last words are kept", words);
    await agent.destroyCapsule(id, signal);
  } finally {
    await lab.close();
  }
});
