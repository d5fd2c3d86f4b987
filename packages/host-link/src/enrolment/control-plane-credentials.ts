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

/** A control plane's own credentials on links to hosts, renewed until they are closed. */
export class ControlPlaneCredentials {
  readonly #deps: ControlPlaneCredentialsDeps;
  #current: LinkCredentials;
  #timer: NodeJS.Timeout;

  private constructor(deps: ControlPlaneCredentialsDeps, first: LinkCredentials) {
    this.#deps = deps;
    this.#current = first;
    this.#timer = this.#renewAfter(RENEW_MS);
  }

  /** Issues the first certificate. */
  static async issue(deps: ControlPlaneCredentialsDeps): Promise<ControlPlaneCredentials> {
    return new ControlPlaneCredentials(deps, await deps.authority.issueControlPlane());
  }

  get current(): LinkCredentials {
    return this.#current;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #renewAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => void this.#renew(), ms).unref();
  }

  async #renew(): Promise<void> {
    try {
      this.#current = await this.#deps.authority.issueControlPlane();
      this.#timer = this.#renewAfter(RENEW_MS);
    } catch (error) {
      this.#deps.logger.error("link.renewal_failed", { problem: problemOf(error) });
      this.#timer = this.#renewAfter(RETRY_MS);
    }
  }
}
