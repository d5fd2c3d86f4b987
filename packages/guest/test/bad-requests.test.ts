import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { guestChannel } from "@wrenn/protocol";
import fc from "fast-check";
import { NativeAgent } from "./support/native-agent.ts";
import { RawLane } from "./support/raw-lane.ts";

const { operation, status } = guestChannel;
const agent = await NativeAgent.start();
const control = await RawLane.open(agent.interactive, guestChannel.lanes.interactive);
const bulk = await RawLane.open(agent.bulk, guestChannel.lanes.bulk);
after(
  async () => {
    control.close();
    bulk.close();
    await agent[Symbol.asyncDispose]();
  },
  { timeout: 20_000 },
);

const controlOps = Object.values(operation).filter((op) => op < 32);
const bulkOps = Object.values(operation).filter((op) => op >= 32);
let id = 0;

test(
  "a request without its head, and one of an unknown operation, are refused",
  { timeout: 10_000 },
  async () => {
    for (const lane of [control, bulk]) {
      for (const length of [0, 1, 7]) {
        lane.send(
          guestChannel.encodeFrame(lane.epoch, guestChannel.frameType.request, ++id, [Buffer.alloc(length)]),
        );
        assert.equal(await lane.status(id), status.badRequest, `${length} bytes`);
      }
      lane.request(++id, 999, Buffer.alloc(0));
      assert.equal(await lane.status(id), status.badRequest);
    }
  },
);

test(
  "a body that is too short or too long is refused, never obeyed in part",
  { timeout: 20_000 },
  async () => {
    const takesNothing = new Set<number>([
      operation.info,
      operation.counters,
      operation.ports,
      operation.thaw,
      operation.listeners,
      operation.list,
    ]);
    for (const [lane, ops] of [
      [control, controlOps],
      [bulk, bulkOps],
    ] as const) {
      for (const op of ops) {
        const name = `operation ${op}`;
        if (!takesNothing.has(op)) {
          lane.request(++id, op, Buffer.alloc(0));
          assert.equal(await lane.status(id), status.badRequest, `${name} without a body`);
        }
        lane.request(++id, op, Buffer.alloc(3000, 0xff));
        assert.equal(await lane.status(id), status.badRequest, `${name} with bytes that are no body`);
      }
      for (const op of takesNothing) {
        if (lane !== control) continue;
        lane.request(++id, op, Buffer.alloc(1));
        assert.equal(await lane.status(id), status.badRequest, `operation ${op} with a byte too many`);
      }
    }
    const resizeAndMore = new guestChannel.BodyWriter().u32(1).u16(80).u16(24).u8(0).finish();
    control.request(++id, operation.resize, resizeAndMore);
    assert.equal(
      await control.status(id),
      status.badRequest,
      "a byte too many comes before an unknown handle",
    );
  },
);

test("a request larger than allowed is refused once, and the lane goes on", { timeout: 20_000 }, async () => {
  control.request(++id, operation.start, randomBytes(5 << 20));
  assert.equal(await control.status(id), status.badRequest);
  control.request(++id, operation.info, Buffer.alloc(0));
  assert.equal(await control.status(id), status.ok);
});

test("any bytes as any request are answered", { timeout: 60_000 }, async () => {
  // CONFIGURE could set this machine's clock, and START could start something.
  const harmless = controlOps.filter(
    (op) => op !== operation.configure && op !== operation.start && op !== operation.quiesce,
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...harmless), fc.uint8Array({ maxLength: 200 }), async (op, body) => {
      control.request(++id, op, body);
      assert.equal(typeof (await control.status(id)), "number");
    }),
    { numRuns: 300 },
  );
});
