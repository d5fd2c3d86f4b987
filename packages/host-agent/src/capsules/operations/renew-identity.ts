import { defined, problemOf, randomHex, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleSpec } from "@wrenn/protocol";

const ENTROPY_BYTES = 256;
const LOGGED_CHARACTERS = 500;
/** How agents of earlier versions refused everything when a file of a user could not be written. */
const NAME_REFUSED = /^cannot (set the hostname|write \/etc\/machine-id)$/;

type Configuration = Parameters<GuestLink["configure"]>[0];

export interface RenewIdentityDeps {
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Gives a restored machine the identity of its capsule before anything is served from it: its kernel RNG is reseeded from the
 * host, hostname and machine id are renewed in a new capsule, and restore hooks run. A failure fails the restore. Files that
 * cannot be written, because a user made something else of them, are logged.
 */
export async function renewIdentity(
  guest: Pick<GuestLink, "configure">,
  {
    spec,
    restoreCount,
    newIdentity,
    booted = false,
  }: {
    readonly spec: CapsuleSpec;
    readonly restoreCount: number;
    /** The guest gets a new name and a new machine id; otherwise it keeps them. */
    readonly newIdentity: boolean;
    /** The guest has just been booted: its machine id is on its disk, and its name is not. */
    readonly booted?: boolean;
  },
  { random, logger }: RenewIdentityDeps,
  signal: AbortSignal,
): Promise<void> {
  const warn = (warnings: readonly string[]): void => {
    // Made in the guest, whose users may have had a hand in it.
    const problem = JSON.stringify(warnings).slice(0, LOGGED_CHARACTERS);
    if (warnings.length > 0) logger.warn("capsule.names_not_written", { capsule: spec.id, problem });
  };
  const settings: Configuration = {
    entropy: random.bytes(ENTROPY_BYTES),
    restoreCount: BigInt(restoreCount),
    runHooks: true,
    environment: {
      ...spec.envs,
      // Last: programs rely on it, and a template may have been made with the environment of a capsule.
      WRENN_SANDBOX: "true",
      WRENN_SANDBOX_ID: spec.id,
      WRENN_TEMPLATE: spec.templateName ?? spec.template,
      // Restore hooks start by this user and in this directory.
      ...defined({ WRENN_DEFAULT_USER: spec.user, WRENN_DEFAULT_CWD: spec.cwd }),
    },
  };
  const names: Configuration = {
    ...(newIdentity || booted ? { hostname: spec.id } : {}),
    ...(newIdentity ? { machineId: randomHex(random, 16) } : {}),
  };
  try {
    warn(await guest.configure({ ...settings, ...names }, signal));
  } catch (error) {
    if (!isNameRefusal(error)) throw error;
    warn(await renewNames(guest, names, signal));
    warn(await guest.configure(settings, signal));
  }
}

/** One name after the other, so that a file that cannot be written keeps the others from nothing. Returns what was refused. */
async function renewNames(
  guest: Pick<GuestLink, "configure">,
  { hostname, machineId }: Configuration,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const refused: string[] = [];
  const parts: readonly Configuration[] = [defined({ hostname }), defined({ machineId })];
  for (const name of parts) {
    try {
      await guest.configure(name, signal);
    } catch (error) {
      if (!isNameRefusal(error)) throw error;
      refused.push(problemOf(error));
    }
  }
  return refused;
}

function isNameRefusal(error: unknown): boolean {
  return (
    WrennError.is(error, "operation_failed") && NAME_REFUSED.test(String(error.context["problem"] ?? ""))
  );
}
