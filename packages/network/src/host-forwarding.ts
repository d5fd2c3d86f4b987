import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import type { Logger } from "@wrenn/core";
import type { Runner } from "./runner.ts";

const SWITCH = "/proc/sys/net/ipv4/ip_forward";
/** Says that an installation has switched forwarding on. Like the switch itself it does not outlive a reboot. */
const MARK_DIRECTORY = "/run/wrenn";
const MARK = `${MARK_DIRECTORY}/ip-forward-was-off`;

/** Guests reach the internet through the host, which must forward; other forwarding of the host is its administrator's affair. */
export async function enableForwarding(logger: Logger): Promise<void> {
  if ((await readFile(SWITCH, "utf8")).trim() === "1") return;
  await mkdir(MARK_DIRECTORY, { recursive: true });
  await writeFile(MARK, "");
  await writeFile(SWITCH, "1");
  logger.info("network.forwarding_enabled", { path: SWITCH });
}

/** Puts the switch back once no installation on this machine is left that needs it. Call it after the own table is gone. */
export async function restoreForwarding(runner: Runner, logger: Logger): Promise<void> {
  const marked = await readFile(MARK).then(
    () => true,
    () => false,
  );
  if (!marked) return;
  const { stdout } = await runner(["nft", "list", "tables", "inet"], {});
  if (/^table inet wrenn_[0-9a-f]{4}$/m.test(stdout)) return;
  await writeFile(SWITCH, "0");
  await rm(MARK);
  logger.info("network.forwarding_restored", { path: SWITCH });
}
