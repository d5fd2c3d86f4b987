import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { OutputClient } from "@wrenn/control-plane/testing/output-client";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";
import type { Answer } from "../support/api-caller.ts";
import type { TestServer } from "../support/test-server.ts";

/* Commands that outlive their requests, followed and written to from any offset, in a real capsule. */

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

interface Started {
  readonly tag: string;
  readonly stdout: string;
  readonly exit_code?: number;
  readonly next: { readonly stdout: number; readonly stderr: number };
}

const wait = async (script: string, more: object): Promise<Answer<Started>> =>
  await server.call<Started>("POST", `/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", script], ...more });
const follow = async (tag: string, query = ""): Promise<OutputClient> =>
  await OutputClient.open(`${server.url}/v1/capsules/${id}/processes/${tag}/output${query}`, {
    "x-api-key": server.apiKey,
  });
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("a command that takes longer than the wait is followed from where its answer ends", async () => {
  const quick = await wait("echo done", { wait_sec: 20 });
  assert.deepEqual([quick.status, quick.body.stdout, quick.body.exit_code], [200, "done\n", 0]);
  const { status, body } = await wait("echo begun; sleep 1; echo rest; exit 4", { wait_sec: 0.5 });
  assert.deepEqual([status, body.stdout, body.next], [202, "begun\n", { stdout: 6, stderr: 0 }]);
  using client = await follow(body.tag, `?from=${body.next.stdout}`);
  assert.equal(await client.end(), "complete");
  assert.deepEqual([client.text("stdout"), client.json("exit")], ["rest\n", [{ exit_code: 4 }]]);
});

test("a client that breaks off and continues gets every byte of a large output once", async () => {
  const size = 12_000_000;
  const large = `head -c ${size} /dev/urandom | tee /tmp/big`;
  const { body } = await wait(large, { wait_sec: 0, tag: "large" });
  assert.equal(body.tag, "large");
  const parts: Buffer[] = [];
  for (let position = 0; position < size;) {
    using client = await follow("large", `?from=${position}`);
    const wanted = Math.min(size - position, 3_000_000);
    await client.until("a part", () => client.bytes("stdout").length >= wanted || client.ended !== undefined);
    assert.equal(client.of("dropped").length, 0);
    parts.push(client.bytes("stdout"));
    position += client.bytes("stdout").length;
  }
  const { stdout } = await server.shell(id, "sha256sum < /tmp/big");
  assert.equal(sha256(Buffer.concat(parts)), stdout.split(" ")[0]);
});

test("a pause keeps the stream open, and does not count for a time limit", async () => {
  const { body } = await wait("while :; do date +%s.%N; sleep 0.2; done", {
    wait_sec: 0,
    timeout_sec: 3,
    tag: "ticks",
  });
  using client = await follow(body.tag, "?capsule_events=true");
  await client.until("a tick", () => client.of("stdout").length > 0);
  assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  await client.until("the pause", () =>
    client.json("status").some((one) => (one as { status: string }).status === "paused"),
  );
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  const before = client.of("stdout").length;
  await client.until("a tick after the resume", () => client.of("stdout").length > before);
  assert.equal(await client.end(), "complete");
  assert.deepEqual(client.json("exit"), [{ exit_code: 124, signal: 15, timed_out: true }]);
});

test("a time limit ends everything that the command started", async () => {
  const script = "(sleep 571; true) & setsid sleep 572 & sleep 573";
  const { body } = await wait(script, { wait_sec: 20, timeout_sec: 1 });
  assert.equal(body.exit_code, 124);
  const left = async (): Promise<string> => (await server.shell(id, "pgrep -a sleep || true")).stdout;
  await eventually("nothing is left", async () => !/57[123]/.test(await left()));
});

test("input that is sent again after a broken request is taken once", async () => {
  const data = Buffer.from(Array.from({ length: 70_000 }, (_, n) => `line ${n}\n`).join(""));
  await wait("sleep 0.5; sha256sum", { wait_sec: 0, stdin: true, tag: "digest" });
  const path = `/v1/capsules/${id}/processes/digest/input`;
  const body = JSON.stringify({ data: data.toString(), offset: 0, close: true });
  const headers = { "x-api-key": server.apiKey, "content-type": "application/json" };
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const broken = fetch(server.url + path, {
      method: "POST",
      headers,
      body,
      signal: AbortSignal.timeout(150),
    });
    await broken.then(
      ({ status }) => assert.equal(status, 204),
      () => undefined,
    );
  }
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const sent = await fetch(server.url + path, { method: "POST", headers, body });
    assert.deepEqual([sent.status, sent.headers.get("input-offset")], [204, String(data.length)]);
  }
  using client = await follow("digest");
  await client.end();
  assert.equal(client.text("stdout").split(" ")[0], sha256(data));
});
