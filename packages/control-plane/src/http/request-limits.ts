import type { IncomingHttpHeaders } from "node:http";
import { TrustedProxies, WrennError } from "@wrenn/core";
import type { Clock, ConnectionEnds } from "@wrenn/core";
import { grantOf } from "./access-grants.ts";
import type { AccessWatch } from "./access-watch.ts";
import type { Identity } from "./identity.ts";
import { hasCredentials } from "./known-credentials.ts";
import type { KnownCredentials } from "./known-credentials.ts";
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

/** Of wrong credentials at ports of capsules, per network. Apart from the API's, since browsers send old cookies by themselves. */
const perPortFailure: RateLimit = { burst: 100, everyMs: 50 };

/** Of `/health` and `/ready`, per network: a load balancer asks once a second. */
const perProbe: RateLimit = { burst: 200, everyMs: 50 };
/** Files of pages, which are in memory: a page is some dozens of them, and an office opens it behind one address. */
const perFile: RateLimit = { burst: 3000, everyMs: 5 };

/** A request of the API, as far as it says who calls and from where. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  readonly socket: ConnectionEnds;
}

/** The access of credentials, while they are good. */
interface ShownAccess {
  /** Calls `onEnd` once when it ends, until the function that it returns is called. */
  hold(onEnd: () => void): () => void;
}

export interface RequestLimitsDeps {
  readonly clock: Clock;
  readonly known: KnownCredentials;
  readonly access: Pick<AccessWatch, "hold">;
}

export interface RequestLimitsOptions {
  readonly rates?: Partial<RequestRates>;
  readonly proxies?: TrustedProxies;
  /** Called with the connection of a client that showed good credentials, the UUID of their team, and the access that they give. */
  readonly onAuthenticated?: (socket: ConnectionEnds, teamId: string, access: ShownAccess) => void;
}

/** Keeps one client from taking the API from the others. Each control plane counts for itself. */
export class RequestLimits {
  readonly #rates: RequestRates;
  readonly #proxies: TrustedProxies;
  readonly #onAuthenticated: NonNullable<RequestLimitsOptions["onAuthenticated"]>;
  readonly #known: KnownCredentials;
  readonly #access: Pick<AccessWatch, "hold">;
  /** One each: a crowd of addresses takes no room from the keys. */
  readonly #callers: RateLimiter;
  readonly #addresses: RateLimiter;
  readonly #creates: RateLimiter;

  constructor({ clock, known, access }: RequestLimitsDeps, options: RequestLimitsOptions = {}) {
    this.#rates = { ...defaultRates, ...options.rates };
    this.#proxies = options.proxies ?? TrustedProxies.none;
    this.#onAuthenticated = options.onAuthenticated ?? (() => undefined);
    this.#known = known;
    this.#access = access;
    this.#callers = new RateLimiter(clock);
    this.#addresses = new RateLimiter(clock);
    this.#creates = new RateLimiter(clock);
  }

  /**
   * Admits a caller with good credentials, as often as they may call. Good credentials are never counted against an address: a proxy, or a
   * household, is one for many. Wrong ones are; from a network with too many of them only credentials are looked up that were good lately.
   *
   * @param headers - have the credentials; by default those of the request.
   * @throws WrennError `rate_limited`, `connections_full`, and those of {@link KnownCredentials.authenticate}.
   */
  async admit(caller: Caller, headers = caller.headers): Promise<Identity> {
    const ip = this.addressOf(caller);
    let identity: Identity;
    try {
      await this.requireAttempt(ip, headers);
      identity = await this.#known.authenticate(headers);
    } catch (error) {
      if (error instanceof WrennError && error.entry.fault === "user" && error.reason !== "rate_limited") {
        this.anonymous(ip);
      }
      throw error;
    }
    // Whatever a key may do, it is the key that has to live.
    const scope = identity.key?.scopes[0] ?? "read";
    this.#onAuthenticated(caller.socket, identity.teamId, {
      hold: (onEnd) => this.#access.hold(grantOf(identity, scope), onEnd),
    });
    this.#identified(identity);
    return identity;
  }

  /** Address of the client: of the connection, or what trusted proxies say. */
  addressOf(caller: Caller): string {
    return this.#proxies.addressOf(caller);
  }

  /** @throws WrennError `rate_limited` where credentials are not looked up: their network tried too many wrong ones. */
  async requireAttempt(ip: string, headers: IncomingHttpHeaders): Promise<void> {
    const { perAddress } = this.#rates;
    if (perAddress) await this.#requireRoom("address", ip, headers, perAddress);
  }

  /** The same for credentials at a port of a capsule. @throws WrennError `rate_limited`. */
  async requirePortAttempt(ip: string, headers: IncomingHttpHeaders): Promise<void> {
    await this.#requireRoom("port", ip, headers, perPortFailure);
  }

  /** Counts wrong credentials at a port of a capsule. @throws WrennError `rate_limited`. */
  portFailed(ip: string): void {
    this.#addresses.takeForClient("port", ip, perPortFailure);
  }

  /** Credentials of hosts were good. */
  remember(headers: IncomingHttpHeaders): void {
    this.#known.remember(headers);
  }

  /** Counts an unauthenticated request. @throws WrennError `rate_limited`. */
  anonymous(ip: string): void {
    const { perAddress } = this.#rates;
    if (perAddress) this.#addresses.takeForClient("address", ip, perAddress);
  }

  /** Counts a page or one of its files. @throws WrennError `rate_limited`. */
  page(ip: string): void {
    this.#addresses.takeForClient("page", ip, perFile);
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

  /** The signature of a token is checked only in a network at its limit. */
  async #requireRoom(
    purpose: "address" | "port",
    ip: string,
    headers: IncomingHttpHeaders,
    rate: RateLimit,
  ): Promise<void> {
    if (!hasCredentials(headers)) return;
    try {
      this.#addresses.requireRoomForClient(purpose, ip, rate);
    } catch (error) {
      if (!(await this.#known.wereGood(headers))) throw error;
    }
  }

  #identified({ session, key, teamId }: Identity): void {
    const { perKey } = this.#rates;
    if (perKey) this.#callers.take(session?.userId ?? key?.id ?? teamId, perKey);
  }
}
