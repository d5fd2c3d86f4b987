import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseId, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { Measurement } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { EventStreamClient } from "./support/event-stream-client.ts";
import { TestPlatform } from "./support/test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await TestPlatform.start();
});
after(() => platform[Symbol.asyncDispose]());

const key = (): string => platform.apiKey;
const nowSec = (): number => Math.floor(platform.clock.now() / 1000);

async function capsule(): Promise<string> {
  const { status, body } = await platform.call("POST", "/v1/capsules", { key: key(), body: {} });
  assert.equal(status, 201);
  return String(body["id"]);
}

function measured(timestamp: number): Measurement {
  return {
    timestamp,
    cpuPercent: 12.345,
    memoryBytes: 1,
    diskBytes: 2,
    cpuCount: 3,
    memoryTotalBytes: 4,
    diskUsedBytes: 5,
    diskTotalBytes: 6,
    networkInBytes: 7,
    networkOutBytes: 8,
  };
}

const json = (timestamp: number) => ({
  timestamp_unix: timestamp,
  cpu_pct: 12.35,
  mem_bytes: 1,
  disk_bytes: 2,
  cpu_count: 3,
  mem_total_bytes: 4,
  disk_used_bytes: 5,
  disk_total_bytes: 6,
  net_in_bytes: 7,
  net_out_bytes: 8,
});

test("metrics have CPU, memory, disk and network, of their range and in the step that is asked for", async () => {
  const id = await capsule();
  const at = nowSec() - 30;
  platform.host.observations.measure(id, measured(at - 10_000));
  platform.host.observations.measure(id, measured(at));
  const { status, body } = await platform.call("GET", `/v1/capsules/${id}/metrics?range=5m&step=1`, {
    key: key(),
  });
  assert.equal(status, 200);
  assert.deepEqual(body, { sandbox_id: id, range: "5m", points: [json(at)] });
});

test("a step that is finer than what is kept, or no step, is refused by name", async () => {
  const id = await capsule();
  for (const query of ["range=1h&step=5", "range=24h&step=60", "step=1", "step=0", "step=301", "step=x"]) {
    const { status, body } = await platform.call("GET", `/v1/capsules/${id}/metrics?${query}`, {
      key: key(),
    });
    assert.equal(status, 400, query);
    assert.match(JSON.stringify(body), /step/, query);
  }
});

test("a host of an earlier version answers with what it measures, and refuses steps", async () => {
  class EarlierHost extends FakeHostAgent {
    override async measurements(): Promise<never> {
      throw new WrennError("route_not_found", { method: "call", path: "measurements" });
    }
    override async metrics() {
      return [{ timestamp: 5, cpuPercent: 1, memoryBytes: 2, diskBytes: 3 }];
    }
  }
  await using earlier = await TestPlatform.start({ host: new EarlierHost() });
  const created = await earlier.call("POST", "/v1/capsules", { key: earlier.apiKey, body: {} });
  const path = `/v1/capsules/${String(created.body["id"])}/metrics`;
  const { body } = await earlier.call("GET", path, { key: earlier.apiKey });
  assert.deepEqual(body["points"], [{ timestamp_unix: 5, cpu_pct: 1, mem_bytes: 2, disk_bytes: 3 }]);
  const refused = await earlier.call("GET", `${path}?step=60`, { key: earlier.apiKey });
  assert.equal(refused.status, 409);
  assert.match(JSON.stringify(refused.body), /host_outdated/);
});

test("a stream has each step once it is over, continues with the last id, and ends with the capsule", async () => {
  const id = await capsule();
  const url = `${platform.url}/v1/capsules/${id}/metrics/stream`;
  const { observations } = platform.host;
  const from = nowSec();
  using first = await EventStreamClient.open(url, { "x-api-key": key() });
  observations.measure(id, measured(from + 1));
  await first.until("the first point", ({ events }) => events.length === 1);
  assert.deepEqual(first.events[0], { id: String(from + 1), event: "metrics", data: json(from + 1) });
  assert.ok(nowSec() > from + 1, "its second is over");
  assert.ok(observations.watched.has(id));
  first.close();
  observations.measure(id, measured(from + 2));
  using again = await EventStreamClient.open(url, { "x-api-key": key(), "last-event-id": String(from + 1) });
  await again.until("what was missed", ({ events }) => events.length === 1);
  assert.equal(again.events[0]?.id, String(from + 2));
  assert.equal((await platform.call("DELETE", `/v1/capsules/${id}`, { key: key() })).status, 204);
  await again.until("its end", ({ ended }) => ended === "complete");
});

test("a stream of a missing capsule waits for its host", async () => {
  const id = await capsule();
  await platform.database.db
    .updateTable("sandboxes")
    .set({ status: "missing" })
    .where("id", "=", parseId("capsule", id))
    .execute();
  const url = `${platform.url}/v1/capsules/${id}/metrics/stream`;
  using stream = await EventStreamClient.open(url, { "x-api-key": key() });
  platform.host.observations.measure(id, measured(nowSec() + 1));
  await stream.until("a point of the host that is back", ({ events }) => events.length === 1);
});

test("streams are refused for capsules without metrics, places that are none, and beyond the limit of a team", async () => {
  const id = await capsule();
  const path = `/v1/capsules/${id}/metrics/stream`;
  const bad = await platform.call("GET", path, { key: key(), headers: { "last-event-id": "x" } });
  assert.equal(bad.status, 400);
  assert.equal((await platform.call("GET", `${path}?step=61`, { key: key() })).status, 400);
  assert.equal((await platform.call("GET", `${path}?unknown=1`, { key: key() })).status, 400);
  const stop = new AbortController();
  const ask = (signal: AbortSignal): Promise<Response> =>
    fetch(platform.url + path, { headers: { "x-api-key": key() }, signal });
  // The answers are kept: one that is collected ends its connection.
  const answers = await Promise.all(Array.from({ length: 104 }, () => ask(stop.signal)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 100);
  const refused = await answers.find(({ status }) => status !== 200)?.text();
  assert.match(refused ?? "", /limit_reached/);
  stop.abort();
  await eventually("there is room again", async () => {
    const one = new AbortController();
    const { status } = await ask(one.signal);
    one.abort();
    return status === 200;
  });
  await platform.call("DELETE", `/v1/capsules/${id}`, { key: key() });
  assert.equal((await platform.call("GET", path, { key: key() })).status, 404);
});
