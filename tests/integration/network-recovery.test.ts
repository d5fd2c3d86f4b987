import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";

const signal = new AbortController().signal;
const skip = process.getuid?.() === 0 ? false : "needs root to make network namespaces";
const forwardingPath = "/proc/sys/net/ipv4/ip_forward";

test(
  "a pool opened after its predecessor vanished adopts live slots and sweeps the rest",
  { skip },
  async () => {
    const forwarding = await readFile(forwardingPath, "utf8");
    const stateDirectory = await mkdtemp("/tmp/wrenn-network-");
    const options = { stateDirectory, logger: silentLogger, random: systemRandom, size: 0, uidBase: 300_000 };
    // The first pool is left without a word, as by a crash: it holds nothing but what the kernel and the journal hold.
    const first = await createSlotPool(options, signal);
    const live = await first.acquire(signal);
    const lost = await first.acquire(signal);
    const second = await createSlotPool(options, signal);
    assert.deepEqual(second.instance, first.instance);
    assert.deepEqual(second.adopt(live.number), live);
    assert.deepEqual(await second.sweep({ dryRun: true }), [lost.number]);
    assert.deepEqual(await second.sweep(), [lost.number]);
    assert.equal(second.adopt(lost.number), undefined);
    assert.equal((await second.acquire(signal)).number, lost.number);
    await second.release(lost);
    await second.release(live);
    await second.close();
    await rm(stateDirectory, { recursive: true });
    await writeFile(forwardingPath, forwarding);
  },
);
