import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { Refused } from "./control-plane-client.ts";
import type { ControlPlaneClient, IssuedCredentials } from "./control-plane-client.ts";
import type { HostState } from "./host-state.ts";

const BEAT_MS = 10_000;
/** Certificate and token live seven days; both are renewed when two thirds are over. */
const RENEW_MS = (7 * 86_400_000 * 2) / 3;

export interface StayEnrolledOptions {
  readonly client: Pick<ControlPlaneClient, "heartbeat" | "refresh">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A new key, and a request for a certificate of it. */
  readonly newRequest: () => Promise<{ readonly keyPem: string; readonly csrPem: string }>;
  /** Keeps what was issued before it is used. */
  readonly renewed: (state: HostState) => Promise<void>;
  readonly beatMs?: number;
}

/**
 * Sends heartbeats and renews what the host was given, for as long as the control plane knows it. It never gives up: whatever
 * fails is tried again with the next beat.
 *
 * @returns when the host was deleted. @throws the signal's reason.
 */
export async function stayEnrolled(
  first: HostState,
  options: StayEnrolledOptions,
  signal: AbortSignal,
): Promise<"deleted"> {
  const { client, clock, logger, beatMs = BEAT_MS } = options;
  let state = first;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      if (clock.now() - state.issuedAt > RENEW_MS) state = await renew(state, options, signal);
      await client.heartbeat(state.hostId, state.token, signal);
      if (failures > 0) logger.info("host.heard_again", { failures });
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Refused && error.status === 404) return "deleted";
      failures++;
      logger.warn("host.heartbeat_failed", { failures, problem: problemOf(error) });
      // A token that is refused may have ended while this machine slept.
      if (error instanceof Refused && error.status === 401)
        state = await renew(state, options, signal).catch((renewal: unknown) => {
          logger.error("host.renewal_failed", { problem: problemOf(renewal) });
          return state;
        });
    }
    await clock.sleep(beatMs, signal);
  }
}

async function renew(
  state: HostState,
  { client, clock, newRequest, renewed, logger }: StayEnrolledOptions,
  signal: AbortSignal,
): Promise<HostState> {
  const { keyPem, csrPem } = await newRequest();
  const issued = await client.refresh(state.refreshToken, csrPem, signal);
  const next = stateOf(state.url, keyPem, issued, clock.now());
  await renewed(next);
  logger.info("host.renewed", { host: next.hostId });
  return next;
}

/** What is kept of what was issued. */
export function stateOf(url: string, keyPem: string, issued: IssuedCredentials, now: number): HostState {
  return {
    url,
    hostId: issued.host.id,
    token: issued.token,
    refreshToken: issued.refresh_token,
    keyPem,
    certPem: issued.cert_pem,
    caPem: issued.ca_cert_pem,
    issuedAt: now,
  };
}
