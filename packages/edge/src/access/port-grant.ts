import type { PortTarget } from "../port-target.ts";

/** Access to a port that the platform granted to one request. */
export interface PortGrant {
  /**
   * Watches the access while the request or its connection lasts: `onEnd` is called once when it ends.
   *
   * @returns ends the watch; more calls do nothing.
   */
  hold(onEnd: (reason: unknown) => void): () => void;
}

/** Asks the platform about credentials; each answers with the access that they give to the capsule, or undefined. */
export interface CredentialChecks {
  apiKey(key: string, capsuleId: string, signal: AbortSignal): Promise<PortGrant | undefined>;
  /** The token of `Authorization: Bearer`; undefined for a token that is not the platform's. */
  bearer(token: string, capsuleId: string, signal: AbortSignal): Promise<PortGrant | undefined>;
  /** A login, by its UUID: whether it still lives and its user belongs to the capsule's team. */
  session(sessionId: string, capsuleId: string, signal: AbortSignal): Promise<PortGrant | undefined>;
  /** A signed link, by its id: whether it was made for this port and has neither ended nor been revoked. */
  link(linkId: string, target: PortTarget, signal: AbortSignal): Promise<PortGrant | undefined>;
  /** The access of everyone to a public port. */
  publicPort(target: PortTarget): PortGrant;
}
