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
