import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("a message in thousands of fragments ends its session: each of them would be held as an object", async () => {
  const answer = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  const url = `${platform.url.replace("http", "ws")}/v1/capsules/${String(answer.body["id"])}/pty`;
  const socket = new WebSocket(url, { headers: { "x-api-key": platform.apiKey } });
  socket.on("error", () => undefined);
  await once(socket, "open");
  const closed = once(socket, "close");
  for (let n = 0; n < 5000; n++) socket.send("x", { fin: false });
  const [code] = (await closed) as [number];
  assert.equal(code, 1008);
});
