import { WrennError } from "@wrenn/core";
import { AccessControl } from "./access/access-control.ts";
import { showsCredentials } from "./access/credential-attempts.ts";
import type { Admission } from "./access/access-control.ts";
import { cookieTag } from "./access/cookies.ts";
import type { PortGrant } from "./access/port-grant.ts";
import { maySignIn, sendToSignIn } from "./access/sign-in.ts";
import type { ConnectionTracker, Hold } from "./connection-tracker.ts";
import { reservedPorts } from "./edge-options.ts";
import type { EdgeLimits, EdgeOptions } from "./edge-options.ts";
import type { Exchange, Rest } from "./http/exchange.ts";
import { askedProtocol } from "./http/asked-protocol.ts";
import { addressOf, authorityOf, bodyOf, protocolOf } from "./http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "./http/messages.ts";
import { redirectTo } from "./http/redirect.ts";
import { requestHeaders } from "./http/request-headers.ts";
import type { ClientFacts } from "./http/request-headers.ts";
import { informationHeaders, responseHeaders } from "./http/response-headers.ts";
import type { PortTarget } from "./port-target.ts";
import { accessOf } from "./routing/capsule-route.ts";
import type { CapsuleRoute } from "./routing/capsule-route.ts";
import type { LiveRoute, RouteTable } from "./routing/route-table.ts";
import type { UpstreamPools } from "./upstream/upstream-pools.ts";

/** A request for a port of a capsule. */
export interface Arrival {
  readonly request: EdgeRequest;
  readonly target: PortTarget;
  /** Raw request target, without the prefix of the path form. */
  readonly url: string;
  /** `/proxy/{id}/{port}` in the path form, else empty. */
  readonly prefix: string;
  /** The caller was admitted before: the port counts as public. */
  readonly isAdmitted?: boolean | undefined;
  /** What the service sees as its host; default: what the client has sent. */
  readonly host?: string | undefined;
}

/** The exchange that an admitted request becomes. */
export interface Plan {
  readonly exchange: Exchange;
}

/** Does the exchange, or its part that needs the request and the response. */
export type Send = (plan: Plan) => Promise<Rest | undefined>;

interface Parts {
  readonly options: EdgeOptions;
  readonly limits: EdgeLimits;
  readonly connections: ConnectionTracker;
  readonly routes: RouteTable;
  readonly pools: UpstreamPools;
  readonly closed: AbortSignal;
}

const REPORT_MS = 1000;
/** In the path form services share an origin: their pages get one of their own, without each other's cookies and storage. */
const SHARED_ORIGIN = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
/** Browsers that do not say where a request comes from show a session in frames of the same origin only. */
const OWN_FRAMES = "frame-ancestors 'self'";
/** Methods whose request has a length even when it has no body (RFC 9110 §8.6). */
const WITH_LENGTH = new Set(["POST", "PUT", "PATCH"]);

/** Takes a request from its arrival to an exchange with the service: who may, where to, with which fields. */
export class RequestPlanner {
  readonly #parts: Parts;
  readonly #access: AccessControl;
  readonly #reserved: ReadonlySet<number>;

  constructor(parts: Parts) {
    const { options } = parts;
    this.#parts = parts;
    this.#access = new AccessControl(options.credentials, options.linkKey, options.clock);
    this.#reserved = reservedPorts(options);
  }

