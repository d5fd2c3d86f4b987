import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { TrustedProxies } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";

const CONNECTIONS = 120;

test("a capsule is created and used while silent clients fill the listener", async () => {
  const server = await startTestServer({
    config: {
      connections: { connections: CONNECTIONS },
      proxies: TrustedProxies.parse("proxies", "127.0.0.7"),
      publicUrl: "https://wrenn.example.org:8443",
    },
  });
  after(() => server.close());
  const { hostname, port } = new URL(server.server.url);
  const open = new Set<Socket>();
  after(() => open.forEach((socket) => socket.destroy()));
  const fill = async (from: string, count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      const socket = connect({ port: Number(port), host: hostname, localAddress: from });
      socket.on("error", () => undefined);
      socket.once("close", () => open.delete(socket));
      open.add(socket);
      await once(socket, "connect");
    }
  };
  for (let n = 1; n <= 4; n += 1) await fill(`127.66.1.${n}`, 50);
  await eventually("the listener is full", () => open.size <= CONNECTIONS && open.size >= CONNECTIONS - 20);
  const id = await server.capsule(undefined);
  const refill = fill("127.66.1.9", 200);
  const { body } = await server.exec(id, "echo", ["served"]);
  assert.equal(body.stdout, "served\n");
  await refill;
  // Behind a proxy, ports are where the proxy serves them.
  const link = await server.call<{ url: string }>("POST", `/v1/capsules/${id}/ports/8000/link`, {});
  assert.match(link.body.url, new RegExp(`^https://8000-${id}\\.localhost:8443/\\?`));
});
