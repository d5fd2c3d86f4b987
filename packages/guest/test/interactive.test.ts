import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const FILES = 8000;
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-interactive-");
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
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

/** Types characters into a terminal and waits for each echo, for as long as `work` takes; the waits in ms. */
async function echoesDuring(work: Promise<unknown>): Promise<number[]> {
  const over = new AbortController();
  const done = work.finally(() => over.abort());
  const terminal = await link.processes.start(
    request("cat", [], { terminal: { cols: 80, rows: 24 } }),
    signal,
  );
  const waits: number[] = [];
  const output = terminal.output("oldest", signal)[Symbol.asyncIterator]();
  while (!over.signal.aborted) {
    const typed = performance.now();
    await terminal.write(Buffer.from("x"), signal);
    for (let echoed = false; !echoed;) {
      const { value } = await output.next();
      echoed = value?.type === "data";
    }
    if (!over.signal.aborted) waits.push(performance.now() - typed);
  }
  await terminal.kill(9, "tree", signal);
  await done;
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
    const waits = await echoesDuring(work());
    // One thread for both would have answered nothing in between.
    assert.ok(waits.length >= 5, `${waits.length} echoes`);
    assert.ok(Math.max(...waits) < 500, `an echo took ${Math.max(...waits)} ms`);
  });
}
