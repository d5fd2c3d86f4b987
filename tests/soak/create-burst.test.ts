import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { askPort } from "../support/ask-port.ts";
import { machinesBelow } from "../support/machines-below.ts";
import { ServerProcess } from "../support/server-process.ts";

/* Many creates at once, each answered in time, and each capsule whole. */

const long = process.env["WRENN_TEST_LONG"] === "1";
const CAPSULES = long ? 200 : 8;
const AT_ONCE = long ? 40 : 4;
/** What clients with five seconds of patience need, with a margin for a slow network. */
const ANSWER_MS = 3500;
/** Under emulation on two cores a machine that starts beside 39 others takes its time. */
const RUNNING_MS = 240_000;

let server: ServerProcess;
before(async () => {
  process.env["WRENN_CREATE_WAIT"] = "2";
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
  readonly host_ip?: string;
  readonly problem?: string;
}

const answerMs: number[] = [];
const runningMs: number[] = [];
const addresses = new Map<string, string>();

/** Creates a capsule, uses it and its network once, and destroys it. */
async function live(n: number): Promise<void> {
  const { api } = server;
  const begun = performance.now();
  const created = await api.call<CapsuleBody>("POST", "/v1/capsules", {
    template: "minimal",
    memory_mb: 128,
  });
  answerMs.push(performance.now() - begun);
  assert.equal(created.status, 201, `create ${n}: ${JSON.stringify(created.body)}`);
  const { id } = created.body;
  const { host_ip: address = "" } = await eventually(
    `capsule ${n} runs`,
    async () => {
      const { body } = await api.call<CapsuleBody>("GET", `/v1/capsules/${id}`);
      assert.ok(!["error", "stopped"].includes(body.status), `capsule ${n}: ${JSON.stringify(body)}`);
      return body.status === "running" && body;
    },
    { timeoutMs: RUNNING_MS, intervalMs: 100 },
  );
  runningMs.push(performance.now() - begun);
  assert.equal(addresses.get(address), undefined, `capsule ${n} has the address of another`);
  addresses.set(address, id);
  const { exit_code: exitCode, stdout } = await api.shell(id, `echo capsule ${n}`);
  assert.deepEqual([exitCode, stdout], [0, `capsule ${n}\n`]);
  // The guest's own kernel refuses the connection: its network passes packets in both directions.
  // One that is starved of the processor may not take a connection in the time of a client.
  await eventually(`the guest of capsule ${n} refuses a connection`, async () => {
    const { headers } = await askPort(api, `4444-${id}.localhost`);
    return headers["x-wrenn-error"] === "port_not_listening";
  });
  addresses.delete(address);
  const { status, body } = await api.call("DELETE", `/v1/capsules/${id}`);
  assert.equal(status, 204, `destroying capsule ${n}: ${JSON.stringify(body)}`);
}

test(
  `${CAPSULES} capsules, ${AT_ONCE} at a time: none fails, each answer comes in time, nothing is left`,
  { timeout: 3_000_000 },
  async (t) => {
    let next = 0;
    const problems: string[] = [];
    const worker = async (): Promise<void> => {
      for (let n = next++; n < CAPSULES; n = next++)
        await live(n).catch((error: unknown) => problems.push(String(error)));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    for (const [name, all] of Object.entries({ answerMs, runningMs }))
      t.diagnostic(`${name}: ${summary(all)}`);
    assert.deepEqual(problems, []);
    assert.equal(answerMs.length, CAPSULES);
    assert.ok(Math.max(...answerMs) <= ANSWER_MS, `the slowest answer took ${Math.max(...answerMs)} ms`);
    assert.deepEqual((await server.api.call<CapsuleBody[]>("GET", "/v1/capsules")).body, []);
  },
);

function summary(all: readonly number[]): string {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (part: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0);
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}`;
}
