import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";

// Opens a pool in the directory that is the argument, takes two slots, gives the first a policy, says so, and stays until it is
// killed, or closes everything when its input ends.
const signal = AbortSignal.timeout(60_000);
const pool = await createSlotPool(
  {
    stateDirectory: process.argv[2] ?? "",
    logger: silentLogger,
    random: systemRandom,
    size: 0,
    uidBase: 300_000,
  },
  signal,
);
const live = await pool.acquire(signal);
const lost = await pool.acquire(signal);
await pool.applyPolicy(live, { egress: "deny", allow: ["example.com"], deny: [] }, signal);
process.stdout.write(`${JSON.stringify({ instance: pool.instance, live, lost })}\n`);
for await (const _ of process.stdin);
for (const slot of [live, lost]) await pool.release(slot);
await pool.close();
