import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { ServerProcess } from "../support/server-process.ts";

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.start();
});
after(() => server.close());

interface CapsuleBody {
  readonly status: string;
  readonly max_lifetime_sec?: number;
  readonly lifetime_ends_at?: string;
}

const read = async (id: string): Promise<CapsuleBody> =>
  (await server.api.call<CapsuleBody>("GET", `/v1/capsules/${id}`)).body;

async function becomes(id: string, status: string): Promise<void> {
  await eventually(`${id} is ${status}`, async () => (await read(id)).status === status, { intervalMs: 50 });
}

test("a capsule that has run for as long as it may is paused though it is in use, and goes on after a resume", async () => {
  const busy = await server.api.capsule(undefined, { memory_mb: 256, max_lifetime_sec: 4 });
  const free = await server.api.capsule(undefined, { memory_mb: 256 });
  const { max_lifetime_sec: seconds, lifetime_ends_at: end = "" } = await read(busy);
  assert.equal(seconds, 4);
  const left = Date.parse(end) - Date.now();
  assert.ok(left > -2000 && left <= 4000, `${left} ms are left`);
  assert.equal((await read(free)).max_lifetime_sec, undefined);
  const ticker = "i=0; while :; do i=$((i+1)); echo $i > /tmp/ticks; sleep 0.1; done";
  await server.api.exec(busy, "sh", ["-c", ticker], { background: true, tag: "ticker" });
  await becomes(busy, "paused");
  assert.equal((await read(busy)).lifetime_ends_at, undefined, "a paused capsule has no end");
  assert.equal((await read(free)).status, "running");
  const resumed = await server.api.call("POST", `/v1/capsules/${busy}/resume`);
  assert.equal(resumed.status, 200);
  assert.ok(Date.parse((await read(busy)).lifetime_ends_at ?? "") > Date.parse(end), "it has its time anew");
  const { stdout } = await server.api.shell(busy, "cat /tmp/ticks; sleep 0.5; cat /tmp/ticks");
  const [first = 0, second = 0] = stdout.split("\n").map(Number);
  assert.ok(first > 0 && second > first, `the program goes on: ${stdout}`);
  await becomes(busy, "paused");
  for (const id of [busy, free])
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("the time goes on while no server runs", async () => {
  const id = await server.api.capsule(undefined, { memory_mb: 256, max_lifetime_sec: 5 });
  await server.kill();
  await new Promise((resolve) => setTimeout(resolve, 5000));
  await server.start();
  await becomes(id, "paused");
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("a lifetime that makes no sense is refused", async () => {
  for (const max_lifetime_sec of [-1, 1.5, "1h", 2_592_001]) {
    const { status } = await server.api.call("POST", "/v1/capsules", { max_lifetime_sec });
    assert.equal(status, 400, String(max_lifetime_sec));
  }
});
