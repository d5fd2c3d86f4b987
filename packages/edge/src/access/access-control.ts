import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { protocolOf } from "../http/messages.ts";
import type { EdgeRequest } from "../http/messages.ts";
import type { PortTarget } from "../port-target.ts";
import type { PortAccess } from "../routing/capsule-route.ts";
import { cookieName, cookieValues } from "./cookies.ts";
import { fromOwnPage } from "./own-page.ts";
import type { CredentialChecks, PortGrant } from "./port-grant.ts";
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
  /** What the request was admitted by. */
  readonly grant: PortGrant;
  /** What credentials of the team gave; a link is not one of them. */
  readonly teamGrant: PortGrant | undefined;
  /** Raw request target without our tokens. */
  readonly url: string;
  readonly dropAuthorization: boolean;
  /** The browser added the credential by itself: no page of another origin may show the answer in a frame. */
  readonly byCookie: boolean;
  /** A link was followed, or a ticket shown: the browser keeps this until then (ms since the epoch). */
  readonly cookie: { readonly name: string; readonly token: string; readonly expiresAt: number } | undefined;
}

/** What a browser came with that becomes a cookie, and the access that it gives. */
interface Proof {
  readonly cookie: NonNullable<Admission["cookie"]>;
  readonly grant: PortGrant;
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

  /** @throws WrennError `port_private`, `port_link_ended`. */
  async admit(asked: AccessRequest): Promise<Admission> {
    const { target, access } = asked;
    const link = takeParameter(asked.url, LINK_PARAMETER);
    const ticket = takeParameter(link.url, TICKET_PARAMETER);
    const followed = await this.#followedLink(asked, link.value);
    const byTicket = followed.proof ? undefined : await this.#shownTicket(asked, ticket.value);
    const proof = followed.proof ?? byTicket;
    // A bearer token may be the service's own; only one that the platform knows is kept from it.
    const bearer = await this.#bearer(asked);
    const given = access === "public" ? this.#checks.publicPort(target) : (proof?.grant ?? bearer);
    const byKey = given ? undefined : await this.#apiKey(asked);
    const shown = given ?? byKey;
    const byCookie = shown ? undefined : await this.#cookies(asked);
    const grant = shown ?? byCookie?.link ?? byCookie?.session;
    if (!grant)
      throw new WrennError(followed.isOver ? "port_link_ended" : "port_private", { port: target.port });
    return {
      grant,
      teamGrant: bearer ?? byTicket?.grant ?? byKey ?? byCookie?.session,
      url: ticket.url,
      dropAuthorization: bearer !== undefined,
      cookie: proof?.cookie,
      byCookie: shown === undefined,
    };
  }

  /** A link of this platform that gives no access is over: it was revoked, or comes from a version whose links could not be. */
  async #followedLink(
    asked: AccessRequest,
    token: string | undefined,
  ): Promise<{ readonly proof?: Proof; readonly isOver: boolean }> {
    const link = token === undefined ? undefined : this.#verifyLink(asked.target, token);
    if (token === undefined || !link) return { isOver: false };
    const grant = await this.#link(asked, link.id);
    if (!grant) return { isOver: true };
    const cookie = { name: this.#name(asked, LINK_COOKIE), token, expiresAt: link.expiresAt };
    return { proof: { cookie, grant }, isOver: false };
  }

  async #link({ target, signal }: AccessRequest, id: string | undefined): Promise<PortGrant | undefined> {
    return id === undefined ? undefined : await this.#checks.link(id, target, signal);
  }

  async #shownTicket(asked: AccessRequest, ticket: string | undefined): Promise<Proof | undefined> {
    const { request, target, prefix, signal } = asked;
    if (ticket === undefined || prefix !== "") return undefined;
    const now = this.#clock.now();
    const hops = cookieValues(request.headers.cookie ?? "", this.#name(asked, HOP_COOKIE));
    const sessionId = verifyTicket(this.#key, target, ticket, hops, now);
    if (sessionId === undefined) return undefined;
    const grant = await this.#checks.session(sessionId, target.capsuleId, signal);
    if (!grant) return undefined;
    const session = signSession(this.#key, target, sessionId, now);
    return { cookie: { name: this.#name(asked, SESSION_COOKIE), ...session }, grant };
  }

  async #bearer({ request, target, signal }: AccessRequest): Promise<PortGrant | undefined> {
    const match = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "");
    return match ? await this.#checks.bearer(match[1] ?? "", target.capsuleId, signal) : undefined;
  }

  async #apiKey({ request, target, signal }: AccessRequest): Promise<PortGrant | undefined> {
    const key = request.headers["x-api-key"];
    if (typeof key !== "string" || key === "") return undefined;
    return await this.#checks.apiKey(key, target.capsuleId, signal);
  }

  /** A browser sends cookies by itself, also when another site asks; these requests are not admitted. */
  async #cookies(asked: AccessRequest): Promise<{ readonly link?: PortGrant; readonly session?: PortGrant }> {
    const { request, target, prefix, signal } = asked;
    const header = request.headers.cookie ?? "";
    if (header === "" || !fromOwnPage(request)) return {};
    for (const token of cookieValues(header, this.#name(asked, LINK_COOKIE))) {
      const link = await this.#link(asked, this.#verifyLink(target, token)?.id);
      if (link) return { link };
    }
    if (prefix !== "") return {};
    for (const token of cookieValues(header, this.#name(asked, SESSION_COOKIE))) {
      const sessionId = verifySession(this.#key, target, token, this.#clock.now());
      if (sessionId === undefined) continue;
      const session = await this.#checks.session(sessionId, target.capsuleId, signal);
      if (session) return { session };
    }
    return {};
  }

  #verifyLink(target: PortTarget, token: string): ReturnType<typeof verifyLink> {
    return verifyLink(this.#key, target, token, this.#clock.now());
  }

  #name({ request, prefix }: AccessRequest, base: string): string {
    return cookieName(base, protocolOf(request), prefix);
  }
}
