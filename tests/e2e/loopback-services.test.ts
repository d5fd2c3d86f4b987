import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());

/** Asks a port of the capsule from the host until something answers or the time is over. */
async function ask(address: string, port: number, tries: number): Promise<string> {
  for (let left = tries; ; left -= 1) {
    try {
      const response = await fetch(`http://${address}:${port}/hello`, { signal: AbortSignal.timeout(3000) });
      return await response.text();
    } catch (error) {
      if (left <= 1) return error instanceof Error ? error.name : String(error);
      await delay(250);
    }
  }
}

async function addressOf(id: string): Promise<string> {
  const { body } = await server.call<{ host_ip: string }>("GET", `/v1/capsules/${id}`);
  return body.host_ip;
}

test("services on 127.0.0.1, on localhost and on every address are reached from the host; other ports refuse", async (t) => {
  const id = await server.capsule(t);
  await server.shell(id, "mkdir /srv/www && echo greetings > /srv/www/hello");
  for (const [port, address] of [
    [8001, "127.0.0.1"],
    [8002, "localhost"],
    [8003, "0.0.0.0"],
  ] as const) {
    const line = `cd /srv/www; setsid python3 -m http.server ${port} --bind ${address} >/dev/null 2>&1 </dev/null &`;
    assert.equal((await server.shell(id, line)).exit_code, 0);
  }
  const address = await addressOf(id);
  for (const port of [8001, 8002, 8003])
    assert.equal(await ask(address, port, 40), "greetings\n", String(port));
  assert.equal(await ask(address, 8004, 1), "TypeError");
});

test("a service on 127.0.0.1 is reached again after pause and resume", async (t) => {
  const id = await server.capsule(t);
  await server.shell(id, "mkdir /srv/www && echo greetings > /srv/www/hello");
  await server.shell(
    id,
    "cd /srv/www; setsid python3 -m http.server 8001 --bind 127.0.0.1 >/dev/null 2>&1 </dev/null &",
  );
  assert.equal(await ask(await addressOf(id), 8001, 40), "greetings\n");
  assert.ok((await server.call("POST", `/v1/capsules/${id}/pause`)).status < 300);
  assert.ok((await server.call("POST", `/v1/capsules/${id}/resume`)).status < 300);
  assert.equal(await ask(await addressOf(id), 8001, 40), "greetings\n");
});
