import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { machinesBelow } from "../support/machines-below.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Clients that close their connections before a create is answered. */

const DOMAIN = "wrenn.test";

let server: TestServer;
before(async () => {
  server = await startTestServer({
    config: { domain: DOMAIN, tls: { host: "127.0.0.1", port: 0 }, createAnswerMs: 2500 },
  });
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
}

async function live(): Promise<readonly CapsuleBody[]> {
  return (await server.call<CapsuleBody[]>("GET", "/v1/capsules")).body;
}

/** Sends a create and closes the connection after `ms`. @returns what was answered until then. */
async function leaveAfter(ms: number, body: object, headers: readonly string[] = []): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname).on("error", () => {});
  const text = JSON.stringify(body);
  let answer = "";
  socket.setEncoding("utf8").on("data", (part: string) => (answer += part));
  const head = [
    "POST /v1/capsules HTTP/1.1",
    `Host: ${DOMAIN}`,
    `X-API-Key: ${server.apiKey}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...headers,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${text}`);
  await new Promise((resolve) => setTimeout(resolve, ms));
  socket.destroy();
  return answer;
}

async function nothingIsLeft(): Promise<void> {
  await eventually("no capsule and no machine is left", async () => {
    return (await live()).length === 0 && (await machinesBelow(server.dataDirectory)).length === 0;
  });
}

/** No machine of this size is frozen yet: its create takes seconds. */
const slow = { memory_mb: 192 };

test("a client that closes its connection 0 to 1000 ms after its create leaves no capsule", async () => {
  for (const ms of [0, 50, 200, 1000]) {
    assert.equal(await leaveAfter(ms, slow), "");
    await nothingIsLeft();
  }
});

test("so does one that closes while its machine starts", async () => {
  for (const ms of [0, 20, 50, 80, 120, 160, 200]) {
    const answer = await leaveAfter(ms, { memory_mb: 512 });
    const id = /"id":"(cl-[^"]+)"/.exec(answer)?.[1];
    // It was quicker than its client.
    if (id !== undefined) await server.call("DELETE", `/v1/capsules/${id}`);
    await nothingIsLeft();
  }
});

test("so does a client that resets its HTTP/2 stream", async () => {
  const { secure } = server.server;
  const ca = await readFile(secure?.authorityFile ?? "");
  const { port } = new URL(secure?.url ?? "");
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: DOMAIN });
  for (const ms of [50, 500]) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/capsules",
      ":authority": DOMAIN,
      "x-api-key": server.apiKey,
      "content-type": "application/json",
    });
    stream.on("error", () => {});
    stream.end(JSON.stringify(slow));
    await new Promise((resolve) => setTimeout(resolve, ms));
    stream.close(8);
    await nothingIsLeft();
  }
  session.destroy();
});

test("a create that is repeated with its Idempotency-Key gets the capsule of the client that left", async () => {
  const header = "Idempotency-Key: after-a-lost-connection";
  await leaveAfter(100, { memory_mb: 512 }, [header]);
  const first = await eventually("its capsule runs", async () => {
    const [one] = await live();
    return one?.status === "running" && one;
  });
  const again = await server.call<CapsuleBody>(
    "POST",
    "/v1/capsules",
    { memory_mb: 512 },
    {
      "idempotency-key": "after-a-lost-connection",
    },
  );
  assert.deepEqual([again.status, again.body.id], [201, first.id]);
  assert.equal((await server.shell(first.id, "echo here")).stdout, "here\n");
  await server.call("DELETE", `/v1/capsules/${first.id}`);
  await nothingIsLeft();
});
