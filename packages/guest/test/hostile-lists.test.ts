import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { GuestLink } from "@wrenn/guest";
import { guestChannel } from "@wrenn/protocol";
import { ScriptedLane } from "./support/scripted-lane.ts";
import type { ScriptedAnswer } from "./support/scripted-lane.ts";

const { operation } = guestChannel;
const signal = AbortSignal.timeout(60_000);

interface Listed {
  readonly handle?: number;
  readonly pid?: number;
  readonly oldest?: number;
  readonly inputReceived?: number;
  readonly label?: Readonly<Record<string, unknown>>;
}

const honestLabel = { tag: "mine", cmd: "sleep", args: ["5"], startedAt: 1, attached: false };

/** The answer to LIST of a guest that names these processes. */
function list(processes: readonly Listed[]): Buffer {
  const body = new guestChannel.BodyWriter();
  body.list(processes, ({ handle = 1, pid = 100, oldest = 0, inputReceived = 0, label = {} }) => {
    body.u32(handle).u32(pid).u64(0).u8(0).u8(0).u16(80).u16(24).u32(0).u32(0);
    body.u64(oldest).u64(oldest).u8(0).u64(oldest).u64(oldest).u8(0);
    body.u64(inputReceived).bytes(Buffer.from(JSON.stringify({ ...honestLabel, ...label })));
  });
  return body.finish();
}

/** A link to a guest that lists these processes, which never end; and a way to cut its connections. */
async function linkTo(
  t: TestContext,
  processes: readonly Listed[],
): Promise<{ readonly link: GuestLink; readonly cut: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-lists-"));
  const paths = { interactive: join(directory, "a.sock"), bulk: join(directory, "b.sock") };
  const answer = (op: number): ScriptedAnswer => ({
    status: 0,
    body: op === operation.list ? list(processes) : Buffer.alloc(64),
  });
  const lanes = [
    await ScriptedLane.listen(paths.interactive, answer),
    await ScriptedLane.listen(paths.bulk, answer),
  ];
  const link = await GuestLink.connect(
    { ...paths, clock: systemClock, logger: silentLogger, random: systemRandom },
    signal,
  );
  t.after(async () => {
    await link.detach();
    for (const lane of lanes) await lane[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const cut = async (): Promise<void> => {
    for (const lane of lanes) lane.cut();
    // Answered, or refused because the link was given up: either way the host has connected again.
    await link.info(signal).catch(() => {});
    await systemClock.sleep(100);
  };
  return { link, cut };
}

for (const handle of [0, 2 ** 30, 2 ** 32 - 1])
  test(`a guest that lists a process with the handle ${handle} loses its link, and nothing else happens`, async (t) => {
    const { link, cut } = await linkTo(t, [{ handle }]);
    await assert.rejects(link.recover(signal), { reason: "guest_protocol" });
    await cut();
    assert.ok(link.isClosed, "the link is not given up");
    await assert.rejects(link.info(signal), { reason: "guest_protocol" });
  });

test("a process that cannot be taken over leaves nothing behind, and the link is usable", async (t) => {
  const { link, cut } = await linkTo(t, [
    { handle: 5, pid: 105, label: { tag: 5 } },
    { handle: 6, pid: 106, oldest: Number.MAX_SAFE_INTEGER, label: { tag: "late" } },
    { handle: 7, pid: 107, inputReceived: Number.MAX_SAFE_INTEGER, label: { tag: "full" } },
    { handle: 9, pid: 109, label: { tag: "timeless", startedAt: 1e300 } },
    { handle: 10, pid: 110, label: { tag: "endless", timeoutMs: 1e300 } },
    { handle: 8, pid: 108, label: { exit: "forged", more: [[], [], []] } },
  ]);
  await link.recover(signal);
  const listed = await link.processes.list(signal);
  const { attached: _attached, ...shown } = honestLabel;
  assert.deepEqual(listed, [{ ...shown, pid: 108, terminal: false, inputOffset: 0 }]);
  for (const gone of ["105", "late", "full", "timeless", "endless"])
    await assert.rejects(link.processes.find(gone, signal), { reason: "process_not_found" });
  await cut();
  assert.ok(!link.isClosed);
  await link.info(signal);
});
