import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { LinkCredentials } from "../host-authority.ts";
import type { HostAuthority } from "../host-authority.ts";

/** The certificate lives for a day. It is renewed after half of it, or as soon as renewing succeeds again. */
const RENEW_MS = 12 * 3_600_000;
const RETRY_MS = 60_000;

export interface ControlPlaneCredentialsDeps {
  readonly authority: Pick<HostAuthority, "issueControlPlane">;
  readonly logger: Logger;
}

/**
 * A control plane's own credentials on links to hosts, renewed until they are closed. The first ones are issued when a link needs them:
 * most control planes have no hosts elsewhere.
 */
export class ControlPlaneCredentials {
  readonly #deps: ControlPlaneCredentialsDeps;
  #current: Promise<LinkCredentials> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(deps: ControlPlaneCredentialsDeps) {
    this.#deps = deps;
  }

  /** @throws Error when they cannot be issued; the next call issues them again. */
  async current(): Promise<LinkCredentials> {
    this.#current ??= this.#issue();
    return await this.#current;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #issue(): Promise<LinkCredentials> {
    try {
      const first = await this.#deps.authority.issueControlPlane();
      this.#renewAfter(RENEW_MS);
      return first;
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
  }

  #renewAfter(ms: number): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#renew(), ms).unref();
  }

  async #renew(): Promise<void> {
    try {
      this.#current = Promise.resolve(await this.#deps.authority.issueControlPlane());
      this.#renewAfter(RENEW_MS);
    } catch (error) {
      this.#deps.logger.error("link.renewal_failed", { problem: problemOf(error) });
      this.#renewAfter(RETRY_MS);
    }
  }
}
