import { WrennError } from "@wrenn/core";
import type { Runner } from "./runner.ts";

/**
 * Removes every connection of an address from the host's table, whichever side opened it. The next user of the address gets no
 * packets of them, and the table is free of them at once instead of after their time.
 *
 * @throws WrennError `dependency_missing` without conntrack; `command_failed` when the kernel refuses.
 */
export async function forgetConnections(address: string, runner: Runner): Promise<void> {
  await Promise.all(["--orig-src", "--orig-dst"].map((end) => remove(end, address, runner)));
}

/**
 * Does the same for every address of a block that is not among these.
 *
 * @throws WrennError `dependency_missing`, `command_failed`.
 */
export async function forgetStrangers(
  block: string,
  known: ReadonlySet<string>,
  runner: Runner,
): Promise<void> {
  const found = new Set<string>();
  for (const [end, field] of [
    ["--orig-src", "src"],
    ["--orig-dst", "dst"],
  ] as const) {
    const { stdout } = await runner(["conntrack", "--dump", end, block], {});
    // The first pair of addresses is that of the side that opened the connection.
    for (const line of stdout.split("\n")) {
      const address = new RegExp(`\\b${field}=([0-9.]+)`).exec(line)?.[1];
      if (address !== undefined && !known.has(address)) found.add(address);
    }
  }
  for (const address of found) await forgetConnections(address, runner);
}

async function remove(end: string, address: string, runner: Runner): Promise<void> {
  try {
    await runner(["conntrack", "--delete", end, address], {});
  } catch (error) {
    // This is how it reports that there were none.
    const isEmpty =
      WrennError.is(error, "command_failed") && String(error.context["problem"]).includes(" 0 flow entries");
    if (!isEmpty) throw error;
  }
}
