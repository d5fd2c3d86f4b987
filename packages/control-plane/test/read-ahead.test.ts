import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadAhead } from "../src/http/read-ahead.ts";
import type { ReadAheadShare } from "../src/http/read-ahead.ts";

const MIB = 1 << 20;

/** How much a client sends before its socket is left unread. */
function fill(share: ReadAheadShare): number {
  let sent = 0;
  while (!share.full && sent < 1000 * MIB) {
    share.take(65_536);
    sent += 65_536;
  }
  return sent / MIB;
}

test("a client sends 1 MiB ahead, and 64 MiB once it sends input", () => {
  const all = new ReadAhead();
  const share = all.open(() => assert.fail("it never has room again"));
  assert.ok(Math.abs(fill(share) - 1) < 0.1);
  const input = all.open(() => undefined);
  input.extend();
  const mib = fill(input);
  assert.ok(mib >= 64 && mib < 80, `${mib} MiB`);
});

test("many clients share what there is: each gets its base, none uses everything up", () => {
  const all = new ReadAhead();
  const sent = Array.from({ length: 50 }, () => {
    const share = all.open(() => undefined);
    share.extend();
    return fill(share);
  });
  assert.ok(sent[0] !== undefined && sent[0] >= 64);
  assert.ok(
    sent.every((mib) => mib >= 1),
    sent.join(),
  );
  const total = sent.reduce((sum, mib) => sum + mib, 0);
  assert.ok(total < 256 + 50 * 1.1, `${total} MiB`);
});

test("a socket is read again when half of its share is free, also because another gave its share back", () => {
  const all = new ReadAhead(128 * MIB);
  const woken: string[] = [];
  const [hog, waiting] = ["hog", "waiting"].map((name) => {
    const share = all.open(() => woken.push(name));
    share.extend();
    return share;
  });
  assert.ok(hog && waiting);
  const sent = fill(hog);
  fill(waiting);
  assert.deepEqual([hog.full, waiting.full, woken], [true, true, []]);
  for (let given = 0; given < sent * 16 && woken.length < 2; given++) hog.give(65_536);
  assert.deepEqual(woken.toSorted(), ["hog", "waiting"]);
  assert.deepEqual([hog.full, waiting.full], [false, false]);
});

test("what a client that is gone had sent still counts until it is given back", () => {
  const all = new ReadAhead();
  const { free } = all;
  const share = all.open(() => undefined);
  share.take(MIB);
  share.close();
  assert.ok(all.free < free);
  share.give(MIB);
  assert.equal(all.free, free);
});
