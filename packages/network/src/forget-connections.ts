import { WrennError } from "@wrenn/core";
import { networksOf } from "./cidr.ts";
import type { Runner } from "./runner.ts";

/**
 * Removes every connection of these addresses from the host's table, whichever side opened it. The next user of an address gets no
 * packets of them, and the table is free of them at once instead of after their time. The table is read twice for each network that the
 * addresses make up, not for each address.
 *
 * @throws WrennError `dependency_missing` without conntrack; `command_failed` when the kernel refuses.
 */
export async function forgetConnections(addresses: Iterable<string>, runner: Runner): Promise<void> {
  for (const network of networksOf(addresses))
    await Promise.all(["--orig-src", "--orig-dst"].map((end) => remove(end, network, runner)));
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
  const find = async (end: string, field: string): Promise<void> => {
    const pattern = new RegExp(`\\b${field}=([0-9.]+)`);
    // The first pair of addresses is that of the side that opened the connection.
    const look = (line: string): void => {
      const address = pattern.exec(line)?.[1];
      if (address !== undefined && !known.has(address)) found.add(address);
    };
    let rest = "";
    const onStdout = (text: string): void => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) look(line);
    };
    await runner(["conntrack", "--dump", end, block], { onStdout });
    look(rest);
  };
  await Promise.all([find("--orig-src", "src"), find("--orig-dst", "dst")]);
  await forgetConnections(found, runner);
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
