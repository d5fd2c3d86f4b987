import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import { listenForServerNames } from "../src/gateway/server-name-proxy.ts";
import { SharedRate } from "../src/gateway/slot-allowance.ts";
import { SlotState } from "../src/gateway/slot-state.ts";
import { parsePolicy } from "../src/policy.ts";
import { clientHelloOf } from "@wrenn/core/testing";

const end = new AbortController();
after(() => end.abort());

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** A proxy for one slot, whose names all have these addresses, where nothing listens. */
async function startProxy(addresses: readonly string[], shared: SharedRate) {
  const slot = new SlotState(1, parsePolicy({ egress: "allow", allow: [], deny: ["blocked.example"] }), 1);
  const port = await freePort();
  const dials: boolean[] = [];
  await listenForServerNames(
    {
      host: "127.0.0.1",
      port,
      slotAt: () => slot,
      lookUp: async () => addresses,
      isReachable: () => true,
      dials: {
        take: (own, now) => {
          const isTaken = shared.take(own, now);
          dials.push(isTaken);
          return isTaken;
        },
      },
      clock: systemClock,
      logger: silentLogger,
    },
    end.signal,
  );
  const hello = await clientHelloOf("many.example");
  const ask = async (): Promise<void> => {
    const guest = connect(port, "127.0.0.1");
    guest.on("error", () => {});
    guest.write(hello);
    await new Promise((resolve) => guest.once("close", resolve));
  };
  return { ask, dials };
}

const refusing = Array.from({ length: 4000 }, (_, n) => `127.77.${n >> 8}.${n & 255}`);

test("a connection tries a few of the addresses of its server, however many there are", async () => {
  const { ask, dials } = await startProxy(refusing, new SharedRate(1_000_000));
  await ask();
  assert.deepEqual(dials, [true, true, true, true]);
});

test("slots share a rate of connections to servers, half of which is for those that open few", async () => {
  const shared = new SharedRate(100);
  const greedy = await startProxy(refusing, shared);
  const modest = await startProxy(refusing, shared);
  for (let n = 0; n < 60; n++) await greedy.ask();
  assert.ok(greedy.dials.includes(false), "a slot that opens many is refused");
  await modest.ask();
  assert.deepEqual(modest.dials, [true, true, true, true]);
});
