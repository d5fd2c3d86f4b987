import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ApiClient } from "../src/client/api-client.ts";

test("every request of the benchmark asks that unknown fields are refused", async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer(({ headers }, response) => {
    seen.push(headers);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const api = new ApiClient({ url: `http://127.0.0.1:${port}`, apiKey: "wrn_key" });
  await api.request("POST", "/v1/capsules", {});
  assert.equal(seen.length, 1);
  for (const { prefer, "x-api-key": key } of seen)
    assert.deepEqual([prefer, key], ["handling=strict", "wrn_key"]);
});
