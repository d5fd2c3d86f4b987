import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { Files } from "../src/files/files.ts";
import { useNodePlatform } from "../src/node/node-platform.ts";
import { FETCH_LIMIT_MS } from "../src/transport/platform.ts";
import { ScriptedServer } from "./support/scripted-server.ts";

const server = await ScriptedServer.start();
after(() => server.close());
const dispatcher = getGlobalDispatcher();
before(() => {
  useNodePlatform();
  // Node.js gives up after five minutes; here after a second.
  setGlobalDispatcher(new Agent({ headersTimeout: 500 }));
});
after(() => setGlobalDispatcher(dispatcher));

test("calls that may take longer than Node.js waits do without its limit", async () => {
  server.respond = (request, response) => {
    request.resume();
    setTimeout(() => response.end('{"entry":{"path":"/b","modified_at":1}}'), 2500);
  };
  const http = server.http({ retries: 0 });
  const [short, long, copied] = await Promise.allSettled([
    http.json("POST", "/v1/x", { json: {}, timeoutMs: FETCH_LIMIT_MS }),
    http.json("POST", "/v1/x", { json: {}, timeoutMs: FETCH_LIMIT_MS + 1 }),
    new Files(http, "cl-1").copy("/a", "/b"),
  ]);
  assert.deepEqual([short.status, long.status, copied.status], ["rejected", "fulfilled", "fulfilled"]);
});
