import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ApiDocument, ApiSchema } from "../../packages/control-plane/src/openapi/api-document.ts";
import { DescribedApi } from "../../packages/control-plane/test/support/described-api.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
const described = await fetch(`${server.url}/openapi.json`);
const document = (await described.json()) as ApiDocument;
const api = new DescribedApi(document);

/** Asks the server, and fails when the answer is not as the description has it. */
async function ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(server.url + path, {
    method,
    headers: {
      "x-api-key": server.apiKey,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const operation = api.find(method, path) ?? assert.fail(`${method} ${path} is not described`);
  const seen = { status: response.status, type: response.headers.get("content-type") ?? undefined, text };
  assert.deepEqual(api.undescribed(operation, seen), [], `${method} ${path}: ${response.status} ${text}`);
  return seen.type?.startsWith("application/json") === true
    ? (JSON.parse(text) as Record<string, unknown>)
    : {};
}

/** Every message of a session has to be one that its route describes. */
function checkMessages(path: string, client: StreamClient): void {
  const messages = document.paths[path]?.["get"]?.["x-websocket"]?.server ?? assert.fail(path);
  const schemas: readonly ApiSchema[] = messages.map((one) => api.resolve(one));
  assert.ok(client.messages.length > 1);
  for (const message of client.messages)
    assert.ok(
      schemas.some((schema) => api.problems(schema, message).length === 0),
      `${path}: ${JSON.stringify(message)}`,
    );
}

test("what a real capsule answers, by HTTP and by WebSocket, is as the description has it", async () => {
  const { id } = await ask("POST", "/v1/capsules", { timeout_sec: 600 });
  const capsule = `/v1/capsules/${String(id)}`;
  await ask("POST", `${capsule}/exec`, { cmd: "sh", args: ["-c", "echo out; echo err >&2; exit 3"] });
  await ask("POST", `${capsule}/exec`, { cmd: "sleep", args: ["60"], background: true, tag: "sleeper" });
  await ask("POST", `${capsule}/exec`, { cmd: "true", cwd: "/nowhere" });
  await ask("GET", `${capsule}/processes`);
  await ask("GET", `${capsule}/processes/sleeper`);
  await ask("GET", `${capsule}/processes/sleeper/logs`);
  await ask("DELETE", `${capsule}/processes/nothing`);
  await ask("POST", `${capsule}/files/mkdir`, { path: "/root/made" });
  await ask("POST", `${capsule}/files/mkdir`, { path: "/root/made" });
  await ask("POST", `${capsule}/files/list`, { path: "/root" });
  await ask("POST", `${capsule}/files/stat`, { path: "/etc/hostname" });
  await ask("POST", `${capsule}/files/read`, { path: "/etc/hostname" });
  await ask("POST", `${capsule}/files/read`, { path: "/nowhere" });
  await ask("GET", `${capsule}/files/content?path=/etc/hostname`);
  await ask("GET", `${capsule}/metrics`);
  await ask("GET", `${capsule}/network`);
  await ask("GET", `${capsule}/ports`);

  const exec = await StreamClient.open(server, `${capsule}/exec/stream`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "echo out; echo err >&2"],
  });
  await exec.ended();
  checkMessages("/v1/capsules/{id}/exec/stream", exec);
  const terminal = await StreamClient.open(server, `${capsule}/pty`, {
    type: "start",
    cmd: "sh",
    extended: true,
  });
  terminal.send({ type: "resize", cols: 100, rows: 40 });
  terminal.type("exit\n");
  await terminal.ended();
  checkMessages("/v1/capsules/{id}/pty", terminal);

  await ask("POST", `${capsule}/checkpoints`, { name: "before" });
  await ask("GET", `${capsule}/checkpoints`);
  await ask("POST", `${capsule}/pause`);
  await ask("POST", `${capsule}/pause`);
  await ask("POST", `${capsule}/resume`);
  await ask("GET", capsule);
  await ask("DELETE", capsule);
  await ask("GET", capsule);
});
