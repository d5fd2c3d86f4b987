import { createHmac, timingSafeEqual } from "node:crypto";

type TokenKind = "envd" | "traffic";

/**
 * Access tokens of sandboxes: keyed hashes of their ids. They need no storage, and a sandbox keeps its tokens over pause and
 * resume. The key never leaves the server.
 */
export class SandboxTokens {
  readonly #key: Uint8Array;

  /** @param key - of the installation, the same after a restart. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** What `X-Access-Token` has for the agent of a sandbox (capsule UUID). Signed file addresses are derived from it too. */
  envd(capsule: string): string {
    return this.#token("envd", capsule);
  }

  /** What `e2b-traffic-access-token` has for ports of a sandbox (capsule UUID) that are not public. */
  traffic(capsule: string): string {
    return this.#token("traffic", capsule);
  }

  /** Compares in constant time. */
  isEnvd(capsule: string, given: string | undefined): boolean {
    return isSame(this.envd(capsule), given);
  }

  /** Compares in constant time. */
  isTraffic(capsule: string, given: string | undefined): boolean {
    return isSame(this.traffic(capsule), given);
  }

  #token(kind: TokenKind, capsule: string): string {
    return createHmac("sha256", this.#key).update(`${kind} ${capsule}`).digest("hex");
  }
}

function isSame(token: string, given = ""): boolean {
  const [expected, actual] = [Buffer.from(token), Buffer.from(given)];
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}
