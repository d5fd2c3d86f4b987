import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Capsule } from "../../src/capsules/capsule.ts";
import { ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;

let api: ScriptedApi;
let capsule: Capsule;
before(async () => {
  api = await ScriptedApi.start();
});
after(() => api[Symbol.asyncDispose]());
beforeEach(async () => {
  api.on(`GET ${path}`, { body: wireCapsule() });
  capsule = await api.client().capsules.get(id);
  api.calls.length = 0;
});

const entry = (place: string, parts: object = {}) => ({
  id: place,
  timestamp: "2026-03-01T09:30:00Z",
  source: "console",
  message: place,
  ...parts,
});
const page = (places: readonly string[], next: string, parts: object = {}) => ({
  body: { entries: places.map((place) => entry(place)), next, has_more: false, incomplete: false, ...parts },
});
const sse = (place: string): string => `id: ${place}\nevent: log\ndata: ${JSON.stringify(entry(place))}\n\n`;
const ids = async (entries: AsyncIterable<{ readonly id: string }>): Promise<readonly string[]> =>
  (await Array.fromAsync(entries)).map((one) => one.id);

test("a log is read to its end, and says when lines are missing", async () => {
  const pages = [page(["c1", "c2"], "c2", { has_more: true }), page(["c3"], "c3", { incomplete: true })];
  api.on(`GET ${path}/logs`, () => pages.shift());
  const logs = capsule.logs({ source: "console", since: new Date(0) });
  assert.deepEqual(await ids(logs), ["c1", "c2", "c3"]);
  assert.equal(logs.isIncomplete, true);
  assert.deepEqual(
    api.calls.map(({ query }) => [query.get("after"), query.get("source")]),
    [
      [null, "console"],
      ["c2", "console"],
    ],
  );
});

test("a followed log is resumed behind its last entry, and ends with the capsule", async () => {
  const places: unknown[] = [];
  api.on(`GET ${path}/logs`, ({ headers, query }, response) => {
    places.push(headers["last-event-id"]);
    if (query.get("follow") !== "true") return page(["c1"], "c1");
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (places.length === 2) response.write(sse("c2"), () => setTimeout(() => response.destroy(), 20));
    else if (places.length === 3) response.end(sse("c3"));
    else {
      api.on(`GET ${path}`, { body: wireCapsule({ status: "stopped" }) });
      response.end(sse("c4"));
    }
    return undefined;
  });
  assert.deepEqual(await ids(capsule.logs({ follow: true, tail: 1 })), ["c1", "c2", "c3", "c4"]);
  assert.deepEqual(places, [undefined, "c1", "c2", "c3"]);
  assert.equal(api.calls[1]?.query.has("tail"), false, "a repetition would leave out other entries");
});

test("an entry has its exact bytes where the text differs", async () => {
  const raw = entry("c1", { message: "\u{FFFD}", raw: "/w==", partial: true, gap: true, event: "x" });
  api.on(`GET ${path}/logs`, { body: { entries: [raw], next: "c1", has_more: false, incomplete: false } });
  assert.deepEqual(await Array.fromAsync(capsule.logs()), [
    {
      id: "c1",
      at: new Date("2026-03-01T09:30:00Z"),
      source: "console",
      message: "\u{FFFD}",
      event: "x",
      bytes: new Uint8Array([255]),
      isPartial: true,
      isAfterGap: true,
    },
  ]);
});

test("metrics are points with dates, and their stream goes on until the capsule is gone", async () => {
  const wire = { timestamp_unix: 100, cpu_pct: 1.5, mem_bytes: 2, disk_bytes: 3, net_in_bytes: 4 };
  const point = { at: new Date(100_000), cpuPercent: 1.5, memoryBytes: 2, diskBytes: 3, networkInBytes: 4 };
  api.on(`GET ${path}/metrics`, { body: { sandbox_id: id, range: "5m", points: [wire] } });
  assert.deepEqual(await capsule.metrics("5m", { stepMs: 10_000 }), [point]);
  assert.equal(api.asked[0], `GET ${path}/metrics?range=5m&step=10`);
  let opened = 0;
  api.on(`GET ${path}/metrics/stream`, ({ headers }, response) => {
    opened++;
    assert.equal(headers["last-event-id"], opened === 1 ? undefined : "100");
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (opened === 2)
      api.on(`GET ${path}`, { status: 404, body: { error: { code: "not_found", message: "" } } });
    response.end(
      opened === 1 ? `: \n\nid: 100\nevent: metrics\ndata: ${JSON.stringify(wire)}\n\n` : ": \n\n",
    );
    return undefined;
  });
  assert.deepEqual(await Array.fromAsync(capsule.metricsStream()), [point]);
  assert.equal(opened, 2);
});

test("a stream of metrics that broke off ends with its capsule; that of one which never had any is refused", async () => {
  const gone = { status: 404, body: { error: { code: "not_found", message: "no metrics" } } };
  const breakOff = (): ScriptedApi =>
    api.on(`GET ${path}/metrics/stream`, (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": \n\n", () => response.destroy());
      api.on(`GET ${path}/metrics/stream`, gone);
      return undefined;
    });
  breakOff();
  await assert.rejects(Array.fromAsync(capsule.metricsStream()), { message: "no metrics" }, "it still runs");
  api.on(`GET ${path}`, { body: { ...wireCapsule(), status: "stopped" } });
  await assert.rejects(Array.fromAsync(capsule.metricsStream()), { message: "no metrics" });
  breakOff();
  assert.deepEqual(await Array.fromAsync(capsule.metricsStream()), []);
});
