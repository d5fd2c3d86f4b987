import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";
import type { Slot, SlotPool, SlotPoolOptions } from "@wrenn/network";
import { holdLock, runCommand, tryCommand } from "@wrenn/system";

export const needsRoot = process.getuid?.() === 0 ? false : "needs root to make network namespaces";

/** A slot pool with a directory of its own. Disposing releases its slots. */
export interface OpenPool extends AsyncDisposable {
  readonly pool: SlotPool;
  readonly acquire: () => Promise<Slot>;
  /** Closes the pool and opens it again, with these options changed. @returns the slots that are in use, as the new pool knows them. */
  readonly reopen: (changed?: Partial<SlotPoolOptions>) => Promise<readonly Slot[]>;
}

export async function openPool(options: Partial<SlotPoolOptions> = {}): Promise<OpenPool> {
  const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
  const signal = new AbortController().signal;
  const open = (changed: Partial<SlotPoolOptions> = {}): Promise<SlotPool> =>
    createSlotPool(
      {
        stateDirectory,
        logger: silentLogger,
        random: systemRandom,
        size: 0,
        uidBase: 300_000,
        ...options,
        ...changed,
      },
      signal,
    );
  let pool = await open();
  const slots: Slot[] = [];
  return {
    get pool() {
      return pool;
    },
    acquire: async () => {
      const slot = await pool.acquire(signal);
      slots.push(slot);
      return slot;
    },
    reopen: async (changed) => {
      await pool.close();
      pool = await open(changed);
      for (const [at, { number }] of slots.entries()) {
        const adopted = pool.adopt(number);
        if (adopted) slots[at] = adopted;
      }
      return slots;
    },
    [Symbol.asyncDispose]: async () => {
      for (const slot of slots) await pool.release(slot);
      await pool.close();
      await rm(stateDirectory, { recursive: true });
    },
  };
}

/** Stands in for a machine: a namespace whose eth0 is a veth peer under the TAP's name in the slot, with the TAP's shaper. */
export async function attachGuest(slot: Slot, name: string): Promise<AsyncDisposable> {
  const inside = slot.namespace.split("/").at(-1) ?? "";
  const { stdout } = await runCommand(["tc", "-n", inside, "qdisc", "show", "dev", slot.tap, "root"]);
  const shaper = /rate (\S+) burst (\S+) (?:lat (\S+)|limit (\S+))/.exec(stdout);
  const [, rate = "", burst = "", latency, limit] = shaper ?? [];
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
  const queue = latency === undefined ? ["limit", limit ?? ""] : ["latency", latency];
  await runCommand(
    // prettier-ignore
    ["tc", "-n", inside, "qdisc", "replace", "dev", slot.tap, "root", "tbf", "rate", rate, "burst", burst, ...queue],
  );
  await runCommand(["ip", "-n", name, "-batch", "-"], {
    input: [
      `link set eth0 address ${slot.mac} up`,
      "link set lo up",
      `addr add ${slot.guestAddress}/30 dev eth0`,
      `route add default via ${slot.gateway}`,
      "",
    ].join("\n"),
  });
  return { [Symbol.asyncDispose]: async () => void (await tryCommand(["ip", "netns", "del", name])) };
}

/** The router behind which {@link openInternet}'s addresses are. */
export const INTERNET_ROUTER = "203.0.113.254";

/**
 * A stand-in for the internet: a namespace behind a veth pair with these addresses of 203.0.113.0/27, which the host reaches
 * through a router; 203.0.113.1 is the host. There is one at a time on a machine: others wait.
 */
export async function openInternet(name: string, addresses: readonly string[]): Promise<AsyncDisposable> {
  const turn = await holdLock("/tmp/wrenn-test-internet", AbortSignal.timeout(300_000));
  await removeAbandoned();
  await runCommand(["ip", "netns", "add", name]);
  await runCommand(["ip", "-batch", "-"], {
    input: [
      `link add ${name} type veth peer name eth0 netns ${name}`,
      `addr add 203.0.113.1 peer ${INTERNET_ROUTER}/32 dev ${name}`,
      `link set ${name} up`,
      // The rest of that network is left alone: what the machine itself needs may be there.
      `route add 203.0.113.0/27 via ${INTERNET_ROUTER}`,
      "",
    ].join("\n"),
  });
  await runCommand(["ip", "-n", name, "-batch", "-"], {
    input: [
      "link set lo up",
      ...[...addresses, INTERNET_ROUTER].map((address) => `addr add ${address}/32 dev eth0`),
      "link set eth0 up",
      // What answers a packet answers from an address of the internet, not from the router's.
      `route add 203.0.113.1 dev eth0 src ${addresses[0]}`,
      `route add default via 203.0.113.1 src ${addresses[0]}`,
      "",
    ].join("\n"),
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await tryCommand(["ip", "netns", "del", name]);
      await tryCommand(["ip", "link", "del", name]);
      await turn[Symbol.asyncDispose]();
    },
  };
}

/** Whoever has the turn is the only one with this network: what holds its address belonged to a run that was killed. */
async function removeAbandoned(): Promise<void> {
  const { stdout } = await runCommand(["ip", "-o", "-4", "addr", "show", "to", "203.0.113.1"]);
  for (const [, link = ""] of stdout.matchAll(/^\d+: (\S+)/gm)) {
    await tryCommand(["ip", "netns", "del", link]);
    await tryCommand(["ip", "link", "del", link]);
  }
}

/** Runs a script of Node in a namespace until disposed; it is up when it has printed something. */
export async function serveIn(namespace: string, script: string): Promise<AsyncDisposable> {
  const child = spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "close");
  await Promise.race([once(child.stdout, "data"), gone]);
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** Runs a script of Node in a namespace to its end; gives its exit code and what it printed. */
export async function runIn(
  namespace: string,
  script: string,
): Promise<{ readonly code: number; readonly stdout: string }> {
  return await tryCommand(["ip", "netns", "exec", namespace, process.execPath, "-e", script]);
}

/** Whether a TCP connection from inside the namespace is made and answered with data; `from` sets the source address. */
export async function reaches(
  namespace: string,
  host: string,
  port: number,
  from?: string,
): Promise<boolean> {
  const options = JSON.stringify({ host, port, localAddress: from });
  const script = `const s=require("net").connect(${options});s.on("data",()=>process.exit(0));s.on("error",()=>process.exit(1));setTimeout(()=>process.exit(2),1000)`;
  return (await runIn(namespace, script)).code === 0;
}

/** Answers every TCP connection to 8080 with "hello", for {@link serveIn}. */
export const HELLO_SERVER = `require("net").createServer((s)=>{s.on("error",()=>{});s.end("hello")}).listen(8080,()=>process.stdout.write("up"))`;
