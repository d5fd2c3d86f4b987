import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { RequestOptions } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import { listenForEvents } from "../src/gateway/events-endpoint.ts";
import { SlotState } from "../src/gateway/slot-state.ts";
import { DEFAULT_POLICY, parsePolicy } from "../src/policy.ts";

const end = new AbortController();
after(() => end.abort());

const capsules: Readonly<Record<number, string>> = { 2: "cl-two", 3: "cl-three" };

/** An endpoint for the slots 2 to 5: 127.0.0.N is the address of slot N. Slot 4 has no capsule, and nothing is known of slot 5. */
async function open(now: () => number = () => systemClock.now()) {
  const reserved = createServer().listen(0, "127.0.0.1");
  await once(reserved, "listening");
  const { port } = reserved.address() as AddressInfo;
  reserved.close();
  const slots = new Map(
    [2, 3, 4, 5].map((n) => [`127.0.0.${n}`, new SlotState(n, parsePolicy(DEFAULT_POLICY), 1)]),
  );
  await listenForEvents(
    {
      host: "127.0.0.1",
      port,
      slotAt: (address) => slots.get(address),
      capsuleOf: async (slot) => {
        if (slot === 5) throw new Error("the host agent is gone");
        return capsules[slot];
      },
      clock: { ...systemClock, now },
      logger: silentLogger,
    },
    end.signal,
  );
  const ask = async (slot: number, options: RequestOptions = {}): Promise<string> => {
    const asked = request({
      host: "127.0.0.1",
      port,
      path: "/me",
      localAddress: `127.0.0.${slot}`,
      agent: false,
      ...options,
    });
    asked.end();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    asked.once("error", reject);
    asked.once("response", (response) => {
      text(response).then((body) => resolve(`${response.statusCode} ${body}`), reject);
    });
    return await promise;
  };
  const dial = (slot: number): Socket => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: `127.0.0.${slot}` });
    socket.on("error", () => {});
    return socket;
  };
  return { ask, dial, slots };
}

test("the connection decides which sandbox is answered, and nothing that the request contains", async () => {
  const { ask } = await open();
  assert.equal(await ask(2), '200 {"sandboxID":"two"}');
  assert.equal(await ask(3), '200 {"sandboxID":"three"}');
  const headers = {
    Host: "cl-three.example",
    "E2b-Sandbox-Id": "three",
    "X-Forwarded-For": "127.0.0.3",
    Forwarded: "for=127.0.0.3",
    "X-Real-IP": "127.0.0.3",
  };
  assert.equal(await ask(2, { headers, path: "/me?sandboxID=three&slot=3" }), '200 {"sandboxID":"two"}');
});

test("other paths and methods are refused, and so is a slot without a capsule, or that the host says nothing of", async () => {
  const { ask } = await open();
  assert.match(await ask(2, { path: "/" }), /^404 \{"code":404,/);
  assert.match(await ask(2, { path: "/me/../me" }), /^404 /);
  assert.match(await ask(2, { method: "POST" }), /^405 /);
  assert.equal(await ask(2, { method: "HEAD" }), "200 ");
  assert.match(await ask(4), /^404 \{"code":404,"message":"no sandbox/);
  assert.match(await ask(5), /^503 /);
  await assert.rejects(ask(6), "an address of no slot");
});

test("bytes that are no request, headers without end, and silence end the connection and nothing else", async (t) => {
  const { ask, dial, slots } = await open();
  for (const bytes of ["\0\u0001nonsense\r\n\r\n", `GET /me HTTP/1.1\r\nX: ${"y".repeat(20_000)}\r\n\r\n`]) {
    const socket = dial(2);
    socket.write(bytes);
    assert.match(await text(socket), /^HTTP\/1\.1 4\d\d /);
  }
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const silent = dial(2);
  silent.resume();
  while (slots.get("127.0.0.2")?.eventConnections !== 1) await new Promise(setImmediate);
  t.mock.timers.tick(4999);
  await new Promise(setImmediate);
  assert.equal(silent.closed, false);
  t.mock.timers.tick(1);
  await once(silent, "close");
  t.mock.timers.reset();
  assert.equal(await ask(2), '200 {"sandboxID":"two"}');
  assert.equal(slots.get("127.0.0.2")?.eventConnections, 0);
});

test("a slot has few connections and a rate, and others are answered all the same", async () => {
  let now = 0;
  const { ask, dial, slots } = await open(() => now);
  const held = Array.from({ length: 8 }, () => dial(2));
  await Promise.all(held.map((socket) => once(socket, "connect")));
  await ask(3);
  assert.equal(slots.get("127.0.0.2")?.eventConnections, 8);
  await assert.rejects(ask(2), "a ninth one");
  assert.equal(await ask(3), '200 {"sandboxID":"three"}');
  for (const socket of held) socket.destroy();
  for (let n = 0; n < 38; n += 1) await ask(3);
  await assert.rejects(ask(3), "its tokens are spent");
  now = 1000;
  assert.equal(await ask(3), '200 {"sandboxID":"three"}');
});
