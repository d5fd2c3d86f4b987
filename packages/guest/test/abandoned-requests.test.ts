import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { Requests } from "../src/lane/requests.ts";
import { CapsuleBuffer } from "../src/memory/capsule-buffer.ts";

const { operation, frameType } = guestChannel;
const MOST = 4096;

test("kills that are begun and given up while the guest answers nothing are refused beyond a number, and counted", () => {
  const buffer = new CapsuleBuffer();
  const requests = new Requests({ send: () => true, acknowledge: () => true, caughtUp: () => {}, buffer });
  let refused = 0;
  let last = 0;
  for (let n = 0; n < 100_000; n++) {
    const gone = new AbortController();
    try {
      requests.begin(operation.signal, Buffer.alloc(12), gone.signal, true);
      last++;
    } catch (error) {
      assert.ok(WrennError.is(error, "guest_busy"), String(error));
      refused++;
    }
    gone.abort(new Error("the client has left"));
  }
  assert.equal(requests.count, MOST);
  assert.equal(refused, 100_000 - MOST);
  assert.ok(buffer.used >= MOST && buffer.used < 1 << 20, `${buffer.used} bytes counted`);

  // A guest that goes on answers, and is asked again.
  for (let id = 1; id <= last; id++)
    requests.receive({ type: frameType.response, flags: 0, id, payload: Buffer.alloc(4) });
  assert.equal(requests.count, 0);
  assert.equal(buffer.used, 0);
  requests.begin(operation.signal, Buffer.alloc(12), undefined, true);
  assert.equal(requests.count, 1);
});
