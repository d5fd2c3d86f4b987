import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import fc from "fast-check";
import { consoleLines } from "../src/logs/console-lines.ts";
import { EventStreamClient } from "./support/event-stream-client.ts";
import { TestPlatform } from "./support/test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await TestPlatform.start();
});
after(() => platform[Symbol.asyncDispose]());

const key = (): string => platform.apiKey;

interface Entry {
  readonly id: string;
  readonly source: string;
  readonly message: string;
  readonly event?: string;
  readonly reason?: string;
  readonly raw?: string;
  readonly partial?: boolean;
  readonly gap?: boolean;
  readonly actor?: { readonly type: string };
}

async function capsule(): Promise<string> {
  const { status, body } = await platform.call("POST", "/v1/capsules", { key: key(), body: {} });
  assert.equal(status, 201);
  return String(body["id"]);
}

async function read(id: string, query = "") {
  const { status, body } = await platform.call("GET", `/v1/capsules/${id}/logs${query}`, { key: key() });
  assert.equal(status, 200, JSON.stringify(body));
  return body as {
    readonly entries: readonly Entry[];
    readonly next: string;
    readonly has_more: boolean;
    readonly incomplete: boolean;
  };
}

const write = (id: string, text: string | Uint8Array, at?: number): void =>
  platform.host.observations.write(id, Buffer.from(text), at ?? platform.clock.now());

const messages = (entries: readonly Entry[]): readonly string[] => entries.map(({ message }) => message);

test("a log has the console and what the platform did, by time, and pages go on where the last one ended", async () => {
  const id = await capsule();
  write(id, "booted\nready\n");
  await platform.call("POST", `/v1/capsules/${id}/pause`, { key: key() });
  await platform.call("POST", `/v1/capsules/${id}/resume`, { key: key() });
  await platform.call("POST", `/v1/capsules/${id}/fork`, { key: key(), body: { count: 1 } });
  // Later than anything that the platform records, however long this test takes.
  const later = platform.clock.now() + 600_000;
  write(id, "after\n", later);
  const hasForked = async (): Promise<boolean> => messages((await read(id)).entries).includes("forked");
  await eventually("the fork is recorded", hasForked);
  const { entries, next, has_more: hasMore, incomplete } = await read(id);
  assert.deepEqual(messages(entries), ["created", "booted", "ready", "paused", "resumed", "forked", "after"]);
  assert.deepEqual([hasMore, incomplete], [false, false]);
  assert.equal(entries[3]?.actor?.type, "api_key");
  assert.deepEqual((await read(id, `?after=${next}`)).entries, []);
  const paged: Entry[] = [];
  for (let after = ""; ;) {
    const page = await read(id, `?limit=2${after}`);
    assert.ok(page.entries.length <= 2);
    paged.push(...page.entries);
    if (!page.has_more) break;
    after = `&after=${page.next}`;
  }
  assert.deepEqual(paged, entries);
  assert.deepEqual(messages((await read(id, "?source=console")).entries), ["booted", "ready", "after"]);
  assert.deepEqual(messages((await read(id, "?tail=2")).entries), ["forked", "after"]);
  assert.deepEqual((await read(id, "?tail=0")).entries, []);
  const since = new Date(later - 1000).toISOString();
  assert.deepEqual(messages((await read(id, `?since=${since}`)).entries), ["after"]);
});

test("bytes of a console are data: text with replacements, the exact bytes beside it, long lines in parts", async () => {
  const id = await capsule();
  write(id, "plain\r\n");
  write(id, Buffer.from("\u001b[31mred\u001b[0m\n"));
  write(id, Buffer.from([0xff, 0x61, 0x0a]));
  write(id, `${"x".repeat(5000)}\nlast without end`);
  const { entries } = await read(id, "?source=console");
  assert.deepEqual(
    entries.map(({ message, raw, partial }) => [message.slice(0, 20), raw?.slice(0, 16), partial]),
    [
      ["plain", undefined, undefined],
      [
        "\u{fffd}[31mred\u{fffd}[0m",
        Buffer.from("\u001b[31mred\u001b[0m").toString("base64").slice(0, 16),
        undefined,
      ],
      ["\u{fffd}a", Buffer.from([0xff, 0x61]).toString("base64"), undefined],
      ["x".repeat(20), undefined, true],
      ["x".repeat(20), undefined, undefined],
      ["last without end", undefined, true],
    ],
  );
  assert.equal((entries[3]?.message.length ?? 0) + (entries[4]?.message.length ?? 0), 5000);
});

test("a line in which the kernel ends a process for want of memory is an event", async () => {
  const id = await capsule();
  write(id, "[   12.3] Out of memory: Killed process 77 (python3) total-vm:1kB\nMemory is fine\n");
  const { entries } = await read(id, "?source=console");
  assert.deepEqual(
    entries.map(({ event }) => event),
    ["guest.out_of_memory", undefined],
  );
});

