import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger, systemRandom, systemClock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { GuestLink } from "@wrenn/guest";
import { guestChannel } from "@wrenn/protocol";
import { Lane } from "../src/lane/lane.ts";
import { OutboundStream } from "../src/lane/outbound-stream.ts";
import { CapsuleBuffer } from "../src/memory/capsule-buffer.ts";
import { UnreceivedBytes } from "../src/lane/unreceived-bytes.ts";
import { ScriptedLane } from "./support/scripted-lane.ts";

const BACKLOG = 1 << 20;
const BLOCK = 16 << 10;

test("an upload of 100,000 one-byte pieces to a guest that takes none costs next to nothing", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-tiny-"));
  const paths = [join(directory, "a.sock"), join(directory, "b.sock")] as const;
  // Every request succeeds; no stream ever gets a window.
  const answer = () => ({ status: 0, body: new Uint8Array() });
  const lanes = await Promise.all(paths.map((path) => ScriptedLane.listen(path, answer)));
  const link = GuestLink.open({
    interactive: paths[0],
    bulk: paths[1],
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
  });
  t.after(async () => {
    await link.detach();
    for (const lane of lanes) await lane[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const gone = new AbortController();
  let given = 0;
  // As a parser gives them out: views of the memory that was read from a socket.
  const read = Buffer.alloc(BLOCK);
  const content = async function* () {
    for (; given < 100_000; given++) yield read.subarray(7, 8);
    gone.abort(new Error("the client has left"));
  };
  const before = process.cpuUsage();
  await assert.rejects(link.files.write("/x", content(), { signal: gone.signal }), /the client has left/);
  const { user, system } = process.cpuUsage(before);
  assert.equal(given, 100_000);
  assert.ok(user + system < 3_000_000, `${(user + system) / 1000} ms`);
  await eventually("nothing of it is held", () => link.bufferedBytes < BLOCK);
});

test("100,000 one-byte writes beyond the window cost half a second at most", (t) => {
  const lane = new Lane({
    path: "/nonexistent/lane.sock",
    number: 1,
    linkId: 1n,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
    buffer: new CapsuleBuffer(),
    onActivity: () => {},
    onViolation: () => {},
  });
  t.after(() => lane.close(new Error("the test is over")));
  const stream = new OutboundStream(lane, 1, 0);
  const one = Buffer.alloc(1);
  const before = process.cpuUsage();
  for (let n = 0; n < 100_000; n++) stream.send(one);
  const { user, system } = process.cpuUsage(before);
  assert.equal(stream.end, 100_000);
  assert.ok(user + system < 500_000, `${(user + system) / 1000} ms`);
});

test("what is not received costs its bytes, whatever sizes they came in", () => {
  const bytes = new UnreceivedBytes();
  const one = Buffer.alloc(1);
  for (let n = 0; n < BACKLOG; n++) bytes.append(one);
  assert.ok(bytes.footprint <= BACKLOG + BLOCK, String(bytes.footprint));
  bytes.append(Buffer.alloc(3 * BLOCK));
  assert.ok(bytes.footprint <= BACKLOG + 4 * BLOCK, String(bytes.footprint));
  bytes.forget(bytes.end);
  assert.equal(bytes.footprint, 0);
});

test("bytes of every size are given out as they came, from any offset that is not forgotten", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const bytes = new UnreceivedBytes();
  const START = 12_345;
  bytes.startAt(START);
  let all = Buffer.alloc(0);
  let forgotten = START;
  for (let round = 0; round < 500; round++) {
    const size = random(20) === 0 ? random(3 * BLOCK) : random(300);
    const piece = Buffer.alloc(size, round);
    bytes.append(piece);
    all = Buffer.concat([all, piece]);
    assert.equal(bytes.end, START + all.length);
    if (random(8) === 0) bytes.forget((forgotten += random(bytes.end - forgotten + 1)));
    let at = forgotten + random(bytes.end - forgotten + 1);
    for (let parts = 0; parts < 3 && at < bytes.end; parts++) {
      const part = bytes.part(at, 1 + random(guestChannel.MAX_PAYLOAD));
      assert.ok(part.length > 0 && part.equals(all.subarray(at - START, at - START + part.length)));
      at += part.length;
    }
  }
});
