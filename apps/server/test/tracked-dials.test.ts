import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { HostAgent } from "@wrenn/protocol";
import { TrackedDials } from "../src/joined-host/tracked-dials.ts";

function fixture(dial: HostAgent["dial"]) {
  const dials = new TrackedDials();
  // Nothing else of the agent is asked.
  return { dials, dial: dials.through({ dial } as HostAgent) };
}
const options = { halfOpen: false, signal: new AbortController().signal };

test("a connection is in use from its begin to its end; one that failed is not", async () => {
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

test("a pause refuses new connections, waits for those there are, and is over when they end", async () => {
  const { dials, dial } = fixture(async () => new PassThrough());
  const connection = await dial("cl-1", 80, options);
  const drained = dials.drain("cl-1", options.signal);
  await assert.rejects(dial("cl-1", 80, options), { reason: "port_draining" });
  connection.destroy();
  await drained;
  dials.reset("cl-1");
  (await dial("cl-1", 80, options)).destroy();
});
