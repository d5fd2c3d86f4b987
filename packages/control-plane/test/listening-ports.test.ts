import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { ListeningPort } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { PortEventBudget } from "../src/ports/port-event-budget.ts";
import { EventStreamClient } from "./support/event-stream-client.ts";
import { TestPlatform } from "./support/test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await TestPlatform.start();
});
after(() => platform[Symbol.asyncDispose]());

const key = (): string => platform.apiKey;

async function capsule(on: TestPlatform = platform): Promise<string> {
  const { status, body } = await on.call("POST", "/v1/capsules", { key: on.apiKey, body: {} });
  assert.equal(status, 201);
  return String(body["id"]);
}

function port(number: number, change: Partial<ListeningPort> = {}): ListeningPort {
  return { protocol: "tcp", address: "0.0.0.0", port: number, uid: 1000, pid: 7, process: "node", ...change };
}

async function list(id: string): Promise<Readonly<Record<string, unknown>>> {
  const { status, body } = await platform.call("GET", `/v1/capsules/${id}/ports/listening`, { key: key() });
  assert.equal(status, 200);
  return body;
}

/** Names of the port events of a capsule so far. */
const eventsOf = (client: EventStreamClient, id: string): readonly string[] =>
  client.events
    .map(({ event, data }) => `${event} ${(data["resource"] as { readonly id: string }).id}`)
    .filter((text) => text.startsWith("port.") && text.includes(id));

test("listening ports are listed with their processes and whether and how they are reached", async () => {
  const id = await capsule();
  const { observations } = platform.host;
  await platform.call("PUT", `/v1/capsules/${id}/ports/8080`, { key: key(), body: { access: "public" } });
  observations.listen(id, [
    port(8080),
    port(5432, { address: "127.0.0.1" }),
    port(22, { address: "::1" }),
    port(53, { protocol: "udp" }),
    { protocol: "tcp", address: "::", port: 443, uid: 0 },
  ]);
  const body = await list(id);
  const ports = body["ports"] as readonly Readonly<Record<string, unknown>>[];
  const facts = { uid: 1000, pid: 7, process: "node" };
  assert.deepEqual(ports, [
    {
      ...facts,
      protocol: "tcp",
      address: "0.0.0.0",
      port: 8080,
      access: "public",
      reachable: true,
      url: ports[0]?.["url"],
    },
    {
      ...facts,
      protocol: "tcp",
      address: "127.0.0.1",
      port: 5432,
      access: "private",
      reachable: true,
      url: ports[1]?.["url"],
    },
    { ...facts, protocol: "tcp", address: "::1", port: 22, access: "private", reachable: false },
    { ...facts, protocol: "udp", address: "0.0.0.0", port: 53, access: "private", reachable: false },
    {
      uid: 0,
      protocol: "tcp",
      address: "::",
      port: 443,
      access: "private",
      reachable: true,
      url: ports[4]?.["url"],
    },
  ]);
  assert.equal(typeof ports[0]?.["url"], "string");
  assert.equal(body["unlisted"], 0);
  assert.match(String(body["seen_at"]), /Z$/);
});

test("a port that opens and closes is an event, once however many sockets it has", async () => {
  const id = await capsule();
  using events = await EventStreamClient.open(`${platform.url}/v1/events`, { "x-api-key": key() });
  await events.until("the stream begins", ({ comments }) => comments > 0);
  const { observations } = platform.host;
  observations.listen(id, [port(3000)]);
  await events.until("it opens", (client) => eventsOf(client, id).length === 1);
  observations.listen(id, [port(3000), port(3000, { address: "::" }), port(53, { protocol: "udp" })]);
  await events.until("another one opens", (client) => eventsOf(client, id).length === 2);
  observations.listen(id, [port(3000, { address: "::", pid: 8 })]);
  await events.until("it closes", (client) => eventsOf(client, id).length === 3);
  assert.deepEqual(eventsOf(events, id), [
    `port.opened ${id}/tcp/3000`,
    `port.opened ${id}/udp/53`,
    `port.closed ${id}/udp/53`,
  ]);
});

test("a paused capsule keeps what listened last, also while its host is away, and an ended one has nothing", async () => {
  const id = await capsule();
  platform.host.observations.listen(id, [port(8000)]);
  const isRecorded = async (): Promise<boolean> => {
    const rows = await platform.database.db.selectFrom("listening_ports").select("ports").execute();
    return rows.some(({ ports }) => ports.some((one) => one.port === 8000));
  };
  await eventually("it is recorded", isRecorded);
  assert.equal((await platform.call("POST", `/v1/capsules/${id}/pause`, { key: key() })).status, 200);
  platform.host.cut = true;
  try {
    const { ports } = await list(id);
    assert.deepEqual(
      (ports as readonly { readonly port: number }[]).map((one) => one.port),
      [8000],
    );
  } finally {
    platform.host.cut = false;
  }
  await platform.call("DELETE", `/v1/capsules/${id}`, { key: key() });
  const ended = await platform.call("GET", `/v1/capsules/${id}/ports/listening`, { key: key() });
  assert.equal(ended.status, 409);
});

test("a capsule that opens and closes ports all the time has a bounded number of events, and its last state is one of them", async () => {
  const id = await capsule();
  using events = await EventStreamClient.open(`${platform.url}/v1/events`, { "x-api-key": key() });
  await events.until("the stream begins", ({ comments }) => comments > 0);
  const { observations } = platform.host;
  for (let round = 0; round < 300; round += 1) {
    observations.listen(id, round % 2 === 0 ? [port(4000)] : [], platform.clock.now() + round);
    if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  observations.listen(id, [port(4001)], platform.clock.now() + 1000);
  const isSettled = (client: EventStreamClient): boolean => {
    const names = eventsOf(client, id);
    // Until the budget is refilled the state may be older.
    return names.includes(`port.opened ${id}/tcp/4001`) || names.length >= 60;
  };
  await events.until("it settles", isSettled);
  platform.clock.advance(60_000);
  await events.until("the last state", (client) =>
    eventsOf(client, id).includes(`port.opened ${id}/tcp/4001`),
  );
  assert.ok(eventsOf(events, id).length <= 75, `${eventsOf(events, id).length} events`);
});

test("the budget of a capsule is spent and refilled on its own", () => {
  let now = 0;
  const budget = new PortEventBudget({ monotonic: () => now });
  budget.spend("a", 50);
  assert.deepEqual([budget.left("a"), budget.left("b")], [10, 60]);
  budget.spend("a", 10);
  assert.equal(budget.left("a"), 0);
  now += 25_000;
  assert.equal(budget.left("a"), 5);
  now += 10_000_000;
  assert.equal(budget.left("a"), 60);
});

test("a host of an earlier version is named as the reason that ports are not listed", async () => {
  class EarlierHost extends FakeHostAgent {
    override async listeners(): Promise<never> {
      throw new WrennError("route_not_found", { method: "call", path: "listeners" });
    }
  }
  await using earlier = await TestPlatform.start({ host: new EarlierHost() });
  const id = await capsule(earlier);
  const { status, body } = await earlier.call("GET", `/v1/capsules/${id}/ports/listening`, {
    key: earlier.apiKey,
  });
  assert.equal(status, 409);
  assert.match(JSON.stringify(body), /host_outdated/);
});
