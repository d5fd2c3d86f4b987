import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable, withDeadline, WrennError } from "@wrenn/core";

test("a task that outlives its deadline is aborted and named", async () => {
  let aborted = false;
  await assert.rejects(
    withDeadline("the answer", 5, undefined, async (signal) => {
      signal.addEventListener("abort", () => (aborted = true));
      await new Promise(() => {});
    }),
    (error) => WrennError.is(error, "deadline_exceeded") && error.message.startsWith("the answer"),
  );
  assert.ok(aborted);
});

test("the parent's reason wins when it aborts first", async () => {
  const parent = new AbortController();
  const reason = new Error("client left");
  const running = withDeadline("the answer", 60_000, parent.signal, () => new Promise(() => {}));
  parent.abort(reason);
  await assert.rejects(running, reason);
});

test("abortable passes results through and leaves no listener behind", async () => {
  const controller = new AbortController();
  assert.equal(await abortable(controller.signal, Promise.resolve(7)), 7);
  controller.abort();
  await assert.rejects(abortable(controller.signal, Promise.resolve(7)));
});

test("what was aborted before is not begun, and a promise that fails later is heard", async () => {
  const reason = new Error("client left");
  const unheard: unknown[] = [];
  const onUnheard = (problem: unknown): void => void unheard.push(problem);
  process.on("unhandledRejection", onUnheard);
  let begun = false;
  const task = async (): Promise<void> => {
    begun = true;
  };
  await assert.rejects(withDeadline("the answer", 60_000, AbortSignal.abort(reason), task), reason);
  assert.equal(begun, false);
  await assert.rejects(abortable(AbortSignal.abort(reason), Promise.reject(new Error("later"))), reason);
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", onUnheard);
  assert.deepEqual(unheard, []);
});
