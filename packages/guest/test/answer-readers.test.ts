import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import fc from "fast-check";
import { readEntry } from "../src/files/entry.ts";
import { readChanges } from "../src/files/file-changes.ts";
import { readCounters, readListeners, readPorts } from "../src/guest-facts.ts";
import { decodeLabel, encodeLabel } from "../src/processes/process-label.ts";
import { readProcessRecord } from "../src/processes/process-record.ts";

const runs = process.env["WRENN_TEST_LONG"] === "1" ? 50_000 : 1000;
const { BodyWriter } = guestChannel;

const label = encodeLabel({ tag: "t", cmd: "sh", args: ["-c", "x"], startedAt: 1, attached: true });
const entry = new BodyWriter().text("/a/b").u8(3).u32(0o777).u32(1).u32(2).text("user").text("group").u64(5);
const event = new BodyWriter().u8(4).u8(0).text("new").text("old").finish();

/** Answers as agents give them, and what reads each. */
const readers: Readonly<Record<string, { readonly seed: Buffer; readonly read: (body: Buffer) => unknown }>> =
  {
    entry: {
      seed: entry.u64(7).u64(9).u32(1).text("target").u8(1).finish(),
      read: (body) => readEntry(new guestChannel.BodyReader(body)),
    },
    counters: {
      seed: Buffer.alloc(148),
      read: (body) => readCounters(new guestChannel.BodyReader(body)),
    },
    ports: {
      seed: new BodyWriter().u32(1).u8(4).u16(80).bytes(Buffer.alloc(4)).u32(0).finish(),
      read: (body) => readPorts(new guestChannel.BodyReader(body)),
    },
    listeners: {
      seed: new BodyWriter()
        .u32(2)
        .u32(1)
        .u8(17)
        .u16(53)
        .bytes(Buffer.alloc(16))
        .u32(0)
        .u32(7)
        .text("named")
        .finish(),
      read: (body) => readListeners(new guestChannel.BodyReader(body)),
    },
    "process record": {
      seed: new BodyWriter()
        .u32(1)
        .u32(2)
        .u64(3)
        .u8(0)
        .u8(1)
        .u16(80)
        .u16(24)
        .u32(0)
        .u32(0)
        .u64(0)
        .u64(1)
        .u8(0)
        .u64(0)
        .u64(1)
        .u8(0)
        .u64(4)
        .bytes(label)
        .finish(),
      read: (body) => {
        const record = readProcessRecord(new guestChannel.BodyReader(body));
        return decodeLabel(record.label);
      },
    },
    label: { seed: label, read: decodeLabel },
    changes: {
      seed: new BodyWriter().bytes(event).bytes(event).finish(),
      read: async (body) =>
        await Array.fromAsync(
          readChanges(
            (async function* () {
              yield body.subarray(0, 7);
              yield body.subarray(7);
            })(),
          ),
        ),
    },
  };

for (const [what, { seed, read }] of Object.entries(readers)) {
  test(`an answer of a hostile guest is read as ${what}, or is a violation of the protocol`, async () => {
    await read(Buffer.from(seed));
    const changes = fc.array(fc.record({ at: fc.nat(seed.length - 1), to: fc.nat(255) }), { maxLength: 6 });
    const length = fc.nat(seed.length);
    const mutated = fc.tuple(changes, length, fc.uint8Array({ maxLength: 20 })).map(([edits, kept, more]) => {
      const bytes = Buffer.from(seed);
      for (const { at, to } of edits) bytes[at] = to;
      return Buffer.concat([bytes.subarray(0, kept), more]);
    });
    await fc.assert(
      fc.asyncProperty(mutated, async (body) => {
        try {
          await read(body);
        } catch (error) {
          assert.ok(WrennError.is(error, "guest_protocol"), String(error));
        }
      }),
      { numRuns: runs },
    );
  });
}
