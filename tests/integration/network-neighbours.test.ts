import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Slot } from "@wrenn/network";
import { gatewayUid } from "../../packages/network/src/naming.ts";
import { runCommand, tryCommand } from "@wrenn/system";
import {
  attachGuest,
  HELLO_SERVER,
  INTERNET_ROUTER,
  needsRoot,
  openInternet,
  openPool,
  reaches,
  runIn,
  serveIn,
} from "../support/network-lab.ts";
import type { OpenPool } from "../support/network-lab.ts";

const signal = new AbortController().signal;
const name = `wrnear-${process.pid}`;
const HOST = "203.0.113.1";
const PUBLIC = "203.0.113.9";
/** A machine on a public network that the host is connected to. */
const NEIGHBOUR = "198.51.100.2";
/** One that only the routing table of capsules is connected to. */
const ROUTED_APART = "198.51.100.10";
const PRIVATE = "172.31.99.2";
const ECHO = `const u=require("dgram").createSocket("udp4");u.on("message",(m,r)=>u.send(m,r.port,r.address));u.bind(7000,()=>process.stdout.write("up"))`;
const TLS_PORT = HELLO_SERVER.replace("8080", "443");

/**
 * What a host publishes as a container engine does: a service at an address of a connected, of a private and of a local network,
 * at the host's address and at another one that packets to the internet have.
 */
const nat = name.replace("-", "_");
const PUBLISHED = `table ip ${nat} {
  chain published {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr ${HOST} tcp dport 18001 dnat to ${NEIGHBOUR}:8080
    ip daddr ${HOST} tcp dport 18002 dnat to ${PRIVATE}:8080
    ip daddr ${HOST} udp dport 18003 dnat to ${NEIGHBOUR}:7000
    ip daddr ${PUBLIC} tcp dport 18004 dnat to ${NEIGHBOUR}:8080
    ip daddr ${PUBLIC} tcp dport 18005 dnat to ${INTERNET_ROUTER}:8080
    ip daddr ${PUBLIC} tcp dport 18006 dnat to 203.0.113.10:8080
  }
  chain overUdplocally {
    type nat hook output priority -100; policy accept;
    ip daddr ${PUBLIC} tcp dport 18443 dnat to 203.0.113.10:443
  }
}
`;

const UDP_PROBE = (host: string, port: number): string =>
  `const s=require("dgram").createSocket("udp4");s.on("message",()=>process.exit(0));for(let n=0;n<3;n++)setTimeout(()=>s.send("x",${port},"${host}"),n*200);setTimeout(()=>process.exit(2),1000)`;

