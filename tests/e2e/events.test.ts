import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { defined } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { ServerProcess } from "../support/server-process.ts";

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.start();
});
after(() => server.close());

interface StreamedEvent {
  readonly id?: string;
  readonly event: string;
  readonly actor?: { readonly type: string };
  readonly data: Readonly<Record<string, unknown>>;
}

/** Follows a stream of events; `events` grows as they arrive. */
async function follow(
  query: string,
  last?: string,
): Promise<{ readonly events: readonly StreamedEvent[]; readonly close: () => void }> {
  const { url, apiKey } = server.api;
  const stop = new AbortController();
  const response = await fetch(new URL(`/v1/events?${query}`, url), {
    headers: defined({ "x-api-key": apiKey, "last-event-id": last }),
    signal: stop.signal,
  });
  assert.equal(response.status, 200);
  const events: StreamedEvent[] = [];
  let text = "";
  const reading = (async () => {
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        const id = /^id: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) events.push({ ...(JSON.parse(data) as StreamedEvent), ...defined({ id }) });
      }
    }
  })();
  reading.catch(() => undefined);
  return { events, close: () => stop.abort() };
}

const started = ({ event, data }: StreamedEvent): boolean =>
  event === "process.started" && data["tag"] === "worker";

test("a page that shows one capsule sees its processes, its network and its states, and does not keep it awake", async (t) => {
  const id = await server.api.capsule(t, {
    memory_mb: 256,
    timeout_sec: 5,
    network: { egress: "deny" },
  });
  const page = await follow(`capsule=${id}&types=capsule.*,process.*,network.decision`);
  const find = async (what: string, check: (event: StreamedEvent) => boolean): Promise<StreamedEvent> => {
    await eventually(what, () => page.events.some(check), { timeoutMs: 30_000, details: () => page.events });
    return page.events.find(check) ?? assert.fail(what);
  };
  await server.api.exec(id, "sh", ["-c", "sleep 2; exit 7"], { background: true, tag: "worker" });
  const begun = await find("it starts", started);
  assert.equal(begun.id, undefined, "what is not stored has no id");
  assert.doesNotMatch(JSON.stringify(begun), /exit 7/, "arguments are not shown");
  await server.api.exec(id, "getent", ["hosts", "denied.example.org"]);
  const ended = await find(
    "it exits",
    ({ event, data }) => event === "process.exited" && data["tag"] === "worker",
  );
  assert.equal(ended.data["exit_code"], 7);
  const denied = await find(
    "the name is denied",
    ({ event, data }) =>
      event === "network.decision" && String(data["subject"]).startsWith("denied.example.org"),
  );
  assert.deepEqual([denied.data["verdict"], denied.data["kind"]], ["denied", "name"]);
  const paused = await find("it becomes idle", ({ event }) => event === "capsule.paused");
  assert.deepEqual([paused.data["reason"], paused.actor?.type], ["idle", "system"]);
  page.close();
  assert.equal((await server.api.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  const again = await follow(`capsule=${id}&types=capsule.*,process.*`, paused.id);
  await eventually("what was missed", () => again.events.length === 2, { details: () => again.events });
  const missed = again.events.map(({ event, data }) => `${event} ${String(data["reason"])}`);
  assert.deepEqual(missed.toSorted(), ["capsule.running requested", "events.gap not_stored"]);
  again.close();
});

test("the quota counts a microVM that runs, and not the memory of one that is paused", async (t) => {
  interface Quota {
    readonly capsules: { readonly used: number };
    readonly memory_mb: { readonly used: number };
    readonly disk_mb: { readonly used: number };
  }
  const read = async (): Promise<Quota> => (await server.api.call<Quota>("GET", "/v1/quota")).body;
  const before = await read();
  const id = await server.api.capsule(t, { memory_mb: 256 });
  const running = await read();
  assert.equal(running.capsules.used - before.capsules.used, 1);
  assert.equal(running.memory_mb.used - before.memory_mb.used, 256);
  assert.equal((await server.api.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  const paused = await read();
  assert.equal(paused.capsules.used, running.capsules.used);
  assert.equal(paused.memory_mb.used, before.memory_mb.used);
  await eventually(
    "its host has reported its disk",
    async () => (await read()).disk_mb.used > before.disk_mb.used,
    {
      timeoutMs: 40_000,
    },
  );
});
