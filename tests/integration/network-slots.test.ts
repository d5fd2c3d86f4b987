import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";
import type { Slot, SlotPool } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";

const signal = new AbortController().signal;
const skip = process.getuid?.() === 0 ? false : "needs root to make network namespaces";
const ECHO = `require("net").createServer((s)=>s.end("hello")).listen(8080,()=>process.stdout.write("up"))`;
const forwardingPath = "/proc/sys/net/ipv4/ip_forward";
const internet = `wrtest-${process.pid}`;

/** Stands in for a machine: a namespace whose eth0 is a veth peer under the TAP's name in the slot. */
async function attachGuest(slot: Slot, name: string): Promise<void> {
  const inside = slot.namespace.split("/").at(-1) ?? "";
  await runCommand(["ip", "netns", "add", name]);
  await runCommand(["ip", "-n", inside, "-batch", "-"], {
    input: [
      `link del ${slot.tap}`,
      `link add ${slot.tap} type veth peer name eth0 netns ${name}`,
      `addr add ${slot.gateway}/30 dev ${slot.tap}`,
      `link set ${slot.tap} up`,
      "",
    ].join("\n"),
  });
  await runCommand(["ip", "-n", name, "-batch", "-"], {
    input: [
      `link set eth0 address ${slot.mac} up`,
      "link set lo up",
      `addr add ${slot.guestAddress}/30 dev eth0`,
      `route add default via ${slot.gateway}`,
      "",
    ].join("\n"),
  });
}

/** Whether a connection from inside `namespace` is answered; `from` sets the source address. */
async function reaches(namespace: string, host: string, port: number, from?: string): Promise<boolean> {
  const options = JSON.stringify({ host, port, localAddress: from });
  const script = `const s=require("net").connect(${options});s.on("data",()=>process.exit(0));s.on("error",()=>process.exit(1));setTimeout(()=>process.exit(2),1000)`;
  return (await tryCommand(["ip", "netns", "exec", namespace, process.execPath, "-e", script])).code === 0;
}

async function fetchGuest(host: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(8080, host);
  socket.setTimeout(5000, () => socket.destroy(new Error("timeout")));
  socket.on("data", (data) => resolve(data.toString())).on("error", (error) => resolve(error.message));
  return await promise;
}

async function serve(namespace: string): Promise<() => Promise<void>> {
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const ended = tryCommand(["ip", "netns", "exec", namespace, process.execPath, "-e", ECHO], {
    signal: stop.signal,
    onOutput: () => started.resolve(),
  }).catch(() => {});
  await started.promise;
  return async () => {
    stop.abort();
    await ended;
  };
}

describe("network slots", { skip }, () => {
  let pool: SlotPool;
  let slots: readonly [Slot, Slot];
  let directory: string;
  let forwarding: string;
  const guests = [`${internet}-a`, `${internet}-b`] as const;
  const stops: (() => Promise<void>)[] = [];
  const hostServer = createServer((socket) => socket.end("host"));

  before(async () => {
    forwarding = await readFile(forwardingPath, "utf8");
    directory = await mkdtemp("/tmp/wrenn-network-");
    pool = await createSlotPool(
      { stateDirectory: directory, logger: silentLogger, random: systemRandom, size: 0, uidBase: 300_000 },
      signal,
    );
    slots = [await pool.acquire(signal), await pool.acquire(signal)];
    await attachGuest(slots[0], guests[0]);
    await attachGuest(slots[1], guests[1]);
    await runCommand(["ip", "netns", "add", internet]);
    await runCommand(["ip", "-batch", "-"], {
      input: `link add ${internet} type veth peer name eth0 netns ${internet}\naddr add 203.0.113.1/24 dev ${internet}\nlink set ${internet} up\n`,
    });
    await runCommand(["ip", "-n", internet, "-batch", "-"], {
      input:
        "link set lo up\naddr add 203.0.113.9/24 dev eth0\naddr add 172.20.0.9/24 dev eth0\nlink set eth0 up\nroute add default via 203.0.113.1\n",
    });
    await runCommand(["ip", "route", "add", "172.20.0.9/32", "via", "203.0.113.9"]);
    for (const namespace of [...guests, internet]) stops.push(await serve(namespace));
    await new Promise<void>((resolve) => hostServer.listen(0, "0.0.0.0", resolve));
  });

  after(async () => {
    hostServer.close();
    for (const stop of stops) await stop();
    for (const name of [...guests, internet]) await tryCommand(["ip", "netns", "del", name]);
    for (const slot of slots ?? []) await pool.release(slot);
    await pool.close();
    await rm(directory, { recursive: true });
    await writeFile(forwardingPath, forwarding);
    const left = await readdir("/sys/class/net");
    assert.deepEqual(
      left.filter((name) => name.startsWith(`wr-${pool.instance.id}`)),
      [],
    );
    assert.equal((await tryCommand(["ip", "route", "show", "type", "blackhole"])).stdout, "");
  });

  test("the host reaches each guest at its own address", async () => {
    assert.equal(await fetchGuest(slots[0].hostAddress), "hello");
    assert.equal(await fetchGuest(slots[1].hostAddress), "hello");
  });

  test("a guest does not reach another slot, the host, private networks or a spoofed source's answer", async () => {
    const { port } = hostServer.address() as AddressInfo;
    assert.equal(await reaches(guests[0], slots[1].hostAddress, 8080), false, "other slot");
    assert.equal(await reaches(guests[0], `10.${pool.instance.block}.255.254`, port), false, "host veth");
    assert.equal(await reaches(guests[0], "203.0.113.1", port), false, "host address");
    assert.equal(await reaches(guests[0], "172.20.0.9", 8080), false, "private network");
    assert.equal(await reaches(guests[0], "169.254.169.254", 8080), false, "metadata");
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
});
