import { randomHex } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleSpec } from "@wrenn/protocol";

const ENTROPY_BYTES = 256;

/**
 * Gives a restored machine the identity of its capsule before anything is served from it: its clock is stepped, its kernel
 * RNG is reseeded from the host, hostname and machine id are renewed in a new capsule, and restore hooks run. A failure fails
 * the restore.
 */
export async function renewIdentity(
  guest: GuestLink,
  {
    spec,
    restoreCount,
    newIdentity,
  }: {
    readonly spec: CapsuleSpec;
    readonly restoreCount: number;
    /** The guest gets a new name and a new machine id; otherwise it keeps them. */
    readonly newIdentity: boolean;
  },
  deps: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
): Promise<void> {
  await guest.configure(
    {
      wallClockNs: BigInt(Math.round(deps.clock.now() * 1e6)),
      entropy: deps.random.bytes(ENTROPY_BYTES),
      ...(newIdentity ? { hostname: spec.id, machineId: randomHex(deps.random, 16) } : {}),
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
