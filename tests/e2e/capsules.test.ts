import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { leftSince } from "../support/left-of-capsules.ts";
import { startTestServer } from "../support/test-server.ts";
import { findLeftovers } from "@wrenn/system";

/* Alone: it lists what is left on the whole machine. */

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memory_mb: number;
  readonly timeout_sec: number;
  readonly created_at: string;
  readonly started_at?: string;
  readonly last_updated: string;
}

const server = await startTestServer();
after(() => server.close());

test("a capsule is running when create answers, is listed, read back, and gone after delete", async () => {
  const created = await server.call<CapsuleBody>("POST", "/v1/capsules", {});
  assert.equal(created.status, 201);
  const capsule = created.body;
  assert.match(capsule.id, /^cl-[0-9a-z]{25}$/);
  assert.equal(capsule.status, "running");
  assert.deepEqual(
    [capsule.template, capsule.vcpus, capsule.memory_mb, capsule.timeout_sec],
    ["minimal", 1, 512, 0],
  );
  assert.match(capsule.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

  const listed = await server.call<CapsuleBody[]>("GET", "/v1/capsules");
  assert.deepEqual(
    listed.body.map((entry) => entry.id),
    [capsule.id],
  );
  const read = await server.call<CapsuleBody>("GET", `/v1/capsules/${capsule.id}`);
  assert.equal(read.body.status, "running");

  assert.equal((await server.call("DELETE", `/v1/capsules/${capsule.id}`)).status, 204);
  assert.equal(
    (await server.call("DELETE", `/v1/capsules/${capsule.id}`)).status,
    204,
    "delete is idempotent",
  );
  assert.equal((await server.call<CapsuleBody>("GET", `/v1/capsules/${capsule.id}`)).body.status, "stopped");
  assert.deepEqual((await server.call<CapsuleBody[]>("GET", "/v1/capsules")).body, []);
});

test("destroy leaves no process, directory, tap, namespace or cgroup of the capsule", async () => {
  const before = await findLeftovers();
  const { body } = await server.call<CapsuleBody>("POST", "/v1/capsules", {});
  const during = await findLeftovers();
  assert.ok(
    during.some((item) => item.startsWith("process") && !before.includes(item)),
    "a machine is running",
  );
  await server.call("DELETE", `/v1/capsules/${body.id}`);
  assert.deepEqual(await leftSince(before), []);
  assert.deepEqual(await readdir(server.capsulesDirectory), []);
});

test("two capsules share nothing: files of one are not in the other, and their identities differ", async (t) => {
  const [first, second] = await Promise.all([server.capsule(t), server.capsule(t)]);
  await server.shell(first, "echo secret > /root/mine; sync");
  assert.equal((await server.shell(second, "ls /root/mine")).exit_code, 2);
  const identity =
    "cat /proc/sys/kernel/random/uuid /etc/machine-id; hostname; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'";
  const one = (await server.shell(first, identity)).stdout.split("\n");
  const two = (await server.shell(second, identity)).stdout.split("\n");
  assert.equal(one.length, two.length);
  for (const [line, value] of one.entries())
    if (value !== "") assert.notEqual(value, two[line], `line ${line}`);
});

test("the guest's clock is the host's", async (t) => {
  const id = await server.capsule(t);
  const before = Date.now();
  const guest = Number((await server.shell(id, "date +%s%3N")).stdout);
  const after = Date.now();
  assert.ok(guest >= before - 1000 && guest <= after + 1000, `guest ${guest}, host ${before}…${after}`);
});

test("metrics tell what a capsule uses", async (t) => {
  const id = await server.capsule(t);
  await server.exec(id, "sh", ["-c", "while :; do :; done"], { background: true });
  type Metrics = { points: { cpu_pct: number; mem_bytes: number; disk_bytes: number }[] };
  const second = async (): Promise<Metrics["points"][number] | undefined> => {
    const { status, body } = await server.call<Metrics>("GET", `/v1/capsules/${id}/metrics?range=5m`);
    assert.equal(status, 200);
    return body.points.length >= 2 ? body.points.at(-1) : undefined;
  };
  const last = await eventually("there are two samples", second, { timeoutMs: 60_000, intervalMs: 500 });
  assert.ok(last.cpu_pct > 20 && last.cpu_pct <= 100, `${last.cpu_pct} %`);
  assert.ok(last.mem_bytes > 10e6 && last.mem_bytes < 512 * 2 ** 20);
  assert.ok(last.disk_bytes > 0);
  assert.equal((await server.call("GET", `/v1/capsules/${id}/metrics?range=3w`)).status, 400);
});

test("another shape is what was asked for", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const kib = Number((await server.shell(id, "awk '/MemTotal/ {print $2}' /proc/meminfo")).stdout);
  assert.ok(kib > 180_000 && kib < 262_144, `MemTotal ${kib} KiB`);
});
