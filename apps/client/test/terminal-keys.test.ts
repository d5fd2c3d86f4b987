import assert from "node:assert/strict";
import { test } from "node:test";
import { PassedSignals } from "../src/programs/passed-signals.ts";
import { detachKeys, DetachKeys } from "../src/terminal/detach-keys.ts";

/** What reaches the program of what is typed, one read at a time, with `|` where the terminal is left. */
function typed(keys: DetachKeys, ...reads: readonly string[]): string {
  let sent = "";
  for (const read of reads) {
    const { send, isDetach } = keys.type(Buffer.from(read, "latin1"));
    sent += Buffer.from(send).toString("latin1") + (isDetach ? "|" : "");
  }
  return sent;
}

test("a key that may begin the sequence is for the program at once, and only the last one is not", () => {
  const keys = (): DetachKeys => new DetachKeys("ctrl-p,ctrl-q");
  assert.equal(typed(keys(), "\u0010"), "\u0010");
  assert.equal(typed(keys(), "a\u0010", "\u0011"), "a\u0010|");
  assert.equal(typed(keys(), "\u0010\u0011b"), "\u0010|");
  assert.equal(typed(keys(), "\u0010x\u0011"), "\u0010x\u0011");
  assert.equal(typed(keys(), "\u0010\u0010", "\u0011"), "\u0010\u0010|");
  assert.equal(typed(keys(), "\u0011", "\u0010"), "\u0011\u0010");
  // Every byte that is no part of it passes as it is.
  const all = Buffer.from(Array.from({ length: 256 }, (_, at) => 255 - at)).toString("latin1");
  assert.equal(typed(keys(), all, all), all + all);
});

test("a sequence that begins with itself is found, and one of a single key takes that key", () => {
  assert.equal(
    typed(new DetachKeys("ctrl-a,ctrl-a,d"), "\u0001\u0001", "\u0001", "d"),
    "\u0001\u0001\u0001|",
  );
  assert.equal(typed(new DetachKeys("ctrl-]"), "ab\u001d"), "ab|");
  assert.equal(typed(new DetachKeys("~,."), "~", "x~", "."), "~x~|");
});

test("keys of terminals that report modifiers are found, with Caps Lock and Num Lock too", () => {
  const keys = (): DetachKeys => new DetachKeys("ctrl-p,ctrl-q");
  for (const [one, other] of [
    ["\u001b[112;5u", "\u001b[113;5u"],
    ["\u001b[112;133u", "\u001b[113;69:1u"],
    ["\u001b[27;5;112~", "\u001b[27;5;113~"],
    ["\u0010", "\u001b[113;5u"],
  ] as const)
    assert.equal(typed(keys(), `a${one}`, `b`, one, `${other}c`), `a${one}b${one}|`);
  assert.equal(typed(keys(), "\u001b[112;3u", "\u001b[113;5u"), "\u001b[112;3u\u001b[113;5u");
});

test("keys are chosen or switched off, and a sequence that is none is refused with the remedy", () => {
  assert.equal(detachKeys(undefined)?.text, "ctrl-p,ctrl-q");
  assert.equal(detachKeys("none"), undefined);
  for (const text of ["", "ctrl-", "ctrl-1", "ab", "ctrl-p,", "a,b,c,d,e,f,g,h,i"])
    assert.throws(() => detachKeys(text), { code: "detach_keys_invalid", exit: "usage", remedy: /or none/ });
});

test("each signal is for the program once, and for the command when it is repeated", () => {
  const signals = new PassedSignals();
  const received = (["SIGINT", "SIGTERM", "SIGINT", "SIGHUP", "SIGTERM"] as const).map((name) =>
    signals.receive(name),
  );
  assert.deepEqual(received, ["pass", "pass", "leave", "pass", "leave"]);
});
