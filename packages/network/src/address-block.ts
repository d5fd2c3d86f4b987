import { WrennError } from "@wrenn/core";
import { overlaps, parseNetwork } from "./cidr.ts";
import { blockCidr } from "./naming.ts";
import type { Runner } from "./runner.ts";

/** Slots are in 10.11.0.0/16 (docs/reference/hosts.md#network); further installations on the machine move upwards. */
const FIRST_BLOCK = 11;
const LAST_BLOCK = 250;

/**
 * Takes a /16 that nothing else on this machine routes. The claim is a blackhole route, which the kernel gives to one taker only and which
 * keeps packets for slots that do not exist from leaving by the default route.
 *
 * @throws WrennError `host_full` when every block is in use.
 */
export async function claimBlock(runner: Runner, signal: AbortSignal): Promise<number> {
  const taken = await routedNetworks(runner, signal);
  for (let block = FIRST_BLOCK; block <= LAST_BLOCK; block += 1) {
    const network = parseNetwork(blockCidr(block), "block");
    if (taken.some((other) => overlaps(network, other))) continue;
    if (await addBlackhole(block, runner, signal)) return block;
  }
  throw new WrennError("host_full", { resource: "address blocks in 10.0.0.0/8" });
}

/** Makes sure that the claim on a block of an earlier run still stands, for instance after a reboot. */
export async function renewClaim(block: number, runner: Runner, signal: AbortSignal): Promise<void> {
  await runner(["ip", "route", "replace", "blackhole", blockCidr(block)], { signal });
}

/** Gives the block back. */
export async function releaseBlock(block: number, runner: Runner): Promise<void> {
  await runner(["ip", "route", "del", "blackhole", blockCidr(block)], {});
}

async function addBlackhole(block: number, runner: Runner, signal: AbortSignal): Promise<boolean> {
  try {
    await runner(["ip", "route", "add", "blackhole", blockCidr(block)], { signal });
    return true;
  } catch (error) {
    // Another installation was faster; any other problem is not ours to pass over.
    if (error instanceof WrennError && String(error.context["problem"]).includes("File exists")) return false;
    throw error;
  }
}

async function routedNetworks(runner: Runner, signal: AbortSignal) {
  const { stdout } = await runner(["ip", "-4", "-json", "route", "show", "table", "all"], { signal });
  const routes = JSON.parse(stdout) as readonly { readonly dst?: string }[];
  return routes
    .map((route) => route.dst ?? "default")
    .filter((destination) => destination !== "default" && !destination.startsWith("0.0.0.0/0"))
    .map((destination) => parseNetwork(destination, "route"));
}
