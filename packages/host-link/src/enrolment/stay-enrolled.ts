import { DAY_MS, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { ControlPlaneRefusal } from "./control-plane-client.ts";
import type { ControlPlaneClient, IssuedCredentials, Registration } from "./control-plane-client.ts";
import type { HostState } from "./host-state.ts";

const BEAT_MS = 10_000;
/** Certificate and token live seven days; both are renewed when two thirds are over. */
const RENEW_MS = (7 * DAY_MS * 2) / 3;

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
 * Sends heartbeats and renews the host's credentials until the control plane deletes the host. Failures are retried with the
 * next beat, without a limit.
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
      // Another program at that address says 404, too; the capsules are destroyed by the control plane's word only.
      if (error instanceof ControlPlaneRefusal && error.reason === "host_not_found") return "deleted";
      failures++;
      logger.warn("host.heartbeat_failed", { failures, problem: problemOf(error) });
      // A rejected token may have expired while this machine was suspended.
      if (error instanceof ControlPlaneRefusal && error.status === 401)
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

/** Registers a host whose token an operator has passed on. @throws ControlPlaneRefusal, or WrennError `control_plane_unreachable`. */
export async function enrol(
  url: string,
  registration: Omit<Registration, "csrPem">,
  deps: Pick<StayEnrolledOptions, "newRequest" | "clock"> & {
    readonly client: Pick<ControlPlaneClient, "register">;
  },
  signal: AbortSignal,
): Promise<HostState> {
  const { keyPem, csrPem } = await deps.newRequest();
  const issued = await deps.client.register({ ...registration, csrPem }, signal);
  return stateOf(url, keyPem, issued, deps.clock.now());
}

function stateOf(url: string, keyPem: string, issued: IssuedCredentials, now: number): HostState {
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
