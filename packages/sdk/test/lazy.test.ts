import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { lazily } from "../src/transport/lazy.ts";

class Counter {
  #count = 0;

  async add(by: number): Promise<number> {
    this.#count += by;
    return this.#count;
  }
}

test("an object is loaded once, at its first call", async () => {
  let loads = 0;
  const counter = lazily(async () => {
    loads += 1;
    return new Counter();
  });
  assert.equal(loads, 0);
  assert.deepEqual(await Promise.all([counter.add(1), counter.add(2)]), [1, 3]);
  assert.equal(await counter.add(3), 6);
  assert.equal(loads, 1);
});

test("a load that fails rejects its calls, and the next call tries again", async () => {
  let isOffline = true;
  const counter = lazily(async () => {
    if (isOffline) throw new Error("offline");
    return new Counter();
  });
  await assert.rejects(counter.add(1), /offline/);
  isOffline = false;
  assert.equal(await counter.add(1), 1);
});

test("it can be awaited, shown, and its methods can be replaced", async (t) => {
  const counter = lazily(async () => new Counter());
  assert.equal(await Promise.resolve(counter), counter);
  assert.equal(typeof inspect(counter), "string");
  const method: unknown = Reflect.get(counter, "add");
  assert.equal(Reflect.get(counter, "add"), method);
  t.mock.method(counter, "add", async () => 42);
  assert.equal(await counter.add(1), 42);
});
