import assert from "node:assert/strict";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { after, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

/* A major collection of the garbage collector stops every request of the server for longer than bytes do that pass through. */

const BYTES = 256 << 20;
/** With new memory for each read and each frame there are fifteen to thirty. */
const COLLECTIONS = 8;

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const directory = await mkdtemp(join(tmpdir(), "wrenn-collections-"));
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** How many major collections there are during `work`. */
async function majorCollections(work: () => Promise<void>): Promise<number> {
  let count = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as PerformanceEntry & { readonly detail: { readonly kind: number } };
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count += 1;
    }
  });
  observer.observe({ type: "gc" });
  await work();
  // Each is reported in an immediate of its own, after it has happened.
  for (let turn = 0; turn < 4; turn++) await setImmediate();
  observer.disconnect();
  return count;
}

test("a large download brings about few major collections", async () => {
  const path = join(directory, "large");
  await writeFile(path, "");
  await truncate(path, BYTES);
  let size = 0;
  const count = await majorCollections(async () => {
    const { bytes } = await link.files.read(path, { signal });
    for await (const part of bytes) size += part.length;
  });
  assert.equal(size, BYTES);
  assert.ok(count <= COLLECTIONS, `${count} collections`);
});

test("large output brings about few major collections", async () => {
  let size = 0;
  const count = await majorCollections(async () => {
    const process = await link.processes.start(request("head", ["-c", String(BYTES), "/dev/zero"]), signal);
    for await (const event of process.output("oldest", signal))
      if (event.type === "data") size += event.bytes.length;
  });
  assert.equal(size, BYTES);
  assert.ok(count <= COLLECTIONS, `${count} collections`);
});
