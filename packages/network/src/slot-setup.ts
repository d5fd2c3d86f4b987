import { problemOf, WrennError } from "@wrenn/core";
import type { Destinations } from "./destinations.ts";
import { hostGateway, linkName, namespaceName } from "./naming.ts";
import type { Instance } from "./naming.ts";
import type { Runner } from "./runner.ts";
import { compileLimits } from "./slot-limits.ts";
import type { SlotLimits } from "./slot-limits.ts";
import { compileSlotRules } from "./slot-rules.ts";
import { GATEWAY_MAC } from "./slot.ts";
import type { Slot } from "./slot.ts";

/** See docs/reference/hosts.md#network. */
const TX_QUEUE_LENGTH = 5000;

const SYSCTLS: readonly string[] = [
  "net.ipv6.conf.all.disable_ipv6=1",
  "net.ipv6.conf.default.disable_ipv6=1",
  "net.ipv6.conf.all.forwarding=0",
  "net.ipv6.conf.all.accept_ra=0",
  "net.ipv4.conf.all.rp_filter=1",
  "net.ipv4.conf.all.accept_redirects=0",
  "net.ipv4.conf.all.send_redirects=0",
  "net.ipv4.conf.all.arp_ignore=1",
  "net.ipv4.conf.all.arp_announce=2",
  "net.ipv4.ip_forward=1",
];

/** What all slots are made with. */
export interface SlotSetup {
  readonly limits: SlotLimits;
  readonly destinations: Pick<Destinations, "opened">;
}

/** The set-up of a slot ended before it made anything. */
export class NothingMade extends Error {
  constructor(cause: unknown) {
    super(problemOf(cause), { cause });
  }
}

/**
 * Makes a slot in the kernel: namespace, veth pair, persistent TAP, rules. Forwarding starts only once the rules stand. One program
 * starts the others: starting a program from a process as large as this one holds up the event loop for milliseconds.
 * After a failure the caller, who reserved the number, removes what was made with {@link tearDownSlot}.
 *
 * @throws WrennError `command_failed` naming the slot and what the kernel reported; {@link NothingMade} with it as its cause when
 * the kernel refused the namespace, for instance because its name was taken: then there is nothing to remove.
 */
export async function setUpSlot(
  instance: Instance,
  slot: Slot,
  { limits, destinations }: SlotSetup,
  plainRunner: Runner,
  signal: AbortSignal,
): Promise<void> {
  const namespace = namespaceName(instance.id, slot.number);
  const link = linkName(instance.id, slot.number);
  const gateway = hostGateway(instance);
  const runner = namingSlot(slot, plainRunner);
  const inside = (program: string): string => `netns exec ${namespace} ${program}`;
  const [rules, links, limited] = ["/dev/fd/3", "/dev/fd/4", "/dev/fd/5"];
  try {
    await runner(["ip", "-batch", "-"], {
      signal,
      input: lines([
        `netns add ${namespace}`,
        `link add ${link} type veth peer name eth0 netns ${namespace}`,
        `addr add ${gateway} peer ${slot.hostAddress}/32 dev ${link}`,
        `link set ${link} addrgenmode none up`,
        inside(`nft -f ${rules}`),
        inside(`ip -batch ${links}`),
        inside(`tc -batch ${limited}`),
        inside(`sysctl -q -w ${SYSCTLS.join(" ")}`),
      ]),
      files: [
        compileSlotRules(instance, slot, limits, destinations),
        lines([
          "link set lo up",
          // Not a peer address: with arp_ignore=1 the kernel would not answer for one.
          `addr add ${slot.hostAddress}/32 dev eth0`,
          "link set eth0 up",
          `route add ${gateway} dev eth0`,
          `route add default via ${gateway}`,
          `tuntap add dev ${slot.tap} mode tap user ${slot.uid} group ${slot.uid}`,
          `addr add ${slot.gateway}/30 dev ${slot.tap}`,
          `link set ${slot.tap} address ${GATEWAY_MAC}`,
          `link set ${slot.tap} txqueuelen ${TX_QUEUE_LENGTH} up`,
        ]),
        compileLimits(limits, [slot.tap, "eth0"]),
      ],
    });
  } catch (error) {
    throw failedAtFirstLine(error) ? new NothingMade(error) : error;
  }
}

function failedAtFirstLine(error: unknown): boolean {
  return (
    WrennError.is(error, "command_failed") && String(error.context["problem"]).endsWith("Command failed -:1")
  );
}

/** A runner whose errors name the slot that was being set up. */
function namingSlot({ number }: Slot, runner: Runner): Runner {
  return async (argv, options) => {
    try {
      return await runner(argv, options);
    } catch (error) {
      if (!WrennError.is(error, "command_failed")) throw error;
      const command = `setting up network slot ${number}: ${argv.join(" ").slice(0, 80)}`;
      throw new WrennError(
        "command_failed",
        { command, problem: String(error.context["problem"]) },
        { cause: error },
      );
    }
  };
}

/** Removes whatever of the slot exists. Idempotent. A process that still lives in the namespace loses its way out at once. */
export async function tearDownSlot(instance: Instance, number: number, runner: Runner): Promise<void> {
  // -force: go on after the line whose object is already gone; what is left is judged by looking, not by the exit code.
  await runner(["ip", "-force", "-batch", "-"], {
    input: lines([
      `link del ${linkName(instance.id, number)}`,
      `netns del ${namespaceName(instance.id, number)}`,
    ]),
  }).catch(() => {});
}

/** Runs one nftables transaction in a live slot's namespace. */
export async function changeRules(
  instance: Instance,
  slot: Slot,
  rules: string,
  runner: Runner,
  signal: AbortSignal,
): Promise<void> {
  const namespace = namespaceName(instance.id, slot.number);
  await runner(["ip", "netns", "exec", namespace, "nft", "-f", "-"], { signal, input: rules });
}

function lines(commands: readonly string[]): string {
  return `${commands.join("\n")}\n`;
}
