import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { StreamClient } from "../support/stream-client.ts";
import { assertClock, TOLERANCE_MS } from "../support/guest-clock.ts";
import { startTestServer } from "../support/test-server.ts";

/* Alone: it compares clocks that a busy machine reads late. */

let failing = "";
const server = await startTestServer({
  onStep: async (_capsule, operation, step) => {
    if (`${operation} ${step}` === failing) throw new WrennError("disk_full", { path: "/" });
  },
});
after(() => server.close());

const verb = <T>(id: string, name: string, body?: unknown) =>
  server.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

/** Answers each line of its input with its clock, in nanoseconds. */
const answering = "import sys, time\nfor line in sys.stdin: print(time.time_ns(), flush=True)";

/**
 * Notes the differences between the wall clock and the monotonic one, whenever they change by more than 20 ms. Readings that a
 * busy host tore apart are repeated.
 */
const noting = `
import time
def difference():
    while True:
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < 5_000_000: return wall - before
last = difference()
while True:
    now = difference()
    if abs(now - last) > 20_000_000:
        open('/tmp/jumps', 'a').write(f'{(now - last) // 1_000_000}\\n')
        last = now
    time.sleep(0.002)
`;

/** A program in the capsule that reports its time, over a stream that stays open across stops. */
class Clock {
  readonly #stream: StreamClient;
  #answers = 0;

  private constructor(stream: StreamClient) {
    this.#stream = stream;
  }

  static async open(id: string): Promise<Clock> {
    const start = { type: "start", cmd: "python3", args: ["-c", answering], stdin: true };
    return new Clock(await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, start));
  }

  /** By how much the clock is surely wrong, at least, and the length of the question, both in milliseconds. */
  async read(): Promise<{ readonly wrongMs: number; readonly tookMs: number }> {
    const asked = Date.now();
    this.#stream.send({ type: "stdin", data: Buffer.from("?\n").toString("base64") });
    this.#answers++;
    const lines = (): string[] => this.#stream.joined("stdout").split("\n").slice(0, -1);
    await this.#stream.until(() => (lines().length >= this.#answers ? true : undefined), "the time", 30);
    const answered = Date.now();
    const read = Number(lines().at(-1)) / 1e6;
    return { wrongMs: Math.max(asked - read, read - answered, 0), tookMs: answered - asked };
  }

  close(): void {
    this.#stream.socket.close();
  }
}

test("checkpoints, a fork and a failed pause leave a capsule its time, and its programs see each stop once", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.exec(id, "python3", ["-c", noting], { background: true, tag: "noting" });
  const clock = await Clock.open(id);
  await clock.read();
  const check = async (when: string): Promise<void> => {
    const readings = [await clock.read(), await clock.read(), await clock.read()];
    for (const { wrongMs, tookMs } of readings)
      assert.ok(wrongMs <= TOLERANCE_MS, `${when}: ${wrongMs} ms wrong, asked for ${tookMs} ms`);
    t.diagnostic(`${when}: ${JSON.stringify(readings)}`);
  };
  let stops = 0;
  for (let n = 0; n < 8; n++) {
    const made = await verb<{ stopped_ms: number }>(id, "checkpoints", {});
    assert.equal(made.status, 201);
    if (made.body.stopped_ms > 25) stops++;
    await check(`checkpoint ${n + 1}, stopped for ${made.body.stopped_ms} ms`);
  }
  const forked = await verb<{ id: string }[]>(id, "fork", { count: 1 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  const child = forked.body[0]?.id ?? "";
  t.after(() => server.call("DELETE", `/v1/capsules/${child}`));
  await check("fork");
  await assertClock(server, child, "in a fork");
  for (const step of ["memory", "commit"]) {
    failing = `pause ${step}`;
    assert.equal((await verb(id, "pause")).status, 502);
    failing = "";
    await check(`pause that failed at its ${step}`);
  }
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  await check("resume");
  clock.close();
  // A program that had run before its clock was set would have seen two jumps.
  const { stdout } = await server.shell(id, "cat /tmp/jumps");
  const jumps = stdout.trim().split("\n").map(Number);
  assert.ok(jumps.length >= stops && jumps.length <= 12, `${stops} long stops, jumps: ${jumps.join(" ")}`);
  assert.ok(jumps.every((ms) => ms > 0));
});

test("a clock that was set wrong in a capsule is right after a stop", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.shell(id, "date -s @0 >/dev/null");
  assert.equal((await verb(id, "checkpoints", {})).status, 201);
  await assertClock(server, id, "after a checkpoint");
});

test(
  "a clock that is off by a little is slewed: it never runs backwards",
  { skip: process.env["WRENN_TEST_LONG"] === "1" ? false : "--long", timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    const clock = await Clock.open(id);
    const set = "import time; time.clock_settime(time.CLOCK_REALTIME, time.time() + 0.04)";
    const watch = `
import time
last = time.time_ns()
while True:
    now = time.time_ns()
    if now < last: open('/tmp/backwards', 'a').write(f'{last - now}\\n')
    last = now
    time.sleep(0.001)
`;
    assert.equal((await server.exec(id, "python3", ["-c", set])).body.exit_code, 0);
    await server.exec(id, "python3", ["-c", watch], { background: true, tag: "watch" });
    assert.ok((await clock.read()).wrongMs > 20);
    // Looked at within a minute, then corrected by 0.5 ms a second.
    const isRight = async (): Promise<boolean> => (await clock.read()).wrongMs < 8;
    await eventually("the clock is right", isRight, { timeoutMs: 240_000, intervalMs: 2000 });
    assert.equal((await server.shell(id, "cat /tmp/backwards 2>/dev/null; true")).stdout, "");
    clock.close();
  },
);
