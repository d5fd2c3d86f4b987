import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { Lane } from "../src/lane/lane.ts";
import type { LaneStream } from "../src/lane/lane.ts";
import { CapsuleBuffer, DEFAULT_BUFFER_BYTES } from "../src/memory/capsule-buffer.ts";
import { GuestProcess } from "../src/processes/guest-process.ts";
import { reserveProcess } from "../src/processes/process-shares.ts";

/** A lane without a guest, whose streams a test gives frames. */
class DetachedLane extends Lane {
  readonly streams = new Map<number, LaneStream>();

  constructor(buffer: CapsuleBuffer) {
    super({
      path: "/nonexistent/lane.sock",
      number: 1,
      linkId: 1n,
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
      buffer,
      onActivity: () => undefined,
      onViolation: (cause) => assert.fail(cause),
    });
  }

  override addStream(id: number, stream: LaneStream): void {
    this.streams.set(id, stream);
  }

  data(id: number, offset: number, size: number): void {
    const payload = Buffer.alloc(8 + size);
    payload.writeBigUInt64LE(BigInt(offset));
    this.streams.get(id)?.receive({ type: guestChannel.frameType.data, flags: 0, id, payload });
  }
}

/** As many processes as there is room for, each of whose streams sends frames of these sizes. */
function fill(
  t: { after(work: () => void): void },
  kind: "attached" | "detached",
  limit: number,
  sizes: readonly number[],
): { readonly used: number; readonly count: number; readonly held: number } {
  const buffer = new CapsuleBuffer(limit);
  // Nearly full of something else: each process gets the least.
  const other = buffer.open();
  other.set(kind === "attached" ? limit * 0.75 : 0);
  const lane = new DetachedLane(buffer);
  t.after(() => lane.close(new Error("the test is over")));
  const processes: GuestProcess[] = [];
  for (let handle = 1; ; handle++) {
    let shares;
    try {
      shares = reserveProcess(buffer, 100, kind);
    } catch {
      break;
    }
    const process = new GuestProcess({
      handle,
      facts: { pid: handle, cmd: "x", args: [], terminal: false, startedAt: 0 },
      attached: kind === "attached",
      paced: false,
      hasInput: false,
      clock: systemClock,
      shares,
      control: lane,
      data: lane,
      onFinished: () => undefined,
    });
    process.started(handle);
    processes.push(process);
  }
  let used = buffer.used;
  for (const { handle } of processes)
    for (const number of [guestChannel.stream.output, guestChannel.stream.errors]) {
      let offset = 0;
      for (const size of sizes) {
        lane.data(guestChannel.streamId(handle, number), offset, size);
        offset += size;
      }
      used = Math.max(used, buffer.used);
    }
  const held = processes.reduce((sum, { log }) => sum + log.streams.stdout.end - log.streams.stdout.start, 0);
  return { used, count: processes.length, held };
}

test("processes in the background never cost more than their capsule may, whatever they print", (t) => {
  const { used, count, held } = fill(t, "detached", DEFAULT_BUFFER_BYTES, [16_384, 16_383]);
  assert.ok(count > 1600, `${count} processes`);
  assert.ok(used <= DEFAULT_BUFFER_BYTES, `${used} bytes`);
  assert.ok(held >= count * 16_383, `${held} bytes of output are left of ${count} processes`);
});

for (const kind of ["attached", "detached"] as const)
  for (const size of [20, 100, 255, 1000, 16_383])
    test(`${kind} output in pieces of ${size} bytes never costs more than its capsule may`, (t) => {
      const limit = 4 << 20;
      const { used, count } = fill(
        t,
        kind,
        limit,
        Array.from({ length: Math.floor(16_384 / size) }, () => size),
      );
      assert.ok(count > 10, `${count} processes`);
      // As if all of it were of such processes, with what only requests may use left free.
      assert.ok(used <= limit * 0.9375, `${used} bytes of ${count} processes`);
    });
