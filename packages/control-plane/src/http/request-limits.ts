import type { IncomingHttpHeaders } from "node:http";
import { TrustedProxies, WrennError } from "@wrenn/core";
import type { Clock, ConnectionEnds } from "@wrenn/core";
import type { Identity, RequestAuthenticator } from "./identity.ts";
import { credentialPrint, KnownCredentials } from "./known-credentials.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { RateLimit } from "./rate-limiter.ts";

/** How often the API may be called; what is undefined is not limited. */
export interface RequestRates {
  /** Of one API key, or of one person. */
  readonly perKey: RateLimit | undefined;
  /** Of one network without credentials, or with wrong ones. */
  readonly perAddress: RateLimit | undefined;
  /** Capsules that one team begins, by create and fork. */
  readonly creates: RateLimit | undefined;
}

export const defaultRates: RequestRates = {
  perKey: { burst: 1000, everyMs: 2 },
  perAddress: { burst: 100, everyMs: 50 },
  creates: { burst: 500, everyMs: 10 },
};

/** Of `/health` and `/ready`, per network: a load balancer asks once a second. */
const perProbe: RateLimit = { burst: 1000, everyMs: 5 };

/** A request of the API, as far as it says who calls and from where. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  readonly socket: ConnectionEnds;
}

export interface RequestLimitsOptions {
  readonly rates?: Partial<RequestRates>;
  readonly proxies?: TrustedProxies;
  /** Called with the connection of a client that showed good credentials. */
  readonly onAuthenticated?: (socket: ConnectionEnds) => void;
}

/** Keeps one client from taking the API from the others. Each control plane counts for itself. */
export class RequestLimits {
  readonly #rates: RequestRates;
  readonly #proxies: TrustedProxies;
  readonly #onAuthenticated: (socket: ConnectionEnds) => void;
  readonly #known: KnownCredentials;
  /** One each: a crowd of addresses takes no room from the keys. */
  readonly #callers: RateLimiter;
  readonly #addresses: RateLimiter;
  readonly #creates: RateLimiter;

  constructor(clock: Clock, options: RequestLimitsOptions = {}) {
    this.#rates = { ...defaultRates, ...options.rates };
    this.#proxies = options.proxies ?? TrustedProxies.none;
    this.#onAuthenticated = options.onAuthenticated ?? (() => undefined);
    this.#known = new KnownCredentials(clock);
    this.#callers = new RateLimiter(clock);
    this.#addresses = new RateLimiter(clock);
    this.#creates = new RateLimiter(clock);
  }

  /**
   * Admits a caller with good credentials, as often as they may call. Good credentials are never counted against an address: a proxy, or a
   * household, is one for many. Wrong ones are; from a network with too many of them only credentials are looked up that were good lately.
   *
   * @param headers - have the credentials; by default those of the request.
   * @throws WrennError `rate_limited`, and those of {@link RequestAuthenticator.authenticate}.
   */
  async admit(auth: RequestAuthenticator, caller: Caller, headers = caller.headers): Promise<Identity> {
    const ip = this.addressOf(caller);
    let identity: Identity;
    try {
      this.requireAttempt(ip, headers);
      identity = await auth.authenticate(headers);
    } catch (error) {
      if (error instanceof WrennError && error.entry.fault === "user" && error.reason !== "rate_limited") {
        this.failed(ip, headers, error);
      }
      throw error;
    }
    this.succeeded(headers);
    this.#onAuthenticated(caller.socket);
    this.#identified(identity);
    return identity;
  }

  /** Address of the client: of the connection, or what trusted proxies say. */
  addressOf(caller: Caller): string {
    return this.#proxies.addressOf(caller);
  }

  /** @throws WrennError `rate_limited` where credentials are not looked up, and what wrong ones were refused with a moment ago. */
  requireAttempt(ip: string, headers: IncomingHttpHeaders): void {
    const print = credentialPrint(headers);
    if (print === undefined || this.#known.wereGood(print)) return;
    const { perAddress } = this.#rates;
    if (perAddress) this.#addresses.requireRoomForClient("address", ip, perAddress);
    this.#known.refuseWrong(print);
  }

  /** Counts credentials that were refused. @throws WrennError `rate_limited`. */
  failed(ip: string, headers: IncomingHttpHeaders, error: WrennError): void {
    const print = credentialPrint(headers);
    if (print !== undefined) this.#known.failed(print, error);
    this.anonymous(ip);
  }

  succeeded(headers: IncomingHttpHeaders): void {
    const print = credentialPrint(headers);
    if (print !== undefined) this.#known.succeeded(print);
  }

  /** Counts an unauthenticated request. @throws WrennError `rate_limited`. */
  anonymous(ip: string): void {
    const { perAddress } = this.#rates;
    if (perAddress) this.#addresses.takeForClient("address", ip, perAddress);
  }

  /** Counts a question whether the server works. @throws WrennError `rate_limited`. */
  probe(ip: string): void {
    this.#addresses.takeForClient("probe", ip, perProbe);
  }

  /** Counts capsules that a team begins. @throws WrennError `rate_limited`. */
  create(teamId: string, count = 1): void {
    const { creates } = this.#rates;
    if (creates) this.#creates.take(teamId, creates, count);
  }

  #identified({ session, key, teamId }: Identity): void {
    const { perKey } = this.#rates;
    if (perKey) this.#callers.take(session?.userId ?? key?.id ?? teamId, perKey);
  }
}
