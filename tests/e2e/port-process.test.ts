/* Drawn: packages/edge/test/port-process.test.ts shows the same without machines. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { portProcessesOf, runs } from "../support/port-process-of.ts";
import { ServerProcess } from "../support/server-process.ts";
import { StreamClient } from "../support/stream-client.ts";
import { trafficService, trafficServiceIsUp } from "../support/traffic-service.ts";

/* Connections to ports of capsules are served by a process of their own, on a real server with real machines. */

const MIB = 2 ** 20;

let server: ServerProcess;
let id: string;
before(async () => {
  server = await ServerProcess.start();
  id = await startCapsule(undefined);
});
after(() => server.close());

async function startCapsule(t: TestContext | undefined): Promise<string> {
  const capsule = await server.api.capsule(t, { memory_mb: 256 });
  await server.api.exec(capsule, "python3", ["-c", trafficService], { background: true });
  const up = await server.api.shell(capsule, trafficServiceIsUp, { timeout_sec: 120 });
  assert.equal(up.exit_code, 0);
  return capsule;
}

async function get(capsule: string, path: string): Promise<IncomingMessage> {
  const { hostname, port } = new URL(server.api.url);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = {
    host: `8000-${capsule}.localhost`,
    ...(path.includes("wrenn_token=") ? {} : { "x-api-key": server.api.apiKey }),
  };
  request({ host: hostname, port, headers, path, agent: new Agent() }, resolve).on("error", reject).end();
  return promise;
}

/** Uses a port until a process serves ports: the first connections are the server's. */
async function portProcess(): Promise<number> {
  let pid = 0;
  await eventually("there is a port process", async () => {
    assert.equal(await text(await get(id, "/small")), "ok");
    pid = (await portProcessesOf(server.pid))[0] ?? 0;
    return pid !== 0 && (await serves(pid));
  });
  return pid;
}

/** Whether a download passes through the process. */
async function serves(pid: number): Promise<boolean> {
  const before = await bytesRead(pid);
  const transfer = await download(id);
  await begun(transfer);
  transfer.end();
  await transfer.over;
  return (await bytesRead(pid).catch(() => 0)) - before > MIB;
}

/** Everything that a process has read, from sockets, too. */
async function bytesRead(pid: number): Promise<number> {
  return Number(/^rchar: (\d+)/m.exec(await readFile(`/proc/${pid}/io`, "utf8"))?.[1]);
}

interface Download {
  readonly bytes: () => number;
  readonly over: Promise<"complete" | "broken">;
  /** Ends it at the client. */
  readonly end: () => void;
}

async function download(capsule: string, query = ""): Promise<Download> {
  const response = await get(capsule, `/chunked${query}`);
  let bytes = 0;
  const read = async (): Promise<"complete" | "broken"> => {
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length;
      return "complete";
    } catch {
      return "broken";
    }
  };
  return { bytes: () => bytes, over: read(), end: () => void response.destroy() };
}

async function begun(transfer: Download): Promise<void> {
  await eventually("the download has begun", () => transfer.bytes() > MIB);
}

test("what a port sends passes through the process, while a terminal echoes through the server", async () => {
  const pid = await portProcess();
  const [ofServer, ofProcess] = [await bytesRead(server.pid), await bytesRead(pid)];
  const transfer = await download(id);
  await begun(transfer);
  const terminal = await StreamClient.open(server.api, `/v1/capsules/${id}/pty`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "stty raw; exec cat >/dev/null"],
  });
  await terminal.next("started");
  for (let key = 0; key < 20; key++) {
    terminal.type(`<${key}>`);
    await terminal.shows(`<${key}>`);
  }
  await eventually("a download of some size", () => transfer.bytes() > 16 * MIB);
  const moved = transfer.bytes();
  const inProcess = (await bytesRead(pid)) - ofProcess;
  assert.ok(inProcess > moved, `the process read ${inProcess} bytes of ${moved}`);
  const inServer = (await bytesRead(server.pid)) - ofServer;
  assert.ok(inServer < moved / 4, `the server read ${inServer} bytes of ${moved}`);
  terminal.close();
  process.kill(pid, "SIGKILL");
  assert.equal(await transfer.over, "broken");
});

test("when the process is killed its transfers break, and ports are served by the server until there is another", async () => {
  const pid = await portProcess();
  const transfer = await download(id);
  await begun(transfer);
  process.kill(pid, "SIGKILL");
  assert.equal(await transfer.over, "broken");
  // The server may not know yet what the client knows.
  await eventually("ports are served", async () => (await get(id, "/small").then(text, () => "")) === "ok");
  assert.equal((await server.api.call("GET", "/v1/capsules")).status, 200);
  assert.notEqual(await portProcess(), pid);
});

test("a pause ends connections of the process, and the capsule answers once it is resumed", async (t) => {
  const pid = await portProcess();
  const capsule = await startCapsule(t);
  const transfer = await download(capsule);
  await begun(transfer);
  assert.equal((await server.api.call("POST", `/v1/capsules/${capsule}/pause`)).status, 200);
  assert.equal(await transfer.over, "broken");
  assert.equal((await get(capsule, "/small")).statusCode, 409);
  assert.equal((await server.api.call("POST", `/v1/capsules/${capsule}/resume`)).status, 200);
  assert.equal(await text(await get(capsule, "/small")), "ok");
  assert.ok(await runs(pid), "the process that was drained runs on");
});

test("a connection of the process ends with the link that opened it", async () => {
  await portProcess();
  const path = `/v1/capsules/${id}/ports/8000`;
  const { body } = await server.api.call<{ id: string; url: string }>("POST", `${path}/link`, {
    expires_in_sec: 600,
  });
  const { search } = new URL(body.url);
  const transfer = await download(id, search);
  await begun(transfer);
  assert.ok((await server.api.call("DELETE", `${path}/links/${body.id}`)).status < 300);
  assert.equal(await transfer.over, "broken");
  assert.equal((await get(id, `/small${search}`)).statusCode, 401);
});

test("a server that is killed leaves no port process, and neither does one that is stopped", async () => {
  const pid = await portProcess();
  const transfer = await download(id);
  await begun(transfer);
  await server.kill();
  assert.equal(await transfer.over, "broken");
  await eventually("the process is gone", async () => !(await runs(pid)));
  await server.start();
  const next = await portProcess();
  await server.stop();
  assert.equal(await runs(next), false);
  await server.start();
});