  /**
   * Admits the request, holds the capsule, and lets `send` do the exchange.
   *
   * @returns what is left to do when `send` has left something; the capsule is held until that is done.
   * @throws WrennError for every refusal; nothing was answered then.
   */
  async run(arrival: Arrival, response: EdgeResponse, send: Send): Promise<Rest | undefined> {
    const { capsuleId, port } = arrival.target;
    if (this.#reserved.has(port)) throw new WrennError("port_reserved", { port });
    const found = await this.#parts.routes.find(capsuleId);
    const admission = await this.#admit(arrival, response, found);
    if (!admission) return undefined;
    if (redirects(arrival, admission)) {
      sendCleanUrl(arrival, admission, response);
      return undefined;
    }
    const watched = watch(admission.grant);
    let release = watched.release;
    let rest: Rest | undefined;
    try {
      const route = await this.#parts.routes.live(capsuleId, found);
      // Its access may have ended while the capsule was resumed.
      watched.ending.signal.throwIfAborted();
      const hold = this.#parts.connections.acquire(capsuleId, watched.ending);
      this.#report(capsuleId);
      release = this.#releasing(capsuleId, hold, watched.release);
      rest = await send({ exchange: this.#exchange(arrival, admission, route, hold) });
    } finally {
      if (!rest) release();
    }
    return rest && heldUntil(rest, release);
  }

  #releasing(capsuleId: string, hold: Hold, unwatch: () => void): () => void {
    return () => {
      unwatch();
      hold.release();
      this.#report(capsuleId);
    };
  }

  /** Undefined when the browser was sent to sign in. */
  async #admit(
    arrival: Arrival,
    response: EdgeResponse,
    { owner, ...found }: CapsuleRoute,
  ): Promise<Admission | undefined> {
    const { signIn, random, attempts } = this.#parts.options;
    const { headers } = arrival.request;
    const access = arrival.isAdmitted === true ? "public" : accessOf(found, arrival.target.port);
    const isAttempt = access === "private" && showsCredentials(headers, arrival.url);
    try {
      if (isAttempt) await attempts?.require(addressOf(arrival.request), headers);
      const admission = await this.#access.admit({ ...arrival, access, signal: this.#parts.closed });
      // Visitors with a link stay strangers: they are not to take the connections of the team.
      if (admission.teamGrant)
        await this.#parts.options.onAuthenticated?.(arrival.request, owner, admission.teamGrant);
      return admission;
    } catch (error) {
      const refused = error instanceof WrennError && error.reason === "port_private";
      if (refused && isAttempt) await attempts?.failed(addressOf(arrival.request));
      if (!refused || !signIn || arrival.prefix !== "" || !maySignIn(arrival.request, arrival.url))
        throw error;
      sendToSignIn(arrival, response, signIn, random);
      return undefined;
    }
  }

  #exchange(arrival: Arrival, admission: Admission, route: LiveRoute, hold: Hold): Exchange {
    const { request, target, prefix } = arrival;
    const client = clientFacts(request);
    const own = `${route.address}:${target.port}`;
    const body = bodyOf(request);
    const upgrade = askedProtocol(request);
    // What HTTP/2 calls CONNECT is a GET to HTTP/1.1 (RFC 8441 §5).
    const method = request.method === "CONNECT" ? "GET" : (request.method ?? "GET");
    const cookie = cookieOf(arrival, admission);
    const tag = prefix === "" ? "" : cookieTag(target);
    const extra = [
      ...(cookie === undefined ? [] : ["Set-Cookie", cookie]),
      ...(prefix === "" ? [] : ["Content-Security-Policy", SHARED_ORIGIN]),
      ...(admission.byCookie ? ["Content-Security-Policy", OWN_FRAMES] : []),
    ];
    const rewrite = { prefix, tag, authority: own, extra };
    let reportedAt = this.#parts.options.clock.monotonic();
    return {
      pool: this.#parts.pools.of(target.capsuleId, {
        address: route.address,
        port: target.port,
        connect: route.connect,
        isSecure: route.tlsPorts?.includes(target.port) === true,
      }),
      port: target.port,
      method,
      path: admission.url,
      limits: this.#parts.limits,
      signal: hold.signal,
      headers: requestHeaders(request.rawHeaders, {
        client,
        host: arrival.host ?? (prefix === "" ? client.host : own),
        prefix,
        cookieTag: tag,
        dropAuthorization: admission.dropAuthorization,
        chunked: body === "unknown",
        emptyBody: body === "none" && WITH_LENGTH.has(method),
        upgrade,
      }),
      rewriteResponse: (headers) => responseHeaders(headers, rewrite),
      rewriteInformation: (headers) => informationHeaders(headers, rewrite),
      onBytes: () => {
        const now = this.#parts.options.clock.monotonic();
        if (now - reportedAt < REPORT_MS) return;
        reportedAt = now;
        this.#report(target.capsuleId);
      },
    };
  }

  #report(capsuleId: string): void {
    this.#parts.options.onActivity?.(capsuleId);
  }
}

/** Aborts `ending` when the access ends, until `release`. */
function watch(grant: PortGrant): { readonly ending: AbortController; readonly release: () => void } {
  const ending = new AbortController();
  return { ending, release: grant.hold((reason) => ending.abort(reason)) };
}

/** The rest of an exchange, which holds the capsule for as long as it goes on. */
function heldUntil(rest: Rest, release: () => void): Rest {
  return async () => {
    try {
      await rest();
    } finally {
      release();
    }
  };
}

function clientFacts(request: EdgeRequest): ClientFacts {
  return {
    address: addressOf(request),
    host: authorityOf(request),
    protocol: protocolOf(request),
  };
}

/** A browser that followed a link goes on without the token, which would else leak through history and Referer. */
function redirects({ request }: Arrival, { cookie }: Admission): boolean {
  return (
    cookie !== undefined && request.method === "GET" && (request.headers.accept ?? "").includes("text/html")
  );
}

function sendCleanUrl(arrival: Arrival, admission: Admission, response: EdgeResponse): void {
  const location = arrival.prefix + admission.url.replace(/^\/{2,}/, "/");
  redirectTo(arrival.request, response, location, cookieOf(arrival, admission));
}

function cookieOf({ request, prefix }: Arrival, { cookie }: Admission): string | undefined {
  if (!cookie) return undefined;
  const secure = protocolOf(request) === "https" ? "; Secure" : "";
  const expires = new Date(cookie.expiresAt).toUTCString();
  return `${cookie.name}=${cookie.token}; Path=${prefix}/; Expires=${expires}; HttpOnly; SameSite=Lax${secure}`;
}
