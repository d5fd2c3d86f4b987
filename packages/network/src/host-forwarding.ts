import { mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@wrenn/core";
import { exists } from "@wrenn/system";
import type { Runner } from "./runner.ts";

const SWITCH = "/proc/sys/net/ipv4/ip_forward";
const MARK_DIRECTORY = "/run/wrenn";

/** Guests reach the internet through the host, which must forward; other forwarding of the host is its administrator's affair. */
export async function enableForwarding(logger: Logger): Promise<void> {
  if ((await readFile(SWITCH, "utf8")).trim() === "1") return;
  await mkdir(MARK_DIRECTORY, { recursive: true });
  await writeFile(await mark(), "");
  await writeFile(SWITCH, "1");
  logger.info("network.forwarding_enabled", { path: SWITCH });
}

/** Puts the switch back once no installation on this machine is left that needs it. Call it after the own table is gone. */
export async function restoreForwarding(runner: Runner, logger: Logger): Promise<void> {
  const path = await mark();
  if (!(await exists(path))) return;
  const { stdout } = await runner(["nft", "list", "tables", "inet"], {});
  if (/^table inet wrenn_[0-9a-f]{4}$/m.test(stdout)) return;
  await writeFile(SWITCH, "0");
  // Another installation that closes now may have been quicker.
  await rm(path, { force: true });
  logger.info("network.forwarding_restored", { path: SWITCH });
}

/** Says that an installation has switched forwarding on in this network namespace. Like the switch it does not outlive a reboot. */
async function mark(): Promise<string> {
  const namespace = /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "";
  return join(MARK_DIRECTORY, `ip-forward-was-off-${namespace}`);
}
