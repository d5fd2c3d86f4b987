import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serverTiming } from "../src/http/server-timing.ts";
import { METRICS_TOKEN, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const key = platform.apiKey;

const post = (path: string, body?: object): Promise<Answer> =>
  platform.call("POST", path, { key, ...(body ? { body } : {}) });

/** Durations of an answer by name, milliseconds. */
function timesOf({ headers }: Answer): ReadonlyMap<string, number> {
  const entries = (headers.get("server-timing") ?? "").split(", ").map((entry): [string, number] => {
    const [, name = "", ms = "NaN"] = /^([a-z_]+);dur=(\d+(?:\.\d)?)$/.exec(entry) ?? [];
    return [name, Number(ms)];
  });
  return new Map(entries);
}

/** Phases, the rest and the total add up, within what rounding to tenths leaves. */
function requireSum(times: ReadonlyMap<string, number>): void {
  const total = times.get("total") ?? Number.NaN;
  let sum = 0;
  for (const [name, ms] of times) if (name !== "total") sum += ms;
  assert.ok(Math.abs(sum - total) <= 0.05 * (times.size + 1), JSON.stringify([...times]));
}

test("a create, pause, resume, restore, fork and command say where their time went", async () => {
  platform.host.phases = { machine: 0, memory: 0 };
  const made = await post("/v1/capsules", {});
  assert.deepEqual([...timesOf(made).keys()], ["placement", "machine", "memory", "other", "total"]);
  const path = `/v1/capsules/${String(made.body["id"])}`;
  const ran = await post(`${path}/exec`, { cmd: "echo", args: ["hello"] });
  assert.deepEqual([...timesOf(ran).keys()], ["capsule", "guest", "first_byte", "run", "other", "total"]);
  const detached = await post(`${path}/exec`, { cmd: "sleep", args: ["9"], background: true });
  assert.deepEqual([...timesOf(detached).keys()], ["capsule", "guest", "other", "total"]);
  const forked = await post(`${path}/fork`, { count: 2 });
  assert.deepEqual([...timesOf(forked).keys()], ["placement", "machine", "memory", "other", "total"]);
  const checkpoint = await post(`${path}/checkpoints`, {});
  const answers = [
    await post(`${path}/checkpoints/${String(checkpoint.body["id"])}/restore`),
    await post(`${path}/pause`),
    await post(`${path}/resume`),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual([...timesOf(answer).keys()], ["machine", "memory", "other", "total"]);
  }
  for (const answer of [made, ran, detached, forked, ...answers]) requireSum(timesOf(answer));
});

test("a command that resumes its capsule shows the phases of the resume", async () => {
  platform.host.phases = { disk: 0, guest: 0 };
  const made = await post("/v1/capsules", { auto_resume: true });
  const path = `/v1/capsules/${String(made.body["id"])}`;
  await post(`${path}/pause`);
  const times = timesOf(await post(`${path}/exec`, { cmd: "echo" }));
  assert.deepEqual([...times.keys()], ["capsule", "disk", "guest", "first_byte", "run", "other", "total"]);
  requireSum(times);
});

test("phases that a host claims beyond the time of its answer are left out", async () => {
  platform.host.phases = { disk: 60_000, machine: 1e300 };
  const times = timesOf(await post("/v1/capsules", {}));
  assert.deepEqual([...times.keys()], ["placement", "other", "total"]);
});

test("a refused create says where its time went, and other routes say nothing of theirs", async () => {
  platform.host.phases = { machine: 0 };
  const refused = await post("/v1/capsules", { template: "unknown" });
  assert.equal(refused.status, 404);
  assert.deepEqual([...timesOf(refused).keys()], ["other", "total"]);
  const list = await platform.call("GET", "/v1/capsules", { key });
  assert.equal(list.headers.get("server-timing"), null);
});

test("phases are in the metrics, by operation", async () => {
  const response = await fetch(`${platform.url}/metrics`, {
    headers: { authorization: `Bearer ${METRICS_TOKEN}` },
  });
  const text = await response.text();
  for (const [operation, phase] of [
    ["create", "placement"],
    ["create", "machine"],
    ["resume", "machine"],
    ["pause", "machine"],
    ["fork", "memory"],
    ["restore", "machine"],
    ["exec", "first_byte"],
  ])
    assert.match(
      text,
      new RegExp(`wrenn_phase_seconds_count\\{operation="${operation}",phase="${phase}"\\} [1-9]`),
    );
});

test("phases are in the events of the capsule", async () => {
  platform.host.phases = { disk: 0, machine: 0 };
  const { body } = await post("/v1/capsules", {});
  const id = String(body["id"]);
  await post(`/v1/capsules/${id}/pause`);
  const history = await platform.call("GET", `/v1/events/history?capsule=${id}`, { key });
  const items = history.body as unknown as { event: string; data: { phases?: Record<string, number> } }[];
  const phasesOf = (event: string): readonly string[] =>
    Object.keys(items.find((item) => item.event === event)?.data.phases ?? {}).toSorted();
  assert.deepEqual(phasesOf("capsule.created"), ["disk", "machine", "placement"]);
  assert.deepEqual(phasesOf("capsule.paused"), ["disk", "machine"]);
});

test("times are rounded to tenths, and a clock that jumps makes none of them negative", () => {
  assert.equal(
    serverTiming({ placement: 1.234, disk: 0.04 }, 10),
    "placement;dur=1.2, disk;dur=0, other;dur=8.7, total;dur=10",
  );
  assert.equal(serverTiming({ disk: 12 }, 10), "disk;dur=12, other;dur=0, total;dur=10");
});
