import type { Clock, Logger, Random } from "@wrenn/core";
import type { CredentialChecks } from "./access/port-grant.ts";
import type { PortGrant } from "./access/port-grant.ts";
import type { CredentialAttempts } from "./access/credential-attempts.ts";
import type { SignInAddress } from "./access/sign-in.ts";
import type { ExchangeLimits } from "./http/exchange.ts";
import type { EdgeRequest } from "./http/messages.ts";
import { defaultListenerLimits } from "./listener/listener-limits.ts";
import type { CapsuleRoutes } from "./routing/capsule-route.ts";

export interface EdgeOptions {
  /** Names under which `{port}-{capsule id}` is served, without leading dot; lower case. */
  readonly domains: readonly string[];
  readonly capsules: CapsuleRoutes;
  readonly credentials: CredentialChecks;
  /** Signs links and sessions of ports, at least 32 bytes; they end when it changes. */
  readonly linkKey: Uint8Array;
  /** Where a person who may not (yet) use a private port is sent to; without it they are refused. */
  readonly signIn?: SignInAddress;
  /**
   * Host name that serves `/proxy/{id}/{port}/…` and nothing else; no other name does. Services share its origin with each
   * other, so it must be none on which the platform has cookies. Lower case, without port.
   */
  readonly pathHost?: string | undefined;
  /** Ports that are never forwarded, beside 49983, the envd port of clients. */
  readonly reservedPorts?: readonly number[];
  /** Called at most once a second and capsule while bytes move, and when a connection begins and ends. */
  readonly onActivity?: (capsuleId: string) => void;
  /** Counts credentials that are tried; without it they are not limited. */
  readonly attempts?: CredentialAttempts;
  /** A request whose client showed good credentials of the owner of its capsule. @throws WrennError `connections_full`. */
  readonly onAuthenticated?: (request: EdgeRequest, owner: string, grant: PortGrant) => void | Promise<void>;
  /** Called when the first connection to a capsule begins, and when the last one has ended. */
  readonly onUse?: (capsuleId: string, isInUse: boolean) => void;
  readonly limits?: Partial<EdgeLimits>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface EdgeLimits extends ExchangeLimits {
  /** For how long a connection that is refused is tried again before the client is told, in ms. */
  readonly waitForPortMs: number;
  /** Longest wait for a capsule that is being woken, in ms. */
  readonly resumeMs: number;
}

export const defaultLimits: EdgeLimits = {
  connectMs: 5000,
  waitForPortMs: 1500,
  resumeMs: 30_000,
  responseMs: 600_000,
  idleMs: 600_000,
  upgradedIdleMs: 3_600_000,
  headBytes: defaultListenerLimits.headerBytes,
};

/** The port of envd, which clients of other platforms know; the host agent answers it, no guest does. */
export const ENVD_PORT = 49_983;

/** Ports that are never forwarded. */
export function reservedPorts(options: Pick<EdgeOptions, "reservedPorts">): ReadonlySet<number> {
  return new Set([ENVD_PORT, ...(options.reservedPorts ?? [])]);
}
