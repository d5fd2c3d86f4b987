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
