import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";
import type { Runner } from "@wrenn/network";
import { runCommand } from "@wrenn/system";

// Opens a pool in the directory that is the argument, takes two slots, gives the first a policy, says so, and stays until it is
// killed, or closes everything when its input ends. With a second argument it makes a third slot only up to that many lines of the
// program that makes it, and stays in the middle of it.
const signal = AbortSignal.timeout(60_000);
let linesLeft = Infinity;
const runner: Runner = async (argv, options) => {
  // The pool looks at the host's rules all the time, which is no part of making a slot.
  if (argv.includes("tables")) return await runCommand(argv, options);
  const lines = options.input?.split("\n") ?? [];
  if (!lines[0]?.startsWith("netns add") || linesLeft >= lines.length - 1)
    return await runCommand(argv, options);
  if (linesLeft > 0)
    await runCommand(argv, { ...options, input: `${lines.slice(0, linesLeft).join("\n")}\n` });
  process.stdout.write("stuck\n");
  return await new Promise(() => {});
};
const pool = await createSlotPool(
  {
    stateDirectory: process.argv[2] ?? "",
    logger: silentLogger,
    random: systemRandom,
    size: 0,
    uidBase: 300_000,
    runner,
  },
  signal,
);
const live = await pool.acquire(signal);
const lost = await pool.acquire(signal);
await pool.applyPolicy(live, { egress: "deny", allow: ["example.com"], deny: [] }, signal);
process.stdout.write(`${JSON.stringify({ instance: pool.instance, live, lost })}\n`);
const commands = process.argv[3];
if (commands !== undefined) {
  linesLeft = Number(commands);
  await pool.acquire(signal);
  process.stdout.write("made\n");
}
for await (const _ of process.stdin);
for (const slot of [live, lost]) await pool.release(slot);
await pool.close();
