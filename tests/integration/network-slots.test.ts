import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Slot, SlotPool } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";
import {
  attachGuest,
  HELLO_SERVER,
  INTERNET_ROUTER,
  needsRoot,
  openInternet,
  openPool,
  reaches,
  serveIn,
} from "../support/network-lab.ts";

const signal = new AbortController().signal;
const internet = `wrtest-${process.pid}`;

async function fetchGuest(host: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(8080, host);
  socket.setTimeout(5000, () => socket.destroy(new Error("timeout")));
  socket.on("data", (data) => resolve(data.toString())).on("error", (error) => resolve(error.message));
  return await promise;
}

describe("network slots", { skip: needsRoot }, () => {
  let pool: SlotPool;
  let slots: readonly [Slot, Slot];
  const guests = [`${internet}-a`, `${internet}-b`] as const;
  const stack = new AsyncDisposableStack();
  const hostServer = createServer((socket) => socket.end("host"));

  before(async () => {
    const opened = stack.use(await openPool());
    ({ pool } = opened);
    slots = [await opened.acquire(), await opened.acquire()];
    stack.use(await attachGuest(slots[0], guests[0]));
    stack.use(await attachGuest(slots[1], guests[1]));
    stack.use(await openInternet(internet, ["203.0.113.9"]));
    await runCommand(["ip", "-n", internet, "addr", "add", "172.20.0.9/24", "dev", "eth0"]);
    await runCommand(["ip", "route", "add", "172.20.0.9/32", "via", INTERNET_ROUTER]);
    for (const namespace of [...guests, internet]) stack.use(await serveIn(namespace, HELLO_SERVER));
    await new Promise<void>((resolve) => hostServer.listen(0, "0.0.0.0", resolve));
  });

  after(async () => {
    hostServer.close();
    await stack.disposeAsync();
    const left = await readdir("/sys/class/net");
    assert.deepEqual(
      left.filter((name) => name.startsWith(`wr-${pool.instance.id}`)),
      [],
    );
    const { stdout } = await tryCommand(["ip", "route", "show", "type", "blackhole"]);
    assert.ok(!stdout.includes(`10.${pool.instance.block}.0.0/16`), stdout);
    const addresses = await tryCommand(["ip", "addr", "show", "dev", "lo"]);
    assert.ok(!addresses.stdout.includes(`10.${pool.instance.block}.`), addresses.stdout);
  });

  test("the gateway has one MAC address in all slots, which restored guests go on sending to", async () => {
    await using release = new AsyncDisposableStack();
    const slot = await pool.acquire(AbortSignal.timeout(30_000));
    release.defer(() => pool.release(slot));
    const inside = slot.namespace.split("/").at(-1) ?? "";
    const { stdout } = await runCommand(["ip", "-n", inside, "-brief", "link", "show", "dev", slot.tap]);
    assert.match(stdout, / 02:fc:00:00:00:06 /);
  });

  test("the host reaches each guest at its own address", async () => {
    assert.equal(await fetchGuest(slots[0].hostAddress), "hello");
    assert.equal(await fetchGuest(slots[1].hostAddress), "hello");
  });

  test("users of the host other than root reach no port of a guest", async () => {
    const script = `const s=require("net").connect(8080,"${slots[0].hostAddress}");s.on("data",()=>process.exit(0));s.on("error",()=>process.exit(1));setTimeout(()=>process.exit(2),1000)`;
    const codes = [0, 65_534].map(async (uid) => {
      const options = { uid, gid: uid, env: {} };
      return (await tryCommand([process.execPath, "-e", script], options)).code;
    });
    assert.deepEqual(await Promise.all(codes), [0, 2]);
  });

  test("a guest does not reach another slot, the host, private networks or a spoofed source's answer", async () => {
    const { port } = hostServer.address() as AddressInfo;
    const closed = {
      "other slot": [slots[1].hostAddress, 8080],
      "host veth": [`10.${pool.instance.block}.255.254`, port],
      "host address": ["203.0.113.1", port],
      "private network": ["172.20.0.9", 8080],
      metadata: ["169.254.169.254", 8080],
    } as const;
    await Promise.all(
      Object.entries(closed).map(async ([what, [host, at]]) =>
        assert.equal(await reaches(guests[0], host, at), false, what),
      ),
    );
    await runCommand(["ip", "-n", guests[0], "addr", "add", "198.51.100.7/32", "dev", "eth0"]);
    assert.equal(await reaches(guests[0], "203.0.113.9", 8080, "198.51.100.7"), false, "spoofed source");
  });

  test("egress follows the policy, and deny beats allow", async () => {
    const [guest] = guests;
    assert.equal(await reaches(guest, "203.0.113.9", 8080), true, "default");
    const set = (egress: "allow" | "deny", allow: string[], deny: string[]) =>
      pool.applyPolicy(slots[0], { egress, allow, deny }, signal);
    await set("deny", [], []);
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false, "denied");
    await set("deny", ["203.0.113.0/24"], []);
    assert.equal(await reaches(guest, "203.0.113.9", 8080), true, "allowed by list");
    await set("allow", ["203.0.113.0/24"], ["203.0.113.9", "203.0.113.8/29"]);
    assert.equal(await reaches(guest, "203.0.113.9", 8080), false, "deny beats allow");
    await set("allow", ["172.16.0.0/12"], []);
    assert.equal(await reaches(guest, "172.20.0.9", 8080), false, "private stays denied");
    assert.equal(await fetchGuest(slots[0].hostAddress), "hello");
  });

  test("what a guest tried is told, with verdict and port", async () => {
    let decisions = await pool.decisions(slots[0], signal);
    const verdicts = (subject: string) =>
      decisions.filter((d) => d.subject === subject).map((d) => [d.kind, d.verdict]);
    // On a busy machine an attempt may be given up before its first packet is sent.
    for (let attempt = 0; attempt < 5 && verdicts("tcp 172.20.0.9:8080").length === 0; attempt++) {
      await reaches(guests[0], "172.20.0.9", 8080);
      decisions = await pool.decisions(slots[0], signal);
    }
    assert.deepEqual(verdicts("tcp 172.20.0.9:8080"), [["destination", "denied"]]);
    assert.deepEqual(
      new Set(verdicts("tcp 203.0.113.9:8080").map(([, verdict]) => verdict)),
      new Set(["allowed", "denied"]),
    );
    assert.ok(decisions.every(({ at, count }) => Math.abs(Date.now() - at) < 120_000 && count > 0));
    assert.deepEqual(await pool.decisions(slots[1], signal), []);
  });
});
