import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { watchGrowth } from "../support/resident-memory.ts";
import { ServerProcess } from "../support/server-process.ts";

const MIB = 1 << 20;
const SIZE = (process.env["WRENN_TEST_LONG"] === "1" ? 1024 : 256) * MIB;
/** Of the server, which holds a part of the file at a time. Most of it is what the garbage collector has not got to yet. */
const GROWTH_MIB = 160;

test("large files stream both ways exactly, and the server's memory does not grow with them", async () => {
  const server = await ServerProcess.start();
  try {
    const { body } = await server.api.call<{ id: string }>("POST", "/v1/capsules", {});
    const url = new URL(`/v1/capsules/${body.id}/files/content?path=/root/large`, server.api.url);
    const headers = { "x-api-key": server.api.apiKey };
    const growthSoFar = await watchGrowth(server.pid);

    const expected = createHash("sha256");
    const block = randomBytes(MIB);
    const request = httpRequest(url, { method: "PUT", headers: { ...headers, "content-length": SIZE } });
    const responded = once(request, "response");
    for (let at = 0; at < SIZE; at += block.length) {
      block.writeUInt32LE(at, 0);
      expected.update(block);
      if (!request.write(Buffer.from(block))) await once(request, "drain");
    }
    request.end();
    const [response] = (await responded) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 200);

    const actual = createHash("sha256");
    let received = 0;
    const down = await fetch(url, { headers });
    assert.ok(down.body);
    for await (const chunk of down.body) {
      actual.update(chunk as Uint8Array);
      received += (chunk as Uint8Array).length;
    }
    assert.equal(received, SIZE);
    assert.equal(actual.digest("hex"), expected.digest("hex"));
    const growth = growthSoFar();
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    await server.api.call("DELETE", `/v1/capsules/${body.id}`);
  } finally {
    await server.close();
  }
});
