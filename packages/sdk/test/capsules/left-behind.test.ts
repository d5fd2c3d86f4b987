import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;
const CALLS = 2000;
const AT_ONCE = 20;

let api: ScriptedApi;
/** Ends of event streams. */
let closed: Promise<unknown>[];
beforeEach(async () => {
  closed = [];
  api = await ScriptedApi.start();
  api
    .on("POST /v1/capsules", { status: 201, body: wireCapsule({ status: "pending" }) })
    .on(`GET ${path}`, { body: wireCapsule() })
    .on("GET /v1/events", (_call, response) => {
      closed.push(once(response, "close"));
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = { event: "capsule.paused", timestamp: "2026-03-01T09:30:00Z", team_id: "t", data: {} };
      response.write(`: 1\n\nid: 2\ndata: ${JSON.stringify(event)}\n\n`);
      return undefined;
    });
});
afterEach(() => api[Symbol.asyncDispose]());

test("2,000 calls on one signal leave no listener and no heap behind", async () => {
  const { signal } = new AbortController();
  const { capsules } = api.client();
  const capsule = await capsules.get(id);
  const call = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => capsule.info({ signal })));
      api.calls.length = 0;
    }
  };
  await call(CALLS / 10);
  const before = heldBytes();
  await call(CALLS);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
  const grown = heldBytes() - before;
  assert.ok(grown < 4 << 20, `${grown} bytes are held`);
});

test("leaving a stream closes its connection, and leaves nothing on the signal", async () => {
  const { signal } = new AbortController();
  const capsule = await api.client().capsules.get(id);
  for (let n = 0; n < 3; n++) for await (const _event of capsule.events({ follow: true, signal })) break;
  await Promise.all(closed);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a script ends within a second after its last await, and not before", async () => {
  const script = `
    import { Wrenn } from ${JSON.stringify(join(import.meta.dirname, "../../src/node/index.ts"))};
    const wrenn = new Wrenn({ url: ${JSON.stringify(api.url)}, apiKey: "k" });
    const capsule = await wrenn.capsules.create();
    await capsule.waitUntilRunning();
    for await (const event of capsule.events({ follow: true })) break;
    console.log(Date.now());`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit") as Promise<[number]>]);
  assert.equal(code, 0);
  const ms = Date.now() - Number(said);
  assert.ok(ms < 1000, `it ended ${ms} ms after its last await`);
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
