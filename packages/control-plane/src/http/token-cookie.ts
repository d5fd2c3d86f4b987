import type { FastifyReply } from "fastify";

const TOKEN = /^[0-9a-f]{64}$/;

export interface TokenCookieOptions {
  readonly name: string;
  readonly maxAgeSec: number;
  /** `Strict` cookies do not come along when another site leads here. */
  readonly sameSite: "Strict" | "Lax";
  /** Where the dashboard is reached over TLS. */
  readonly secure: boolean;
}

/**
 * 32 random bytes that a browser keeps where scripts cannot read them and other sites cannot make it send them in a form. Over TLS the name
 * begins with `__Host-`: browsers take it from this very host only, not from a page of a capsule below the domain (RFC 6265bis
 * §4.1.3.2).
 */
export class TokenCookie {
  readonly #name: string;
  readonly #maxAgeSec: number;
  readonly #attributes: string;
  /** Whether only this host can have set the cookie; without TLS a page of a capsule below the domain can set it, too. */
  readonly isHostBound: boolean;

  constructor(options: TokenCookieOptions) {
    const { name, maxAgeSec, sameSite, secure } = options;
    this.#name = secure ? `__Host-${name}` : name;
    this.isHostBound = secure;
    this.#maxAgeSec = maxAgeSec;
    this.#attributes = `Path=/; HttpOnly; SameSite=${sameSite}${secure ? "; Secure" : ""}`;
  }

  set(reply: FastifyReply, token: string): void {
    reply.header("set-cookie", `${this.#name}=${token}; Max-Age=${this.#maxAgeSec}; ${this.#attributes}`);
  }

  clear(reply: FastifyReply): void {
    reply.header("set-cookie", `${this.#name}=; Max-Age=0; ${this.#attributes}`);
  }

  /** The token of a Cookie header, or undefined. */
  read(header: string | undefined): string | undefined {
    for (const pair of header?.split(";") ?? []) {
      const [name, value = ""] = pair.trim().split("=", 2);
      if (name === this.#name && TOKEN.test(value)) return value;
    }
    return undefined;
  }
}
