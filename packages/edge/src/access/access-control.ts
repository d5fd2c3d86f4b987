import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { protocolOf } from "../http/messages.ts";
import type { EdgeRequest } from "../http/messages.ts";
import type { PortTarget } from "../port-target.ts";
import type { PortAccess } from "../routing/capsule-route.ts";
import { cookieName, cookieValues } from "./cookies.ts";
import { fromOwnPage } from "./own-page.ts";
import {
  HOP_COOKIE,
  SESSION_COOKIE,
  signSession,
  TICKET_PARAMETER,
  verifySession,
  verifyTicket,
} from "./port-session.ts";
import { LINK_COOKIE, LINK_PARAMETER, verifyLink } from "./signed-link.ts";
import { takeParameter } from "./token-parameters.ts";

/** Asks the platform about credentials; each answers whether it may use ports of the capsule. */
export interface CredentialChecks {
  apiKey(key: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
  /** The token of `Authorization: Bearer`; false for a token that is not the platform's. */
  bearer(token: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
  /** A login, by its UUID: whether it still lives and its user belongs to the capsule's team. */
  session(sessionId: string, capsuleId: string, signal: AbortSignal): Promise<boolean>;
}

/** How the request came in, as far as it matters for access. */
export interface AccessRequest {
  readonly request: EdgeRequest;
  readonly target: PortTarget;
  readonly access: PortAccess;
  readonly url: string;
  /** Of the path form, in which the service shares its origin with others, so that a session does not count; else empty. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

export interface Admission {
  /** Raw request target without our tokens. */
  readonly url: string;
  readonly dropAuthorization: boolean;
  /** The browser added the credential by itself: no page of another origin may show the answer in a frame. */
  readonly byCookie: boolean;
  /** A link was followed, or a ticket shown: the browser keeps this until then (ms since the epoch). */
  readonly cookie: { readonly name: string; readonly token: string; readonly expiresAt: number } | undefined;
}

/** Decides who may use a port. */
export class AccessControl {
  readonly #checks: CredentialChecks;
  readonly #key: Uint8Array;
  readonly #clock: Clock;

  /** @param key - signs links, tickets and sessions of ports. */
  constructor(checks: CredentialChecks, key: Uint8Array, clock: Clock) {
    this.#checks = checks;
    this.#key = key;
    this.#clock = clock;
  }

  /** @throws WrennError `port_private`. */
  async admit(asked: AccessRequest): Promise<Admission> {
    const link = takeParameter(asked.url, LINK_PARAMETER);
    const ticket = takeParameter(link.url, TICKET_PARAMETER);
    const cookie = this.#followedLink(asked, link.value) ?? (await this.#shownTicket(asked, ticket.value));
    // A bearer token may be the service's own; only one that the platform knows is kept from it.
    const bearer = await this.#bearer(asked);
    const admission = { url: ticket.url, dropAuthorization: bearer, cookie, byCookie: false };
    if (asked.access === "public" || cookie || bearer) return admission;
    if (await this.#apiKey(asked)) return admission;
    if (await this.#cookies(asked)) return { ...admission, byCookie: true };
    throw new WrennError("port_private", { port: asked.target.port });
  }

  #followedLink(asked: AccessRequest, token: string | undefined): Admission["cookie"] {
    const expiresAt = token === undefined ? undefined : this.#linkEnd(asked.target, token);
    if (token === undefined || expiresAt === undefined) return undefined;
    return { name: this.#name(asked, LINK_COOKIE), token, expiresAt };
  }

  async #shownTicket(asked: AccessRequest, ticket: string | undefined): Promise<Admission["cookie"]> {
    const { request, target, prefix, signal } = asked;
    if (ticket === undefined || prefix !== "") return undefined;
    const now = this.#clock.now();
    const hops = cookieValues(request.headers.cookie ?? "", this.#name(asked, HOP_COOKIE));
    const sessionId = verifyTicket(this.#key, target, ticket, hops, now);
    if (sessionId === undefined) return undefined;
    if (!(await this.#checks.session(sessionId, target.capsuleId, signal))) return undefined;
    return { name: this.#name(asked, SESSION_COOKIE), ...signSession(this.#key, target, sessionId, now) };
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
  async #cookies(asked: AccessRequest): Promise<boolean> {
    const { request, target, prefix, signal } = asked;
    const header = request.headers.cookie ?? "";
    if (header === "" || !fromOwnPage(request)) return false;
    const links = cookieValues(header, this.#name(asked, LINK_COOKIE));
    if (links.some((token) => this.#linkEnd(target, token) !== undefined)) return true;
    if (prefix !== "") return false;
    for (const token of cookieValues(header, this.#name(asked, SESSION_COOKIE))) {
      const sessionId = verifySession(this.#key, target, token, this.#clock.now());
      if (sessionId === undefined) continue;
      if (await this.#checks.session(sessionId, target.capsuleId, signal)) return true;
    }
    return false;
  }

  #linkEnd(target: PortTarget, token: string): number | undefined {
    return verifyLink(this.#key, target, token, this.#clock.now());
  }

  #name({ request, prefix }: AccessRequest, base: string): string {
    return cookieName(base, protocolOf(request), prefix);
  }
}
