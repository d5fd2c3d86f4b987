import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import type { WrennEvent } from "../../src/events/events.ts";
import { refusal, ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

const { id } = wireCapsule();

let api: ScriptedApi;
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(() => api[Symbol.asyncDispose]());

function wireEvent(event: string, data: object = {}, parts: object = {}) {
  return {
    event,
    timestamp: "2026-03-01T09:30:00Z",
    team_id: "team-1",
    actor: { type: "system" },
    resource: { id, type: "sandbox" },
    data,
    ...parts,
  };
}

const sse = (place: number | undefined, event: ReturnType<typeof wireEvent>): string =>
  `${place === undefined ? "" : `id: ${place}\n`}event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;

/** Answers each request for the stream with the next text, then breaks the connection; the last one ends in good order. */
function streams(...texts: readonly string[]): (string | undefined)[] {
  const places: (string | undefined)[] = [];
  const left = [...texts];
  api.on("GET /v1/events", ({ headers }, response) => {
    places.push(headers["last-event-id"] as string | undefined);
    send(response, left.shift() ?? "", left.length === 0);
    return undefined;
  });
  return places;
}

function send(response: ServerResponse, text: string, isEnd: boolean): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  if (isEnd) response.end(text);
  else response.write(text, () => setTimeout(() => response.destroy(), 20));
}

async function take(events: AsyncIterable<WrennEvent>, count: number): Promise<readonly WrennEvent[]> {
  const taken: WrennEvent[] = [];
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

const follow = { follow: true } as const;

test("events are given once and in order over broken connections, from the place where the stream began", async () => {
  const places = streams(
    ": 9\n\n",
    sse(10, wireEvent("capsule.created")) + sse(11, wireEvent("capsule.paused")),
    ": 11\n\n: \nid: 20\n\n",
    sse(21, wireEvent("capsule.running")),
  );
  const notices: number[] = [];
  const client = api.client({ onRetry: ({ attempt }) => notices.push(attempt) });
  const events = await take(client.events(follow), 3);
  assert.deepEqual(
    events.map((event) => [event.id, event.type]),
    [
      ["10", "capsule.created"],
      ["11", "capsule.paused"],
      ["21", "capsule.running"],
    ],
  );
  assert.deepEqual(places, [undefined, "9", "11", "20"]);
  assert.equal(notices.length, 3);
});

test("a body that ends in good order is resumed: the server that sent it is going", async () => {
  const places = streams(`: 9\n\n${sse(10, wireEvent("capsule.created"))}`);
  const abort = new AbortController();
  const seen: (string | undefined)[] = [];
  const reason = new Error("enough");
  await assert.rejects(async () => {
    for await (const event of api.client().events({ ...follow, after: "5", signal: abort.signal })) {
      seen.push(event.id);
      if (places.length === 1) streams("", ": 10\n\n");
      setTimeout(() => abort.abort(reason), 1000);
    }
  }, reason);
  assert.deepEqual([places, seen], [["5"], ["10"]]);
  assert.equal(api.calls[1]?.headers["last-event-id"], "10");
});

test("a place that is not kept, and access that ended, end the stream with the server's error", async () => {
  let opened = 0;
  api.on("GET /v1/events", (_call, response) => {
    opened++;
    if (opened > 1) return refusal(410, "events_gone");
    send(response, ": 9\n\n", false);
    return undefined;
  });
  await assert.rejects(take(api.client().events(follow), 1), { code: "events_gone", status: 410 });
  assert.equal(opened, 2);
});

test("the events of a capsule end with it, and are asked for by its id", async () => {
  api.on(`GET /v1/capsules/${id}`, { body: wireCapsule() });
  const capsule = await api.client().capsules.get(id);
  streams(
    sse(1, wireEvent("checkpoint.created")) + sse(2, wireEvent("capsule.destroyed")) + sse(3, wireEvent("x")),
  );
  const events = await Array.fromAsync(capsule.events({ ...follow, types: ["checkpoint.*"] }));
  assert.deepEqual(
    events.map(({ type }) => type),
    ["checkpoint.created"],
    "its end was not chosen",
  );
  assert.deepEqual(
    [api.calls.at(-1)?.query.get("types"), api.calls.at(-1)?.query.get("capsule")],
    ["checkpoint.*,capsule.destroyed", id],
  );
  streams(sse(2, wireEvent("capsule.destroyed")));
  const all = await Array.fromAsync(capsule.events(follow));
  assert.deepEqual(
    all.map(({ type }) => type),
    ["capsule.destroyed"],
  );
  api.on(`GET /v1/capsules/${id}`, { body: wireCapsule({ status: "stopped" }) });
  assert.deepEqual(
    await Array.fromAsync(capsule.events(follow)),
    [],
    "nothing is to come of one that has ended",
  );
});

test("an event has a date, names in camel case, and the nouns of the SDK", async () => {
  const started = wireEvent("process.started", {
    pid: 7,
    started_at: "2026-03-01T09:30:01Z",
    terminal: false,
    cmd: "sh",
  });
  const gap = wireEvent(
    "events.gap",
    { reason: "not_stored", types: ["process.*"] },
    { actor: undefined, resource: undefined },
  );
  const made = wireEvent("template.snapshot.created", {}, { resource: { id: "warm", type: "snapshot" } });
  streams(sse(undefined, started) + sse(undefined, gap) + sse(4, made));
  const [first, second, third] = await take(api.client().events(follow), 3);
  assert.deepEqual(first, {
    type: "process.started",
    at: new Date("2026-03-01T09:30:00Z"),
    teamId: "team-1",
    actor: { type: "system" },
    resource: { type: "capsule", id },
    data: { pid: 7, startedAt: new Date("2026-03-01T09:30:01Z"), terminal: false, cmd: "sh" },
  });
  assert.ok(first?.type === "process.started" && first.data.startedAt instanceof Date);
  assert.ok(second?.type === "events.gap" && second.data.reason === "not_stored");
  assert.equal(third?.resource?.type, "template");
});

test("without following, kept events are listed, newest first, page by page", async () => {
  const pages = [
    [wireEvent("capsule.paused", {}, { id: "9" })],
    [wireEvent("capsule.created", {}, { id: "8" })],
  ];
  api.on("GET /v1/events/history", () => {
    const body = pages.shift();
    return { body, ...(pages.length > 0 ? { headers: { "x-next-cursor": "c" } } : {}) };
  });
  const events = api.client().events({
    types: ["capsule.*"],
    since: new Date(0),
    until: new Date(1),
    pageSize: 1,
  });
  assert.deepEqual(
    (await Array.fromAsync(events)).map(({ id: place }) => place),
    ["9", "8"],
  );
  assert.equal(
    api.asked[0],
    "GET /v1/events/history?since=1970-01-01T00%3A00%3A00.000Z&types=capsule.*&until=1970-01-01T00%3A00%3A00.001Z&limit=1",
  );
  assert.throws(() => api.client().events({ after: "1" }), { code: "unknown_option" });
  assert.throws(() => api.client().events({ follow: true, until: new Date() }), { code: "unknown_option" });
});
