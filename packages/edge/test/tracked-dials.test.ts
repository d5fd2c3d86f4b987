import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { TrackedDials } from "@wrenn/edge";
import type { HostAgent } from "@wrenn/protocol";

function fixture(dial: HostAgent["dial"]) {
  const dials = new TrackedDials();
  return { dials, dial: dials.through({ dial }) };
}
const options = { halfOpen: false, signal: new AbortController().signal };

test("a connection is in use from its start to its end; a failed one is not", async () => {
  let fail = false;
  const { dials, dial } = fixture(async () => {
    if (fail) throw new Error("refused");
    return new PassThrough();
  });
  const connection = await dial("cl-1", 80, options);
  assert.equal(dials.inUse("cl-1"), true);
  assert.equal(dials.inUse("cl-2"), false);
  connection.destroy();
  await once(connection, "close");
  assert.equal(dials.inUse("cl-1"), false);
  fail = true;
  await assert.rejects(dial("cl-1", 80, options));
  assert.equal(dials.inUse("cl-1"), false);
});

test("the end of a capsule closes its connections and rejects new ones", async () => {
  const { dials, dial } = fixture(async () => new PassThrough());
  const connection = await dial("cl-1", 80, options);
  const closed = once(connection, "close");
  dials.end("cl-1");
  await closed;
  await assert.rejects(dial("cl-1", 80, options), { reason: "capsule_not_found" });
  dials.reset("cl-1");
  (await dial("cl-1", 80, options)).destroy();
});

test("a pause rejects new connections and waits until the open ones end", async () => {
  const { dials, dial } = fixture(async () => new PassThrough());
  const connection = await dial("cl-1", 80, options);
  const drained = dials.drain("cl-1", options.signal);
  await assert.rejects(dial("cl-1", 80, options), { reason: "port_draining" });
  connection.destroy();
  await drained;
  dials.reset("cl-1");
  (await dial("cl-1", 80, options)).destroy();
});
