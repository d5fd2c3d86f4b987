import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { installRuntimes } from "../support/runtimes.ts";

/** Requests by `METHOD path`. */
const counts = new Map<string, number>();
const server = createServer((request, response) => {
  request.resume().once("end", () => {
    if (request.url === "/ok") return response.end("{}");
    const what = `${request.method} ${request.url}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
    // It has been carried out, and its answer is lost.
    return request.socket.destroy();
  });
});
let directory: string;
before(async () => {
  directory = await mkdtemp("/tmp/wrenn-sent-once-");
  await once(server.listen(0, "127.0.0.1"), "listening");
});
after(async () => {
  server.close().closeAllConnections();
  await rm(directory, { recursive: true });
});

/** Each request follows one that leaves a connection for it. */
const program = (url: string, source: string): string => `
  const { HttpClient } = await import("${source}/http.ts");
  const { connectionSettings } = await import("${source}/connection.ts");
  const http = new HttpClient(connectionSettings({ url: "${url}", apiKey: "k", retries: 0 }));
  for (const [method, request] of [
    ["POST", { json: {} }],
    ["POST", {}],
    ["PATCH", { body: new Uint8Array(3) }],
    ["PUT", { body: new Uint8Array(3), isSafeToRepeat: false }],
  ]) {
    await http.json("GET", "/ok");
    await http.json("POST", "/ok");
    const path = "/" + Object.keys(request).join("-");
    await http.json(method, path, request).then(
      () => console.log("answered"),
      (error) => console.log(error.code),
    );
  }
`;

test("a request that may have been carried out is sent once, whatever the runtime does by itself", async () => {
  const { bun, deno, nodeNewest } = await installRuntimes();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = join(import.meta.dirname, "../../packages/sdk/src/transport");
  const script = join(directory, "program.ts");
  await writeFile(script, program(url, source));
  for (const run of [
    [nodeNewest, script],
    [bun, script],
    [deno, "run", "--allow-all", script],
  ] as const) {
    counts.clear();
    const { stdout } = await runCommand([...run]);
    assert.deepEqual(stdout.trim().split("\n"), Array<string>(4).fill("connection_failed"));
    assert.deepEqual(Object.fromEntries(counts), {
      "POST /json": 1,
      "POST /": 1,
      "PATCH /body": 1,
      "PUT /body-isSafeToRepeat": 1,
    });
  }
});
