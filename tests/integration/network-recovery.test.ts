import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { silentLogger, systemRandom, WrennError } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";
import type { Slot, SlotPool } from "@wrenn/network";
import { runCommand, tryCommand } from "@wrenn/system";
import { HELLO_SERVER, reaches, serveIn } from "../support/network-lab.ts";

const signal = new AbortController().signal;
const skip = process.getuid?.() === 0 ? false : "needs root to make network namespaces";
const owner = fileURLToPath(new URL("../support/slot-owner.ts", import.meta.url));

interface Told {
  readonly instance: SlotPool["instance"];
  readonly live: Slot;
  readonly lost: Slot;
}

test(
  "a pool opened after its predecessor was killed adopts live slots with their policy and sweeps the rest",
  { skip },
  async () => {
    const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
    const options = { stateDirectory, logger: silentLogger, random: systemRandom, size: 0, uidBase: 300_000 };
    const predecessor = spawn(process.execPath, [owner, stateDirectory], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = (await once(predecessor.stdout, "data")) as [Buffer];
    const { instance, live, lost } = JSON.parse(line.toString()) as Told;

    await assert.rejects(createSlotPool(options, signal), (error) => WrennError.is(error, "network_in_use"));
    const gone = once(predecessor, "close");
    predecessor.kill("SIGKILL");
    await gone;

    const pool = await createSlotPool(options, signal);
    assert.deepEqual(pool.instance, instance);
    const adopted = pool.adopt(live.number);
    assert.deepEqual(adopted, live);
    assert.deepEqual(await pool.sweep({ dryRun: true }), [lost.number]);
    assert.deepEqual(await pool.sweep(), [lost.number]);
    assert.equal(pool.adopt(lost.number), undefined);
    const again = await pool.acquire(signal);
    assert.equal(again.number, lost.number);

    const rules = async (slot: Slot): Promise<string> => {
      const chain = ["list", "chain", "inet", "wrenn", "by_name_nat"];
      return (await tryCommand(["nsenter", `--net=${slot.namespace}`, "nft", ...chain])).stdout;
    };
    assert.match(await rules(live), /@named4 dnat/, "the policy stands");
    assert.doesNotMatch(await rules(lost), /@named4 dnat/, "a new slot has none of it");

    await pool.release(again);
    await pool.release(adopted ?? assert.fail("it was not adopted"));
    await pool.close();
    await assert.rejects(access(`${stateDirectory}/policies/slot-${live.number}.json`));
    await rm(stateDirectory, { recursive: true });
  },
);

test(
  "of a slot whose maker was killed at any step nothing is left, and its number is free",
  { skip },
  async () => {
    const left = await Promise.all(
      [0, 1, 2, 5, 6, 7, 8].map(async (lines) => {
        const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
        const maker = spawn(process.execPath, [owner, stateDirectory, String(lines)], {
          stdio: ["pipe", "pipe", "inherit"],
        });
        let output = "";
        for await (const chunk of maker.stdout) {
          output += String(chunk);
          if (/stuck|made/.test(output)) break;
        }
        const gone = once(maker, "exit");
        maker.kill("SIGKILL");
        await gone;
        const { live } = JSON.parse(output.split("\n")[0] ?? "") as Told;

        const pool = await createSlotPool(
          { stateDirectory, logger: silentLogger, random: systemRandom, size: 0, uidBase: 300_000 },
          signal,
        );
        const adopted = pool.adopt(live.number);
        assert.ok(adopted);
        // What the killed process had begun may end after the look at the kernel: it is found and passed over.
        await runCommand(["ip", "netns", "add", `wrenn-${pool.instance.id}-4`]);
        const swept = await pool.sweep();
        const numbers: number[] = [];
        const slots: Slot[] = [adopted];
        for (let n = 0; n < 3; n += 1) slots.push(await pool.acquire(signal));
        for (const { number } of slots.slice(1)) numbers.push(number);
        for (const slot of slots) await pool.release(slot);
        await pool.sweep();
        await pool.close();
        const names = [...(await readdir("/run/netns")), ...(await readdir("/sys/class/net"))];
        await rm(stateDirectory, { recursive: true });
        return {
          isMade: output.includes("made"),
          swept,
          numbers,
          left: names.filter((name) => name.includes(pool.instance.id)),
        };
      }),
    );
    assert.deepEqual(
      left.map(({ isMade }) => isMade),
      left.map((_, commands) => commands === left.length - 1),
      "the last number of lines is the first that makes a slot",
    );
    for (const [commands, one] of left.entries()) {
      assert.deepEqual(one.swept, commands === 0 ? [2] : [2, 3], `killed after ${commands} commands`);
      assert.deepEqual([one.numbers, one.left], [[2, 3, 5], []], `killed after ${commands} commands`);
    }
  },
);

test(
  "a host that did not forward does so while there are slots, and is afterwards as it was",
  { skip },
  async () => {
    // A namespace stands in for a host, so that nobody else on this machine is cut off.
    const host = `wrhost-${process.pid}`;
    const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
    await runCommand(["ip", "netns", "add", host]);
    try {
      await runCommand(["ip", "-n", host, "link", "set", "lo", "up"]);
      const inHost = async (...argv: [string, ...string[]]): Promise<string> =>
        (await runCommand(["ip", "netns", "exec", host, ...argv])).stdout;
      await inHost("sysctl", "-q", "-w", "net.ipv4.ip_forward=0");
      const state = async (): Promise<string[]> => [
        await inHost("sysctl", "-n", "net.ipv4.ip_forward"),
        await inHost("nft", "list", "ruleset"),
        await inHost("ip", "route"),
        await inHost("ip", "-brief", "addr"),
      ];
      const before = await state();
      assert.equal(before[0], "0\n");
      const pool = spawn("ip", ["netns", "exec", host, process.execPath, owner, stateDirectory], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const gone = once(pool, "close");
      await once(pool.stdout, "data");
      assert.equal((await state())[0], "1\n");
      pool.stdin.end();
      assert.deepEqual(await gone, [0, null]);
      assert.deepEqual(await state(), before);
    } finally {
      await runCommand(["ip", "netns", "del", host]);
      await rm(stateDirectory, { recursive: true });
    }
  },
);

test("two installations that close at once both put the host's forwarding back", { skip }, async () => {
  const host = `wrhost-once-${process.pid}`;
  await runCommand(["ip", "netns", "add", host]);
  try {
    const inHost = ["ip", "netns", "exec", host] as const;
    await runCommand([...inHost, "sysctl", "-q", "-w", "net.ipv4.ip_forward=0"]);
    const script = fileURLToPath(new URL("../support/closing-at-once.ts", import.meta.url));
    await runCommand([...inHost, process.execPath, script]);
    const { stdout } = await runCommand([...inHost, "sysctl", "-n", "net.ipv4.ip_forward"]);
    assert.equal(stdout, "0\n");
  } finally {
    await runCommand(["ip", "netns", "del", host]);
  }
});

test(
  "a host that did not forward still keeps its own networks apart while capsules need it to",
  { skip },
  async () => {
    const host = `wrapart-${process.pid}`;
    const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(stateDirectory, { recursive: true }));
    const addNamespace = async (name: string): Promise<void> => {
      await runCommand(["ip", "netns", "add", name]);
      stack.defer(async () => void (await tryCommand(["ip", "netns", "del", name])));
      await runCommand(["ip", "-n", name, "link", "set", "lo", "up"]);
    };
    /** A network of the host's with one machine in it. */
    const addNetwork = async (net: string, subnet: string): Promise<string> => {
      const name = `${host}-${net}`;
      await addNamespace(name);
      await runCommand(["ip", "-n", host, "-batch", "-"], {
        input: `link add ${net} type veth peer name eth0 netns ${name}\naddr add ${subnet}.1/24 dev ${net}\nlink set ${net} up\n`,
      });
      await runCommand(["ip", "-n", name, "-batch", "-"], {
        input: `addr add ${subnet}.2/24 dev eth0\nlink set eth0 up\nroute add default via ${subnet}.1\n`,
      });
      return name;
    };
    await addNamespace(host);
    const first = await addNetwork("lan0", "198.51.100");
    stack.use(await serveIn(await addNetwork("lan1", "203.0.113"), HELLO_SERVER));
    await runCommand(["ip", "netns", "exec", host, "sysctl", "-q", "-w", "net.ipv4.ip_forward=0"]);
    const pool = spawn("ip", ["netns", "exec", host, process.execPath, owner, stateDirectory], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const gone = once(pool, "close");
    stack.defer(async () => {
      pool.kill("SIGKILL");
      await gone;
    });
    await once(pool.stdout, "data");
    stack.use(await serveIn(await addNetwork("later0", "192.0.2"), HELLO_SERVER));
    assert.equal(await reaches(first, "203.0.113.2", 8080), false, "between networks of before");
    assert.equal(await reaches(first, "192.0.2.2", 8080), true, "to one that was made since");
    pool.stdin.end();
    await gone;
  },
);
