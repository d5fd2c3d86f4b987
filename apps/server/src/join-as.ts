import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { ControlPlaneRefusal } from "@wrenn/host-link";
import type { HostState } from "@wrenn/host-link";

const REASON = "host_joined_as_other";

/** What a machine has to be a host with. */
export interface JoinMeans {
  /** What it was given when it joined; undefined at the first start. */
  readonly known: HostState | undefined;
  readonly url: string;
  readonly token: string | undefined;
}

/**
 * The host that this machine is from now on. It never becomes another one: its capsules are placed on the host that it is, and a
 * control plane has a host destroy capsules that are placed elsewhere.
 *
 * @throws WrennError `join_incomplete` for a machine that has not joined and has no token, `host_joined_as_other` for a token of another
 * host, for a machine that has not joined whatever `register` throws, and what it throws when the signal aborts it.
 */
export async function joinAs(
  { known, url, token }: JoinMeans,
  logger: Logger,
  register: (token: string) => Promise<HostState>,
  signal: AbortSignal,
): Promise<HostState> {
  if (!known) {
    if (token === undefined) throw new WrennError("join_incomplete", {});
    return await register(token);
  }
  if (token === undefined) return { ...known, url };
  let registered: HostState;
  try {
    registered = await register(token);
  } catch (error) {
    if (signal.aborted) throw error;
    const isOther = error instanceof ControlPlaneRefusal && error.reason === REASON;
    if (isOther) throw new WrennError(REASON, { host: known.hostId }, { cause: error });
    // A command line that is used at each start has the token that was used up at the first.
    logger.info("host.not_registered_again", { problem: problemOf(error) });
    return { ...known, url };
  }
  // A control plane of an earlier release does not compare them.
  if (registered.hostId !== known.hostId) throw new WrennError(REASON, { host: known.hostId });
  return registered;
}
