import type { Clock, Logger } from "@wrenn/core";
import { WrennError } from "@wrenn/core";
import { FormatError, parseObject, textOf } from "../image/json-fields.ts";
import { parseChallenges } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";
import type { RegistryEndpoint } from "./endpoint.ts";
import { followRedirects } from "./follow-redirects.ts";
import type { RegistryFetch } from "./follow-redirects.ts";
import { IdleTimer } from "./idle-timer.ts";
import { discardBody, readBounded } from "./read-body.ts";
import { checkStatus } from "./response-status.ts";
import { TransferError } from "./transfer-error.ts";

/** How a registry knows the puller: a name and password, or a bearer token that is sent as it is. */
export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly token: string };

/**
 * Finds the credentials for a repository of a registry, such as `ghcr.io` and `team/tool`. A mirror is asked for by its own host.
 * Undefined: the pull is anonymous.
 */
export type CredentialLookup = (
  registry: string,
  repository: string,
) => RegistryCredentials | undefined | Promise<RegistryCredentials | undefined>;

/** Tokens of some registries name every permission. */
const MAX_TOKEN_ANSWER = 1024 * 1024;
const MAX_TOKEN = 64 * 1024;
/** Tokens without a time live this long (Docker registry, token authentication specification). */
const DEFAULT_LIFE_SEC = 60;

export interface AuthorizationDeps {
  readonly fetch: RegistryFetch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentials: CredentialLookup;
  readonly idleMs: number;
}

/** The Authorization of all requests for one repository of an endpoint. */
export class Authorization {
  readonly #deps: AuthorizationDeps;
  readonly #endpoint: RegistryEndpoint;
  readonly #repository: string;
  #header: string | undefined;
  /** On the monotonic clock. */
  #endsAt = Infinity;
  /** What the header answered, for a new token. */
  #challenge: Challenge | undefined;
  #renewal: Promise<void> | undefined;
  #credentials: Promise<RegistryCredentials | undefined> | undefined;

  constructor(endpoint: RegistryEndpoint, repository: string, deps: AuthorizationDeps) {
    this.#deps = deps;
    this.#endpoint = endpoint;
    this.#repository = repository;
  }

  /** The header to send; undefined before the registry asked for one. Gets a new token where the old one has ended. */
  async header(signal: AbortSignal): Promise<string | undefined> {
    if (this.#challenge && this.#deps.clock.monotonic() >= this.#endsAt)
      await this.#renew(this.#challenge, signal);
    return this.#header;
  }

  /**
   * Answers a 401: gets what the registry asks for. Callers that were refused together share one new token.
   *
   * @param refused - the header that was refused.
   * @throws WrennError `image_access_denied` when there are no such credentials or they are refused; TransferError.
   */
  async answer(response: Response, refused: string | undefined, signal: AbortSignal): Promise<void> {
    const challenges = parseChallenges(response.headers.get("www-authenticate"));
    await discardBody(response);
    if (this.#header !== refused) return;
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const credentials = await this.#lookUp();
    if (credentials && "token" in credentials) return this.#setOnce(`Bearer ${credentials.token}`);
    if (bearer) return await this.#renew(bearer, signal);
    const asksForPassword = challenges.some(({ scheme }) => scheme === "basic");
    if (!asksForPassword || !credentials) throw this.denied();
    this.#setOnce(basic(credentials));
  }

  denied(): WrennError {
    return new WrennError("image_access_denied", {
      registry: this.#endpoint.host,
      image: this.#repository,
    });
  }

  /** Credentials that do not change are not worth a second try. */
  #setOnce(header: string): void {
    if (this.#header === header) throw this.denied();
    this.#header = header;
  }

  async #renew(challenge: Challenge, signal: AbortSignal): Promise<void> {
    this.#renewal ??= this.#fetchToken(challenge, signal).finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  /** One look-up serves all requests of a pull. */
  async #lookUp(): Promise<RegistryCredentials | undefined> {
    this.#credentials ??= Promise.resolve(this.#deps.credentials(this.#endpoint.host, this.#repository));
    return await this.#credentials;
  }

  /**
   * Docker registry, token authentication specification. The scope is ours and not that of the challenge: a token is good for no more
   * than to pull this repository.
   */
  async #fetchToken(challenge: Challenge, signal: AbortSignal): Promise<void> {
    const { fetch, clock, logger, idleMs } = this.#deps;
    const url = this.#tokenAddress(challenge);
    const credentials = await this.#lookUp();
    const asked = clock.monotonic();
    using timer = new IdleTimer(idleMs, signal);
    const headers = credentials && "username" in credentials ? { authorization: basic(credentials) } : {};
    const answer = await followRedirects(fetch, url, headers, timer.signal);
    const { status } = answer.response;
    if ([400, 401, 403, 404].includes(status)) {
      await discardBody(answer.response);
      throw this.denied();
    }
    await checkStatus(answer, { clock, registry: this.#endpoint.host, image: this.#repository });
    const bytes = await readBounded(answer.response, MAX_TOKEN_ANSWER, timer);
    const { token, lifeSec } = parseToken(bytes ?? new Uint8Array());
    this.#challenge = challenge;
    this.#header = `Bearer ${token}`;
    this.#endsAt = asked + lifeSec * 1000;
    logger.debug("image_registry_token", {
      registry: this.#endpoint.host,
      repository: this.#repository,
      lifeSec,
    });
  }

  #tokenAddress({ parameters }: Challenge): URL {
    const url = URL.parse(parameters.get("realm") ?? "");
    const isSafe = url?.protocol === "https:" || this.#endpoint.base.protocol === "http:";
    if (!url || !/^https?:$/.test(url.protocol) || !isSafe)
      throw new WrennError("registry_unreachable", {
        registry: this.#endpoint.host,
        problem: "it names no safe address for tokens",
      });
    const service = parameters.get("service");
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${this.#repository}:pull`);
    return url;
  }
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function parseToken(bytes: Uint8Array): { readonly token: string; readonly lifeSec: number } {
  try {
    const json = parseObject(bytes);
    const token =
      textOf(json["token"], "token", MAX_TOKEN) || textOf(json["access_token"], "access_token", MAX_TOKEN);
    if (!/^[\u0021-\u007e]+$/.test(token)) throw new FormatError("it has no token");
    const life = Number(json["expires_in"]);
    return { token, lifeSec: life > 0 ? life : DEFAULT_LIFE_SEC };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new TransferError("its answer has no token", { cause: error });
  }
}
