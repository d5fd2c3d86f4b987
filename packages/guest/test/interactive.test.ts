import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { GuestLink } from "@wrenn/guest";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const FILES = 8000;
/** Above this, and this many times the longest echo of an agent without work, an echo was held up. */
const ECHO_MS = 500;
const ECHO_FACTOR = 3;
const agent = await NativeAgent.start();
const link = await agent.connect();
/** What echoes take on this machine at the same moment, without the work. */
const idleAgent = await NativeAgent.start();
const idleLink = await idleAgent.connect();
const root = await mkdtemp("/tmp/wrenn-interactive-");
after(async () => {
  await link.detach();
  await idleLink.detach();
  await agent[Symbol.asyncDispose]();
  await idleAgent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

before(async () => {
  for (let folder = 0; folder < FILES / 200; folder++) {
    const path = join(root, "tree", String(folder));
    await mkdir(path, { recursive: true });
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => writeFile(join(path, String(index)), "content")),
    );
  }
});

/** Types characters into a terminal and waits for each echo until the work is over; the waits in ms. */
async function echoesUntil(over: AbortSignal, { processes }: GuestLink): Promise<number[]> {
  const terminal = await processes.start(request("cat", [], { terminal: { cols: 80, rows: 24 } }), signal);
  const waits: number[] = [];
  const output = terminal.output("oldest", signal)[Symbol.asyncIterator]();
  while (!over.aborted) {
    const typed = performance.now();
    await terminal.write(Buffer.from("x"), signal);
    for (let echoed = false; !echoed;) {
      const { value } = await output.next();
      echoed = value?.type === "data";
    }
    if (!over.aborted) waits.push(performance.now() - typed);
  }
  await terminal.kill(9, "tree", signal);
  return waits;
}

for (const [name, work] of [
  [
    "a copy of a large tree",
    async () =>
      await link.files.copy(join(root, "tree"), join(root, "copy"), {
        signal,
        overwrite: false,
        recursive: true,
      }),
  ],
  ["a listing of a large tree", async () => await link.files.list(join(root, "tree"), 3, { signal })],
  [
    "a removal of a large tree",
    async () => await link.files.remove(join(root, "copy"), { signal, recursive: true }),
  ],
] as const) {
  test(`${name} does not hold up a terminal`, async () => {
    const over = new AbortController();
    const echoes = Promise.all([link, idleLink].map((one) => echoesUntil(over.signal, one)));
    await work().finally(() => over.abort());
    const [waits = [], idle = []] = await echoes;
    // One thread for both would have answered nothing in between.
    assert.ok(waits.length >= 5, `${waits.length} echoes`);
    const [longest, longestIdle] = [Math.max(...waits), Math.max(...idle)];
    assert.ok(
      longest < Math.max(ECHO_MS, ECHO_FACTOR * longestIdle),
      `an echo took ${longest} ms, and ${longestIdle} ms without work`,
    );
  });
}
