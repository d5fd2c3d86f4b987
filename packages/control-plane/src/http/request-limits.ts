import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { RateLimiter } from "./rate-limiter.ts";
import type { RateLimit } from "./rate-limiter.ts";
import { clientNetwork } from "./client-network.ts";
import type { Identity, RequestAuthenticator } from "./identity.ts";

/** How often the API may be called; what is undefined is not limited. */
export interface RequestRates {
  /** Of one API key, or of one person. */
  readonly perKey: RateLimit | undefined;
  /** Of one address without credentials, or with ones that are worth nothing. */
  readonly perAddress: RateLimit | undefined;
  /** Capsules that one team begins, by create and fork. */
  readonly creates: RateLimit | undefined;
}

export const defaultRates: RequestRates = {
  perKey: { burst: 1000, everyMs: 2 },
  perAddress: { burst: 100, everyMs: 50 },
  creates: { burst: 500, everyMs: 10 },
};

/** Who a request of the API says it is of, and from where. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  /** Address of the connection. */
  readonly ip: string;
}

/** Keeps one client from taking the API from the others. Each control plane counts for itself. */
export class RequestLimits {
  readonly #rates: RequestRates;
  /** One each: a crowd of addresses takes no room from the keys. */
  readonly #callers: RateLimiter;
  readonly #addresses: RateLimiter;
  readonly #creates: RateLimiter;

  constructor(clock: Clock, rates: RequestRates) {
    this.#rates = rates;
    this.#callers = new RateLimiter(clock);
    this.#addresses = new RateLimiter(clock);
    this.#creates = new RateLimiter(clock);
  }

  /**
   * Lets in whoever has credentials, as often as they may. The good ones are never counted against an address: a proxy, or a
   * household, is one for many.
   *
   * @throws WrennError `rate_limited`, and those of {@link RequestAuthenticator.authenticate}.
   */
  async admit(auth: RequestAuthenticator, { headers, ip }: Caller): Promise<Identity> {
    let identity: Identity;
    try {
      identity = await auth.authenticate(headers);
    } catch (error) {
      if (error instanceof WrennError && error.entry.fault === "user") this.anonymous(ip);
      throw error;
    }
    this.identified(identity);
    return identity;
  }

  /** Counts a request of somebody. @throws WrennError `rate_limited`. */
  identified({ session, key, teamId }: Identity): void {
    const { perKey } = this.#rates;
    if (perKey) this.#callers.take(session?.userId ?? key?.id ?? teamId, perKey);
  }

  /** Counts a request of nobody. @throws WrennError `rate_limited`. */
  anonymous(ip: string): void {
    const { perAddress } = this.#rates;
    if (perAddress) this.#addresses.take(clientNetwork(ip), perAddress);
  }

  /** Counts capsules that a team begins. @throws WrennError `rate_limited`. */
  create(teamId: string, count = 1): void {
    const { creates } = this.#rates;
    if (creates) this.#creates.take(teamId, creates, count);
  }
}
