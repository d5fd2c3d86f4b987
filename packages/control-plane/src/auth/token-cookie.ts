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

/** 32 random bytes that a browser keeps where scripts cannot read them and other sites cannot make it send them in a form. */
export class TokenCookie {
  readonly #options: TokenCookieOptions;
  readonly #attributes: string;

  constructor(options: TokenCookieOptions) {
    const { sameSite, secure } = options;
    this.#options = options;
    this.#attributes = `Path=/; HttpOnly; SameSite=${sameSite}${secure ? "; Secure" : ""}`;
  }

  set(reply: FastifyReply, token: string): void {
    const { name, maxAgeSec } = this.#options;
    reply.header("set-cookie", `${name}=${token}; Max-Age=${maxAgeSec}; ${this.#attributes}`);
  }

  clear(reply: FastifyReply): void {
    reply.header("set-cookie", `${this.#options.name}=; Max-Age=0; ${this.#attributes}`);
  }

  /** The token of a Cookie header, or undefined. */
  read(header: string | undefined): string | undefined {
    for (const pair of header?.split(";") ?? []) {
      const [name, value = ""] = pair.trim().split("=", 2);
      if (name === this.#options.name && TOKEN.test(value)) return value;
    }
    return undefined;
  }
}