describe("what is near the host", { skip: needsRoot }, () => {
  interface Guest {
    readonly guest: string;
    readonly opened: OpenPool;
    readonly slot: Slot;
  }
  let closed: Guest;
  let open: Guest;
  const stack = new AsyncDisposableStack();

  before(async () => {
    const attach = async (guest: string, reachableNetworks: readonly string[]): Promise<Guest> => {
      const opened = stack.use(await openPool({ reachableNetworks }));
      const slot = await opened.acquire();
      stack.use(await attachGuest(slot, guest));
      return { guest, opened, slot };
    };
    closed = await attach(`${name}-c`, []);
    open = await attach(`${name}-o`, ["198.51.100.0/24", "172.31.99.0/24", `${HOST}/32`]);
    // All of it appears after the pools: none of their rules can know of it.
    stack.use(await openInternet(name, [PUBLIC, "203.0.113.10"]));
    const near = `${name}s`;
    await runCommand(["ip", "netns", "add", near]);
    stack.defer(async () => void (await tryCommand(["ip", "netns", "del", near])));
    await runCommand(["ip", "-batch", "-"], {
      input: `link add ${near} type veth peer name eth0 netns ${near}
addr add 198.51.100.1/29 dev ${near}
addr add 172.31.99.1/29 dev ${near}
link set ${near} up
`,
    });
    const addresses = [`${NEIGHBOUR}/29`, `${ROUTED_APART}/32`, `${PRIVATE}/29`];
    await runCommand(["ip", "-n", near, "-batch", "-"], {
      input: `${addresses.map((address) => `addr add ${address} dev eth0`).join("\n")}
link set eth0 up
link set lo up
route add default via 198.51.100.1
`,
    });
    const block = `10.${closed.opened.pool.instance.block}.0.0/16`;
    const table = String(20_000 + (process.pid % 10_000));
    await runCommand(["ip", "route", "add", `${ROUTED_APART}/32`, "dev", near, "table", table]);
    await runCommand(["ip", "rule", "add", "from", block, "lookup", table]);
    stack.defer(async () => void (await tryCommand(["ip", "rule", "del", "from", block, "lookup", table])));
    await runCommand(["nft", "-f", "-"], { input: PUBLISHED });
    stack.defer(async () => void (await tryCommand(["nft", "delete", "table", "ip", nat])));
    for (const namespace of [name, near])
      for (const script of [HELLO_SERVER, ECHO, TLS_PORT]) stack.use(await serveIn(namespace, script));
  });
  after(() => stack.disposeAsync());

  /** Which of these a guest is answered by, asked all at once. */
  async function reached(guest: string, targets: readonly string[]): Promise<readonly string[]> {
    const answers = await Promise.all(
      targets.map(async (target) => {
        const [host = "", port] = target.split(":");
        return await reaches(guest, host, Number(port));
      }),
    );
    return targets.filter((_, at) => answers[at]);
  }

  /** Which of these a user of the host gets a connection to. */
  async function connected(uid: number, targets: readonly string[]): Promise<readonly string[]> {
    const options = { uid, gid: uid, env: { PATH: process.env["PATH"] ?? "" } };
    const answers = await Promise.all(
      targets.map(
        async (target) =>
          (await tryCommand(["curl", "-s", "--max-time", "1", `telnet://${target}`], options)).code === 0,
      ),
    );
    return targets.filter((_, at) => answers[at]);
  }

  test("services that the host publishes are not reachable, at whatever address they are and lead to", async () => {
    const published = [`${HOST}:18001`, `${HOST}:18002`];
    assert.deepEqual(await reached(name, published), published, "others reach them");
    assert.equal((await runIn(name, UDP_PROBE(HOST, 18_003))).code, 0, "others reach one over UDP");
    const overUdp = runIn(closed.guest, UDP_PROBE(HOST, 18_003));
    const elsewhere = [18_004, 18_005, 18_006].map((port) => `${PUBLIC}:${port}`);
    assert.deepEqual(await reached(closed.guest, [`${PUBLIC}:8080`, ...published, ...elsewhere]), [
      `${PUBLIC}:8080`,
    ]);
    assert.equal((await runIn(closed.guest, UDP_PROBE(PUBLIC, 7000))).code, 0);
    assert.equal((await overUdp).code, 2);
  });

  test("neighbours on networks that the host is connected to are not reachable, nor is its router", async () => {
    const near = [`${NEIGHBOUR}:8080`, `${INTERNET_ROUTER}:8080`];
    assert.deepEqual(await connected(0, near), near, "the host reaches them");
    const overUdp = runIn(closed.guest, UDP_PROBE(NEIGHBOUR, 7000));
    assert.deepEqual(await reached(closed.guest, [...near, `${ROUTED_APART}:8080`, `${PUBLIC}:8080`]), [
      `${PUBLIC}:8080`,
    ]);
    assert.equal((await overUdp).code, 2, "over UDP");
    assert.equal(
      await reaches(closed.guest, PUBLIC, 8080),
      true,
      "what is behind the router, also after that",
    );
  });

  test("no policy opens them, and the gateway does not lead to them either", async () => {
    await closed.opened.pool.applyPolicy(
      closed.slot,
      { egress: "deny", allow: ["198.51.100.0/24", "203.0.113.0/24"], deny: [] },
      signal,
    );
    const targets = [PUBLIC, NEIGHBOUR, INTERNET_ROUTER].map((host) => `${host}:8080`);
    const byGuest = reached(closed.guest, [...targets, `${HOST}:18001`]);
    const { instance } = closed.opened.pool;
    const tls = [`${PUBLIC}:443`, `${NEIGHBOUR}:443`, `${INTERNET_ROUTER}:443`, `${PUBLIC}:18443`];
    assert.deepEqual(await connected(0, tls), tls, "root reaches them");
    assert.deepEqual(await connected(gatewayUid(instance), tls), [`${PUBLIC}:443`]);
    assert.deepEqual(await byGuest, [`${PUBLIC}:8080`]);
  });

  test("networks that the operator opens are reachable as policies say; the host's own sockets are not", async () => {
    const own = createServer((socket) => socket.on("error", () => {}).end("hello"));
    stack.defer(() => void own.close());
    await new Promise<void>((resolve) => own.listen(8090, HOST, resolve));
    assert.equal(await reaches(name, HOST, 8090), true, "others reach the host's own service");
    const listed = [`${NEIGHBOUR}:8080`, `${PRIVATE}:8080`, `${HOST}:18001`, `${HOST}:18002`];
    const others = [`${PUBLIC}:18004`, `${INTERNET_ROUTER}:8080`, `${HOST}:8090`];
    assert.deepEqual(await reached(open.guest, [...listed, ...others]), listed);
    assert.equal((await runIn(open.guest, UDP_PROBE(NEIGHBOUR, 7000))).code, 0);
    const allow = async (...allowed: string[]): Promise<void> =>
      await open.opened.pool.applyPolicy(open.slot, { egress: "deny", allow: allowed, deny: [] }, signal);
    await allow();
    assert.deepEqual(await reached(open.guest, listed), [], "policies decide");
    await allow(PRIVATE);
    assert.deepEqual(await reached(open.guest, listed), [`${PRIVATE}:8080`]);
    await allow("0.0.0.0/0");
    assert.deepEqual(await reached(open.guest, [...listed, ...others]), listed);
  });

  test("metadata and platform services of clouds stay closed where something answers for every address", async () => {
    const services =
      "169.254.169.254 168.63.129.16 100.100.100.200 100.80.80.80 100.96.0.96 192.0.0.192 192.80.8.124"
        .split(" ")
        .map((address) => `${address}:8080`);
    const control = "192.88.98.1:8080";
    for (const half of ["0.0.0.0/1", "128.0.0.0/1"])
      await runCommand(["ip", "-n", name, "route", "add", "local", half, "dev", "lo"]);
    const routes = (verb: string): string =>
      [...services, control]
        .map((to) => `route ${verb} ${to.split(":")[0]} via ${INTERNET_ROUTER}\n`)
        .join("");
    await runCommand(["ip", "-batch", "-"], { input: routes("add") });
    try {
      assert.deepEqual(await connected(0, services), services, "the host reaches them");
      const [byClosed, byOpen] = await Promise.all(
        [closed, open].map(async ({ guest }) => await reached(guest, [...services, control])),
      );
      assert.deepEqual(byClosed, []);
      assert.deepEqual(byOpen, [control]);
    } finally {
      await runCommand(["ip", "-batch", "-"], { input: routes("del") });
    }
  });

  test("a network that is no longer opened is closed to capsules that were running before", async () => {
    assert.equal(await reaches(open.guest, PRIVATE, 8080), true);
    const [slot] = await open.opened.reopen({ reachableNetworks: [] });
    assert.ok(slot);
    assert.deepEqual(await reached(open.guest, [`${PRIVATE}:8080`, `${PUBLIC}:8080`]), [`${PUBLIC}:8080`]);
  });
});
