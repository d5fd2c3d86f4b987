/* Drawn: tests/security/network.test.ts shows the rules. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { copyServices, startService } from "../support/guest-services.ts";
import { KERNEL_PROTOCOL, KernelClient } from "../support/kernel-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const PORT = 8888;
const LONG = process.env["WRENN_TEST_LONG"] === "1";
/** Longer than what a connection between requests is allowed; in the long form also than an idle exchange of HTTP. */
const QUIET_MS = LONG ? 11 * 60_000 : 10_000;

let server: TestServer;
let host: string;
before(async () => {
  server = await startTestServer();
  const id = await server.capsule(undefined);
  host = `${PORT}-${id}.localhost`;
  await copyServices(server, id);
  await startService(server, id, { name: "kernel", port: PORT });
});
after(() => server.close());

const open = () => KernelClient.open(server, host);

test("several notebooks speak to their kernel at once, by its sub-protocol, in binary frames", async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, open));
  for (const { socket } of clients) assert.equal(socket.protocol, KERNEL_PROTOCOL);
  await Promise.all(
    clients.map(async (client, index) => {
      for (let turn = 0; turn < 5; turn++) {
        const buffers = [randomBytes(1000 * turn), randomBytes(126 + index)];
        client.request(`${index}-${turn}`, { do: "echo", index, turn }, buffers);
        const reply = await client.reply(`${index}-${turn}`);
        assert.equal(reply.channel, "shell");
        assert.deepEqual(reply.content, { do: "echo", index, turn });
        assert.deepEqual(reply.buffers, buffers);
      }
    }),
  );
  for (const client of clients) {
    assert.equal(client.messages.length, 15, "each has its own messages and nobody else's");
    client.socket.close(1000);
  }
});

test("a message of 16 MiB goes both ways unchanged", { timeout: 180_000 }, async () => {
  const client = await open();
  const large = randomBytes(16 << 20);
  client.request("large", { do: "echo" }, [large]);
  const { buffers } = await client.reply("large");
  assert.equal(buffers.length, 1);
  assert.ok(buffers[0]?.equals(large));
  client.socket.close(1000);
});

test("pings are answered from both sides with what they carry", async () => {
  const client = await open();
  const pong = once(client.socket, "pong");
  client.socket.ping("from the browser");
  assert.equal(String(((await pong) as [Buffer])[0]), "from the browser");
  const answered = once(client.socket, "message");
  client.request("ping", { do: "ping", with: "from the kernel" });
  await answered;
  assert.deepEqual(client.texts, ['{"pong": "from the kernel", "pongs": 1}']);
  client.socket.close(1000);
});

test("codes and reasons of a close arrive, from both sides", async () => {
  const byKernel = await open();
  byKernel.request("close", { do: "close", code: 4001, reason: "the kernel has restarted" });
  assert.deepEqual(await byKernel.closed, { code: 4001, reason: "the kernel has restarted" });
  const byClient = await open();
  byClient.socket.close(4002, "the notebook was closed");
  assert.deepEqual(await byClient.closed, { code: 4002, reason: "the notebook was closed" });
  const refused = await open();
  refused.socket.send("text");
  assert.deepEqual(await refused.closed, { code: 1003, reason: "binary only" });
});

test("a connection on which nothing is said for long stays", { timeout: QUIET_MS + 60_000 }, async () => {
  const client = await open();
  await delay(QUIET_MS);
  client.request("after", { do: "echo" });
  assert.equal((await client.reply("after")).channel, "shell");
  client.socket.close(1000);
});
