import { randomHex } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleSpec } from "@wrenn/protocol";

const ENTROPY_BYTES = 256;

/**
 * Makes a restored machine a machine of its own before anything is served from it: clock stepped, kernel RNG reseeded from the host,
 * hostname and machine-id renewed where it becomes another, restore hooks run (architecture §5). A failure fails the restore.
 */
export async function renewIdentity(
  guest: GuestLink,
  {
    spec,
    restoreCount,
    anew,
  }: {
    readonly spec: CapsuleSpec;
    readonly restoreCount: number;
    /** The guest becomes somebody else; otherwise it keeps its name and machine id. */
    readonly anew: boolean;
  },
  source: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
): Promise<void> {
  await guest.configure(
    {
      wallClockNs: BigInt(Math.round(source.clock.now() * 1e6)),
      entropy: source.random.bytes(ENTROPY_BYTES),
      ...(anew ? { hostname: spec.id, machineId: randomHex(source.random, 16) } : {}),
      restoreCount: BigInt(restoreCount),
      runHooks: true,
      environment: {
        WRENN_SANDBOX: "true",
        WRENN_SANDBOX_ID: spec.id,
        WRENN_TEMPLATE: spec.template,
        ...spec.envs,
      },
    },
    signal,
  );
}
