import assert from "node:assert/strict";
import { test } from "node:test";
import { Bell } from "@wrenn/core";

test("a ring wakes every waiter once, and no later one", async () => {
  const bell = new Bell();
  const woken: string[] = [];
  const first = bell.next.then(() => woken.push("first"));
  const second = bell.next.then(() => woken.push("second"));
  bell.ring();
  void bell.next.then(() => woken.push("later"));
  await Promise.all([first, second]);
  assert.deepEqual(woken, ["first", "second"]);
});

test("a ring after next was taken is not missed", async () => {
  const bell = new Bell();
  const { next } = bell;
  bell.ring();
  await next;
});
