import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createApp } from "../src/http/create-app.ts";

test("a request that arrives while the server closes is refused with an envelope that says to come again", async () => {
  const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
  app.get("/answer", async () => "here");
  await app.ready();
  // The listener is not the app's: it takes requests on kept connections until it closes itself.
  const server = createServer((request, response) => app.routing(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`;
  assert.equal(await (await fetch(url)).text(), "here");
  await app.close();
  const refused = await fetch(url);
  server.close().closeAllConnections();
  const { error } = (await refused.json()) as { error: Readonly<Record<string, string>> };
  assert.deepEqual(
    [refused.status, error["code"], error["reason"]],
    [503, "host_unavailable", "server_closing"],
  );
  assert.match(error["request_id"] ?? "", /^req-/);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(refused.headers.get("connection"), "close");
});
