import { WrennError } from "@wrenn/core";
import type { CredentialChecks, PortGrant } from "@wrenn/edge";

export const goodKey = "wrn_0123456789abcdef0123456789abcdef";
/** UUID of a login. */
export const goodSession = "0190b1c2-0000-7000-8000-000000000001";
export const goodToken = "platform-token";
export const goodLink = "link-1";

/** The platform's side of access: credentials that are good, and connections that rest on them. */
export class TestGrants {
  readonly #held = new Map<string, Set<(reason: unknown) => void>>();
  /** Access that has ended. */
  readonly #ended = new Set<string>();

  readonly checks: CredentialChecks = {
    apiKey: async (key) => this.#grant("key", key === goodKey),
    bearer: async (token) => this.#grant("bearer", token === goodToken),
    session: async (id) => this.#grant("session", id === goodSession),
    link: async (id) => this.#grant("link", id === goodLink),
    publicPort: () => this.#grantOf("public"),
  };

  /** Ends access of one kind: new requests are refused, and what rests on it is notified. */
  end(kind: string): void {
    this.#ended.add(kind);
    for (const onEnd of this.#held.get(kind) ?? []) onEnd(new WrennError("access_ended", {}));
  }

  /** Lets credentials of one kind in again. */
  restore(kind: string): void {
    this.#ended.delete(kind);
  }

  /** How many requests and connections rest on it. */
  count(kind: string): number {
    return this.#held.get(kind)?.size ?? 0;
  }

  #grant(kind: string, good: boolean): PortGrant | undefined {
    return good && !this.#ended.has(kind) ? this.#grantOf(kind) : undefined;
  }

  #grantOf(kind: string): PortGrant {
    return {
      hold: (onEnd) => {
        const held = this.#held.get(kind) ?? new Set();
        this.#held.set(kind, held.add(onEnd));
        return () => void held.delete(onEnd);
      },
    };
  }
}
