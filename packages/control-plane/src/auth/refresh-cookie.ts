import type { FastifyReply } from "fastify";

const NAME = "wrenn_refresh";
const MAX_AGE_S = 30 * 24 * 3600;
const TOKEN = /^[0-9a-f]{64}$/;

/** Refresh tokens travel in a cookie that scripts cannot read and other sites cannot send. */
export class RefreshCookie {
  readonly #attributes: string;

  /** `secure` where the dashboard is reached over TLS. */
  constructor(secure: boolean) {
    this.#attributes = `Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
  }

  set(reply: FastifyReply, token: string): void {
    reply.header("set-cookie", `${NAME}=${token}; Max-Age=${MAX_AGE_S}; ${this.#attributes}`);
  }

  clear(reply: FastifyReply): void {
    reply.header("set-cookie", `${NAME}=; Max-Age=0; ${this.#attributes}`);
  }

  /** The token of a Cookie header, or undefined. */
  read(header: string | undefined): string | undefined {
    for (const pair of header?.split(";") ?? []) {
      const [name, value = ""] = pair.trim().split("=", 2);
      if (name === NAME && TOKEN.test(value)) return value;
    }
    return undefined;
  }
}
