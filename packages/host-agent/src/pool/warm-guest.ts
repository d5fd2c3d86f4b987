import { withDeadline, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import { GUEST_ANSWER_MS, whileAlive } from "../machines/running-machine.ts";
import type { HeldMachine } from "../machines/held-machine.ts";
import { placeholderIdentity } from "../templates/placeholder-identity.ts";
import type { RequestActivity } from "./request-activity.ts";

/** As much as a capsule gets. */
const ENTROPY_BYTES = 256;
/** The second run finds what the first one translated, and translates what runs from then on. */
const SHELLS = 2;
/** What the kernel of the guest puts off after a process: better now than in the first request of a user. */
const SETTLE_MS = 500;

export interface WarmGuestDeps {
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly random: Random;
  readonly activity: Pick<RequestActivity, "pause">;
}

/**
 * Takes a guest through what its capsule does first, so that an emulator has translated it and the guest's kernel has its pages: the
 * guest gets an identity, a shell runs, and it is measured. The identity is that of the frozen template, which the capsule's replaces; the processes
 * are forgotten. Requests that begin meanwhile go first.
 *
 * @throws WrennError `operation_failed` when the shell fails.
 */
export async function warmGuest(
  machine: HeldMachine,
  guest: GuestLink,
  { clock, random, activity }: WarmGuestDeps,
  signal: AbortSignal,
): Promise<void> {
  const step = async (work: (inner: AbortSignal) => Promise<void>): Promise<void> => {
    await activity.pause(signal);
    await whileAlive(machine, withDeadline("warming up a waiting machine", GUEST_ANSWER_MS, signal, work));
  };
  await step(async (inner) => {
    await guest.configure(
      {
        ...placeholderIdentity,
        wallClockNs: BigInt(Math.round(clock.now() * 1e6)),
        entropy: random.bytes(ENTROPY_BYTES),
      },
      inner,
    );
  });
  for (let run = 0; run < SHELLS; run++) await step((inner) => runShell(guest, inner));
  await step(async (inner) => void (await guest.counters(inner)));
  await step((inner) => guest.forgetProcesses(inner));
  await clock.sleep(SETTLE_MS, signal);
}

async function runShell(guest: GuestLink, signal: AbortSignal): Promise<void> {
  const shell = await guest.processes.start(
    { cmd: "sh", args: ["-c", "true"], envs: {}, stdin: false, output: "attached" },
    signal,
  );
  const { exitCode } = await shell.wait(signal);
  if (exitCode === 0) return;
  throw new WrennError("operation_failed", {
    operation: "warming up a waiting machine",
    problem: `exit code ${exitCode}`,
  });
}
