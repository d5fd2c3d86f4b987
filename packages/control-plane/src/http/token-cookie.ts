import type { FastifyReply, FastifyRequest } from "fastify";

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

  /** The token of a Cookie header; undefined where there is none, or where there are several, of which nobody knows the right one. */
  read(header: string | undefined): string | undefined {
    const values = this.#valuesIn(header);
    return values.length === 1 ? values[0] : undefined;
  }

  /**
   * The same. Where there are several, pages of capsules have planted some, for all hosts of the domain: those are taken out of the
   * browser, so that the next request has ours alone.
   */
  readAndClean({ headers, url }: FastifyRequest, reply: FastifyReply): string | undefined {
    if (this.#valuesIn(headers.cookie).length > 1)
      for (const domain of domainsOf(headers.host))
        for (const path of pathsOf(url))
          reply.header("set-cookie", `${this.#name}=; Max-Age=0; Domain=${domain}; Path=${path}`);
    return this.read(headers.cookie);
  }

  #valuesIn(header: string | undefined): readonly string[] {
    const pairs = (header?.split(";") ?? []).map((pair) => pair.trim().split("=", 2));
    const values = pairs.flatMap(([name, value = ""]) =>
      name === this.#name && TOKEN.test(value) ? [value] : [],
    );
    return [...new Set(values)];
  }
}

/** Domains of which a host gets cookies: itself and those above it. */
function domainsOf(host = ""): readonly string[] {
  const labels = host.replace(/:\d*$/, "").split(".");
  const names = labels.map((_label, at) => labels.slice(at).join("."));
  return names.filter((name, at) => /^[a-z0-9.-]+$/i.test(name) && (at === 0 || name.includes(".")));
}

/** Paths of which a request gets cookies: its own and those above it, with a slash at the end and without. */
function pathsOf(url: string): readonly string[] {
  const parts = url
    .replace(/[?#].*$/, "")
    .split("/")
    .slice(1);
  const above = parts.map((_part, at) => `/${parts.slice(0, at + 1).join("/")}`);
  return ["/", ...above.flatMap((path) => [path, `${path}/`])];
}