test("a capsule that failed says why, and its console stays readable", async () => {
  const id = await capsule();
  write(id, "Kernel panic\n");
  platform.host.report(id, { state: "failed", problem: "the capsule's machine died: signal 9" });
  const failed = async (): Promise<Entry | undefined> =>
    (await read(id)).entries.find(({ event }) => event === "capsule.failed");
  await eventually("it has failed", async () => (await failed()) !== undefined);
  assert.equal((await failed())?.reason, "the capsule's machine died: signal 9");
  assert.ok(messages((await read(id)).entries).includes("Kernel panic"));
});

test("a client that follows gets each entry once, continues with its last id, and its stream ends with the capsule", async () => {
  const id = await capsule();
  write(id, "one\n");
  const url = `${platform.url}/v1/capsules/${id}/logs?follow=true`;
  const text = ({ events }: EventStreamClient): readonly string[] =>
    events.map(({ data }) => String(data["message"]));
  using first = await EventStreamClient.open(url, { "x-api-key": key() });
  await first.until("the beginning", (client) => text(client).includes("one"));
  write(id, "two\n");
  await first.until("the next line", (client) => text(client).includes("two"));
  assert.deepEqual(text(first), ["created", "one", "two"]);
  first.close();
  write(id, "three\nunfini");
  await platform.call("POST", `/v1/capsules/${id}/pause`, { key: key() });
  using again = await EventStreamClient.open(url, {
    "x-api-key": key(),
    "last-event-id": first.events.at(-1)?.id ?? "",
  });
  await again.until("what was missed", (client) => text(client).includes("paused"));
  write(id, "shed\n");
  await again.until("the whole line", (client) => text(client).some((line) => line.startsWith("unfini")));
  const lines = text(again).filter((line) => line !== "paused");
  assert.ok(
    ["three,unfinished", "three,unfini,shed"].includes(lines.join()),
    `neither lost nor twice: ${lines.join()}`,
  );
  await platform.call("DELETE", `/v1/capsules/${id}`, { key: key() });
  await again.until("the end", ({ ended }) => ended === "complete");
  assert.equal(text(again).at(-1), "destroyed");
});

test("streams of logs and metrics end with the key that they were opened with", async () => {
  const { token } = await platform.person("keeper");
  const created = await platform.call("POST", "/v1/api-keys", { token, body: { name: "watcher" } });
  const own = String(created.body["key"]);
  const { body } = await platform.call("POST", "/v1/capsules", { key: own, body: {} });
  const base = `${platform.url}/v1/capsules/${String(body["id"])}`;
  using log = await EventStreamClient.open(`${base}/logs?follow=true`, { "x-api-key": own });
  using metrics = await EventStreamClient.open(`${base}/metrics/stream`, { "x-api-key": own });
  await log.until("both streams begin", ({ events }) => events.length > 0 && metrics.comments > 0);
  await platform.call("DELETE", `/v1/api-keys/${String(created.body["id"])}`, { token });
  await log.until("both streams have ended", ({ ended }) => ended === "broken" && metrics.ended === "broken");
});

test("a host that does not answer hides the console, which is reported, and not the rest", async () => {
  const id = await capsule();
  write(id, "hidden\n");
  platform.host.cut = true;
  try {
    const { entries, incomplete } = await read(id);
    assert.equal(incomplete, true);
    assert.deepEqual(messages(entries), ["created"]);
  } finally {
    platform.host.cut = false;
  }
});

test("bad places, times and numbers are refused by name, and a log of another team does not exist", async () => {
  const id = await capsule();
  for (const [query, field] of [
    ["after=x", "after"],
    ["after=c1e", "after"],
    ["since=yesterday", "since"],
    ["since=2026-01-31T12:00:00", "since"],
    ["limit=0", "limit"],
    ["tail=5001", "tail"],
    ["source=kernel", "source"],
    ["unknown=1", "unknown"],
  ] as const) {
    const { status, body } = await platform.call("GET", `/v1/capsules/${id}/logs?${query}`, { key: key() });
    assert.equal(status, 400, query);
    assert.match(JSON.stringify(body), new RegExp(field), query);
  }
  const other = await platform.person("other");
  const foreign = await platform.call("GET", `/v1/capsules/${id}/logs?follow=true`, { token: other.token });
  assert.equal(foreign.status, 404);
});

test("however a console is cut into pieces, its lines are the same and hold every byte", () => {
  const bytes = fc
    .uint8Array({ maxLength: 300 })
    .map((array) => Buffer.from(array.map((byte) => (byte % 7 === 0 ? 10 : byte))));
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(299), { maxLength: 5 }), (all, cuts) => {
      const stops = [0, ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length];
      const pieces = stops.slice(1).flatMap((stop, index) => {
        const offset = stops[index] ?? 0;
        return stop > offset ? [{ at: 1, offset, gap: false, bytes: all.subarray(offset, stop) }] : [];
      });
      const whole = consoleLines(
        { pieces: [{ at: 1, offset: 0, gap: false, bytes: all }], next: all.length },
        0,
        () => true,
      );
      assert.deepEqual(
        consoleLines({ pieces, next: all.length }, 0, () => true),
        whole,
      );
      let end = 0;
      for (const line of whole) {
        assert.equal(line.offset, end);
        end = line.end;
      }
      assert.equal(end, all.length);
    }),
    { numRuns: 300 },
  );
});
