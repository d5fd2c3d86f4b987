import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable } from "@wrenn/core";
import { SharedWork } from "../src/shared-work.ts";

const never = new AbortController().signal;

/** Work that ends when it is told to, and whose starts and aborts are counted. */
class Work {
  starts = 0;
  aborts = 0;
  readonly gate: PromiseWithResolvers<string> = Promise.withResolvers<string>();

  readonly run = async (signal: AbortSignal): Promise<string> => {
    this.starts += 1;
    try {
      return await abortable(signal, this.gate.promise);
    } catch (error) {
      if (signal.aborted) this.aborts += 1;
      throw error;
    }
  };
}

test("callers that ask for the same at the same time share one piece of work, and its failure", async () => {
  const [shared, work] = [new SharedWork<string>(), new Work()];
  const callers = [shared.join("a", work.run, never), shared.join("a", work.run, never)];
  assert.equal(work.starts, 1);
  work.gate.resolve("done");
  assert.deepEqual(await Promise.all(callers), ["done", "done"]);
  await shared.join("a", work.run, never);
  assert.equal(work.starts, 2);
  const failing = new Work();
  const failed = [shared.join("b", failing.run, never), shared.join("b", failing.run, never)];
  failing.gate.reject(new Error("broken"));
  for (const one of failed) await assert.rejects(one, /broken/);
});

test("a caller that leaves ends the work only if it is the last one", async () => {
  const [shared, work] = [new SharedWork<string>(), new Work()];
  const [first, second] = [new AbortController(), new AbortController()];
  const one = shared.join("a", work.run, first.signal);
  const two = shared.join("a", work.run, second.signal);
  first.abort(new Error("left"));
  await assert.rejects(one, /left/);
  assert.equal(work.aborts, 0);
  second.abort(new Error("left too"));
  await assert.rejects(two, /left too/);
  assert.equal(work.aborts, 1);
});

test("a caller that asks while aborted work is still ending begins anew", async () => {
  const shared = new SharedWork<string>();
  const ended = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const slow = async (signal: AbortSignal): Promise<string> => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await ended.promise;
    throw signal.reason;
  };
  const first = shared.join("a", slow, leaving.signal);
  let isOver = false;
  first.catch(() => (isOver = true));
  leaving.abort(new Error("left"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await shared.join("a", async () => "new", never), "new");
  assert.equal(isOver, false, "the last caller waits until nothing is left");
  ended.resolve();
  await assert.rejects(first, /left/);
});
