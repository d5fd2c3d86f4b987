import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ApiClient } from "../src/client/api-client.ts";
import { attachTerminal } from "../src/client/attach-terminal.ts";
import { streamExec } from "../src/client/stream-exec.ts";

test("every request of the command line, sessions included, asks that unknown fields are refused", async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer(({ headers }, response) => {
    seen.push(headers);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.on("upgrade", ({ headers }, socket) => {
    seen.push(headers);
    socket.end("HTTP/1.1 400 Refused\r\nConnection: close\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const api = new ApiClient({ url: `http://127.0.0.1:${port}`, apiKey: "wrn_key" });
  await api.request("POST", "/v1/capsules", {});
  const terminal = { input: process.stdin, output: process.stdout };
  await assert.rejects(attachTerminal(api, "cl-x", { type: "start" }, terminal, () => {}));
  const { signal } = new AbortController();
  const streams = { input: process.stdin, output: process.stdout, errors: process.stderr, signal };
  await assert.rejects(streamExec(api, "cl-x", { cmd: "true", args: [], envs: {} }, streams));
  assert.equal(seen.length, 3);
  for (const { prefer, "x-api-key": key } of seen)
    assert.deepEqual([prefer, key], ["handling=strict", "wrn_key"]);
});
