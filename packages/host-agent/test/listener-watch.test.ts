import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { GuestLink, GuestListeners } from "@wrenn/guest";
import type { ListeningPort, ListeningPorts } from "@wrenn/protocol";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
/** What the next lists are, instead of what listens on this machine. */
let listed: GuestListeners | undefined;
let lists = 0;
const lab = await startAgentOnFakeMachines({
  onGuest: (link: GuestLink) => {
    const counters = link.counters.bind(link);
    const listeners = link.listeners.bind(link);
    Object.assign(link, {
      counters: async (inner: AbortSignal) => {
        const real = await counters(inner);
        return listed ? { ...real, listeners: BigInt(listed.total) } : real;
      },
      listeners: async (inner: AbortSignal) => {
        lists += 1;
        return listed ?? (await listeners(inner));
      },
    });
  },
});
after(() => lab.close());
const { agent } = lab;

const portOf = (port: number): ListeningPort => ({ protocol: "tcp", address: "0.0.0.0", port, uid: 0 });

async function listen(host: string): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, port };
}

test("a port that opens and closes is listed with its process and reported, on IPv4 and IPv6", async () => {
  const { id } = await agent.createCapsule(specOf(lab.template), signal);
  const reports: ListeningPorts[] = [];
  const unsubscribe = agent.onListeners((one) => {
    if (one.id === id) reports.push(one);
  });
  const four = await listen("127.0.0.1");
  const six = await listen("::1");
  const find = ({ ports }: ListeningPorts, port: number) => ports.find((one) => one.port === port);
  const present = await agent.listeners(id, signal);
  const { process: name, ...found } = find(present, four.port) ?? {};
  assert.deepEqual(found, {
    protocol: "tcp",
    address: "127.0.0.1",
    port: four.port,
    uid: 0,
    pid: process.pid,
  });
  assert.ok(name !== undefined && name !== "");
  assert.equal(find(present, six.port)?.address, "::1");
  await eventually("it is reported", () => reports.some((one) => find(one, four.port)), {
    timeoutMs: 10_000,
  });
  for (const { server } of [four, six]) server.close();
  const isGone = (): boolean => {
    const last = reports.at(-1);
    return last !== undefined && !find(last, four.port) && !find(last, six.port);
  };
  await eventually("its end is reported", isGone, { timeoutMs: 10_000 });
  unsubscribe();
  await agent.destroyCapsule(id, signal);
});

test("a paused capsule keeps the list that it had, and a destroyed one has none", async () => {
  const { id } = await agent.createCapsule(specOf(lab.template), signal);
  listed = { ports: [portOf(80)], total: 1 };
  assert.deepEqual((await agent.listeners(id, signal)).ports, [portOf(80)]);
  await agent.pauseCapsule(id, signal);
  listed = { ports: [], total: 0 };
  assert.deepEqual((await agent.listeners(id, signal)).ports, [portOf(80)]);
  await agent.destroyCapsule(id, signal);
  await assert.rejects(agent.listeners(id, signal), { reason: "capsule_not_found" });
  listed = undefined;
});

test("a guest is not asked while nothing changes, and one that opens ports without end is reported once a second", async () => {
  listed = { ports: [portOf(1)], total: 1 };
  const { id } = await agent.createCapsule(specOf(lab.template), signal);
  const reports: ListeningPorts[] = [];
  const unsubscribe = agent.onListeners((one) => {
    if (one.id === id) reports.push(one);
  });
  await eventually("the list is known", () => reports.length === 1, { timeoutMs: 10_000 });
  const before = lists;
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal(lists, before);
  for (let port = 2; port < 200; port += 1) {
    listed = { ports: [portOf(port)], total: 300 + port };
    await agent.listeners(id, signal);
  }
  assert.ok(reports.length <= 4, `${reports.length} reports`);
  const isLast = (): boolean => reports.at(-1)?.ports[0]?.port === 199;
  await eventually("the last list is reported", isLast, { timeoutMs: 10_000 });
  assert.equal(reports.at(-1)?.unlisted, 498);
  unsubscribe();
  listed = undefined;
  await agent.destroyCapsule(id, signal);
});
