import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { authorityOf } from "../http/messages.ts";
import type { EdgeRequest } from "../http/messages.ts";
import type { PortTarget } from "../port-target.ts";
import type { PortAccess } from "../routing/capsule-route.ts";
import { cookieValue } from "./cookies.ts";
import { fromOwnPage } from "./same-origin.ts";
import { LINK_COOKIE, takeLinkToken, verifyLink } from "./signed-link.ts";

/** Asks the platform about credentials; each answers whether it may use ports of the capsule. */
export interface CredentialChecks {
  apiKey(key: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
  /** The token of `Authorization: Bearer`; false for a token that is not the platform's. */
  bearer(token: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
  /** The value of the session cookie. */
  session(cookie: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
}

/** How the request came in, as far as it matters for access. */
export interface AccessRequest {
  readonly request: EdgeRequest;
  readonly target: PortTarget;
  readonly access: PortAccess;
  readonly url: string;
  /** In the path form the service shares its origin with others, so a session does not count. */
  readonly ownOrigin: boolean;
  readonly signal: AbortSignal;
}

export interface Admission {
  /** Raw request target without our token. */
  readonly url: string;
  readonly dropAuthorization: boolean;
  /** A link was followed: its token becomes a cookie until then (ms since the epoch). */
  readonly link: { readonly token: string; readonly expiresAt: number } | undefined;
}

/** Decides who may use a port. */
export class AccessControl {
  readonly #checks: CredentialChecks;
  readonly #linkKey: Uint8Array;
  readonly #sessionCookie: string;
  readonly #clock: Clock;

  constructor(checks: CredentialChecks, linkKey: Uint8Array, sessionCookie: string, clock: Clock) {
    this.#checks = checks;
    this.#linkKey = linkKey;
    this.#sessionCookie = sessionCookie;
    this.#clock = clock;
  }

  /** @throws WrennError `port_private`. */
  async admit(asked: AccessRequest): Promise<Admission> {
    const { url, token } = takeLinkToken(asked.url);
    const expiresAt = token === undefined ? undefined : this.#linkEnd(asked.target, token);
    const link = token === undefined || expiresAt === undefined ? undefined : { token, expiresAt };
    // A bearer token may be the service's own; only one that the platform knows is kept from it.
    const bearer = await this.#bearer(asked);
    const admission = { url, dropAuthorization: bearer, link };
    if (asked.access === "public" || link || bearer) return admission;
    if ((await this.#apiKey(asked)) || (await this.#cookies(asked))) return admission;
    throw new WrennError("port_private", { port: asked.target.port });
  }

  async #bearer({ request, target, signal }: AccessRequest): Promise<boolean> {
    const match = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "");
    return match ? this.#checks.bearer(match[1] ?? "", target.capsuleId, signal) : false;
  }

  async #apiKey({ request, target, signal }: AccessRequest): Promise<boolean> {
    const key = request.headers["x-api-key"];
    return typeof key === "string" && key !== "" && this.#checks.apiKey(key, target.capsuleId, signal);
  }

  /** A browser sends cookies by itself, also when another site asks; these requests are not admitted. */
  async #cookies({ request, target, ownOrigin, signal }: AccessRequest): Promise<boolean> {
    const header = request.headers.cookie ?? "";
    if (header === "" || !fromOwnPage(request, authorityOf(request))) return false;
    const token = cookieValue(header, LINK_COOKIE);
    if (token !== undefined && this.#linkEnd(target, token) !== undefined) return true;
    const session = ownOrigin ? cookieValue(header, this.#sessionCookie) : undefined;
    return session !== undefined && this.#checks.session(session, target.capsuleId, signal);
  }

  #linkEnd(target: PortTarget, token: string): number | undefined {
    return verifyLink(this.#linkKey, target, token, this.#clock.now());
  }
}
