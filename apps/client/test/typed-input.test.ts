import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Terminal } from "@wrenn/sdk";
import { detachKeys } from "../src/terminal/detach-keys.ts";
import { TypedInput } from "../src/terminal/typed-input.ts";

/** What may happen in front of a terminal: reads of the keyboard, among them beginnings of detach sequences, and a change of the size. */
const EVENTS = ["a", "\u0010", "\u000f", "\u001b", "\u001b[112;5u", "\u00ff\u0000", "resize"] as const;
const LENGTH = 4;

/** Every order of `length` events. */
function* ordersOf(length: number): Generator<readonly string[]> {
  if (length === 0) return yield [];
  for (const before of ordersOf(length - 1)) for (const event of EVENTS) yield [...before, event];
}

/** A keyboard, and a terminal that notes what it is given, in its order. */
function join(keys: string | undefined, takes: (text: string) => Promise<void>) {
  const stdin = new PassThrough();
  let detached = 0;
  const write = async (bytes: Uint8Array | string): Promise<void> =>
    await takes(Buffer.from(bytes as Uint8Array).toString("latin1"));
  const writable = new WritableStream<Uint8Array | string>({ write });
  const input = new TypedInput(
    stdin as unknown as NodeJS.ReadStream,
    { writable } as unknown as Terminal,
    detachKeys(keys),
    { onDetach: () => void detached++, onInterrupt: () => undefined },
  );
  input.start();
  return { stdin, input, detached: () => detached };
}

test("in every order of keys and resizes each read reaches the terminal at once, whole, once and in its place", async () => {
  for (const keys of [undefined, "none"]) {
    let given: string[] = [];
    const { stdin, detached } = join(keys, async (text) => void given.push(text));
    // The stream has started.
    await setImmediate();
    for (const events of ordersOf(LENGTH)) {
      given = [];
      for (const [at, event] of events.entries()) {
        // A resize is sent by the listener itself.
        if (event === "resize") given.push("resize");
        else stdin.emit("data", Buffer.from(event, "latin1"));
        // Nothing waits for the next key.
        if (given.length <= at) await setImmediate();
        assert.deepEqual(given, events.slice(0, at + 1));
      }
    }
    assert.equal(detached(), 0);
  }
});

test("keys that are typed while the terminal takes none arrive in their order, and the detach keys are seen at once", async () => {
  const taking = Promise.withResolvers<void>();
  let given = "";
  const { stdin, detached } = join("ctrl-a,d", async (text) => {
    given += text;
    await taking.promise;
  });
  await setImmediate();
  const typed = Array.from({ length: 500 }, (_, at) => String.fromCharCode(at % 97));
  for (const key of typed) stdin.emit("data", Buffer.from(key, "latin1"));
  stdin.emit("data", Buffer.from("\u0001d"));
  assert.equal(detached(), 1);
  taking.resolve();
  await setImmediate();
  assert.equal(given, `${typed.join("")}\u0001`);
});
