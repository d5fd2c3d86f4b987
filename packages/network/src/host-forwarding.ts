import { readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@wrenn/core";
import { readFileIfPresent } from "@wrenn/system";
import type { Runner } from "./runner.ts";
import { makeRuntimeDirectory, RUNTIME_DIRECTORY } from "./runtime-directory.ts";

const SWITCH = "/proc/sys/net/ipv4/ip_forward";

/**
 * The interfaces between which this host does not forward by its administrator's choice: those that existed when an installation
 * switched forwarding on. Whatever comes later, such as a container engine, expects that a host forwards.
 */
export async function separatedInterfaces(): Promise<readonly string[]> {
  if (!(await isForwarding())) return await interfaces();
  const known = await readFileIfPresent(await mark());
  return known?.split("\n").filter((name) => isInterface(name)) ?? [];
}

/** Guests reach the internet through the host, which must forward. */
export async function enableForwarding(separated: readonly string[], logger: Logger): Promise<void> {
  if (await isForwarding()) return;
  await makeRuntimeDirectory(RUNTIME_DIRECTORY);
  await writeFile(await mark(), separated.join("\n"), { mode: 0o600 });
  await writeFile(SWITCH, "1");
  logger.info("network.forwarding_enabled", { path: SWITCH });
}

/** Puts the switch back once no installation on this machine is left that needs it. Call it after the own table is gone. */
export async function restoreForwarding(runner: Runner, logger: Logger): Promise<void> {
  const path = await mark();
  if ((await readFileIfPresent(path)) === undefined) return;
  const { stdout } = await runner(["nft", "list", "tables", "inet"], {});
  if (/^table inet wrenn_[0-9a-f]{4}$/m.test(stdout)) return;
  await writeFile(SWITCH, "0");
  // Another installation that closes now may have been quicker.
  await rm(path, { force: true });
  logger.info("network.forwarding_restored", { path: SWITCH });
}

async function isForwarding(): Promise<boolean> {
  return (await readFile(SWITCH, "utf8")).trim() === "1";
}

async function interfaces(): Promise<readonly string[]> {
  return (await readdir("/sys/class/net")).filter((name) => name !== "lo" && isInterface(name));
}

/** Names that a rule can hold, and links of slots are none of them. */
function isInterface(name: string): boolean {
  return /^[A-Za-z0-9_.:@-]{1,15}$/.test(name) && !name.startsWith("wr-");
}

/** Reports that an installation has switched forwarding on in this network namespace. Like the switch it does not outlive a reboot. */
async function mark(): Promise<string> {
  const namespace = /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "";
  return join(RUNTIME_DIRECTORY, `ip-forward-was-off-${namespace}`);
}
