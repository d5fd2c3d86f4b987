import { isWrennError, Wrenn, WrennError } from "@wrenn/sdk";
import { readAuthAnswer } from "./person.ts";
import { knownPerson } from "./known-person.ts";
import type { AccessToken, AuthAnswer, Person } from "./person.ts";

/** Tabs of one browser share a cookie: only one of them renews it at a time. */
const LOCK = "wrenn-session";
const TABS = "wrenn-session";
/** How long the answer to another tab may take. */
const AGAIN_MS = 500;
/** A token is renewed when less than this is left of it. */
const SPARE_MS = 60_000;

/** What tabs tell each other. A token goes no further than pages of this origin. */
type News = { readonly kind: "renewed"; readonly answer: AuthAnswer } | { readonly kind: "ended" };

export type SessionState = "unknown" | "anonymous" | "known";

/**
 * The login of this browser. What lasts is a cookie that scripts cannot read; the access token is in memory, and works for a
 * quarter of an hour. A renewal in one tab serves all.
 */
export class Session {
  /** `unknown` until the cookie was tried once. */
  state = $state<SessionState>("unknown");
  person = $state.raw<Person>();
  readonly #server: Wrenn;
  readonly #otherTabs = new BroadcastChannel(TABS);
  #token: (AccessToken & { readonly endsAt: number }) | undefined;
  #renewing: Promise<string> | undefined;

  /** @param url - of the server that this page is of. */
  constructor(url: string) {
    this.#server = new Wrenn({ url, apiKey: null });
    this.#otherTabs.addEventListener("message", ({ data }: MessageEvent<News>) => {
      if (data.kind === "renewed") this.#take(data.answer);
      else this.#forget();
    });
  }

  /** Calls that need no credentials. */
  get server(): Wrenn {
    return this.#server;
  }

  /**
   * A token that works for the next minute at least.
   *
   * @throws WrennError `refresh_token_invalid` where nobody is logged in; `connection_failed`.
   */
  readonly accessToken = async (): Promise<string> => {
    const token = this.#token;
    if (token && performance.now() < token.endsAt - SPARE_MS) return token.value;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    return await this.#renewing;
  };

  /** Tries the cookie. Where the server cannot be asked, the state stays as it is. */
  async open(): Promise<void> {
    try {
      await this.accessToken();
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
  }

  /** Is logged in by an answer of the server, and so are the other tabs. */
  logIn(answer: AuthAnswer): void {
    this.#take(answer);
    this.#otherTabs.postMessage({ kind: "renewed", answer } satisfies News);
  }

  /** Takes a new token at once: what its person may do has changed. */
  async renew(): Promise<void> {
    this.#token = undefined;
    await this.accessToken();
  }

  /** Acts in another team from now on, in all tabs. @throws WrennError `not_a_member`. */
  async switchTeam(teamId: string): Promise<void> {
    const asPerson = new Wrenn({ url: this.#server.url, accessToken: this.accessToken });
    this.logIn(
      await asPerson.request<AuthAnswer>("POST", "/v1/auth/switch-team", { body: { team_id: teamId } }),
    );
  }

  /** Whoever logs in next may be another person, by a way that answers with a cookie alone. */
  readonly expectAnyone = (): void => knownPerson.set(undefined);

  /** Forgets a login that the server has ended. */
  end(): void {
    this.expectAnyone();
    this.#otherTabs.postMessage({ kind: "ended" } satisfies News);
    this.#forget();
  }

  /** Ends the login here and at the server; the cookie is cleared. */
  async logOut(): Promise<void> {
    const token = await this.accessToken().catch(() => undefined);
    if (token !== undefined) {
      const asPerson = new Wrenn({ url: this.#server.url, accessToken: token });
      await asPerson.request("POST", "/v1/auth/logout");
    }
    this.end();
  }

  async #renew(): Promise<string> {
    return await oneAtATime(async () => {
      // Another tab may have renewed it while this one waited.
      const token = this.#token;
      if (token && performance.now() < token.endsAt - SPARE_MS) return token.value;
      try {
        return await this.#refresh();
      } catch (error) {
        if (isRefused(error)) this.#forget();
        throw error;
      }
    });
  }

  async #refresh(): Promise<string> {
    const ask = async (): Promise<AuthAnswer> =>
      await this.#server.request<AuthAnswer>("POST", "/v1/auth/refresh");
    const answer = await ask().catch(async (error: unknown) => {
      if (knownPerson.get() === undefined || !isRefused(error)) throw error;
      // Without locks another tab may have renewed it at the same moment, and its cookie is here soon; and where a page of a capsule
      // had planted cookies, the server has taken them out.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      return await ask();
    });
    const known = knownPerson.get();
    if (known !== undefined && known !== answer.user_id) {
      // Not the person who logged in here: over plain HTTP a page of a capsule can plant its own log-in.
      await this.#endForeign(answer);
      throw new WrennError({
        code: "unauthorized",
        status: 401,
        message: "this log-in is of another person",
      });
    }
    this.logIn(answer);
    return answer.token;
  }

  async #endForeign({ token }: AuthAnswer): Promise<void> {
    const asOther = new Wrenn({ url: this.#server.url, accessToken: token });
    await asOther.request("POST", "/v1/auth/logout").catch(() => {});
  }

  #take(answer: AuthAnswer): void {
    knownPerson.set(answer.user_id);
    const token = readAuthAnswer(answer);
    this.#token = { ...token, endsAt: performance.now() + token.lifetimeMs };
    const before = this.person;
    // Only a change makes pages start again.
    if (!before || !isSame(before, token.issuedFor)) this.person = token.issuedFor;
    this.state = "known";
  }

  #forget(): void {
    this.#token = undefined;
    this.person = undefined;
    this.state = "anonymous";
  }
}

/** One tab after the other, where browsers have locks. */
async function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  return hasLocks() ? await navigator.locks.request(LOCK, work) : await work();
}

/** Pages over plain HTTP from other machines have none. */
function hasLocks(): boolean {
  return "locks" in navigator;
}

function isSame(one: Person, other: Person): boolean {
  return (Object.keys(one) as (keyof Person)[]).every((name) => one[name] === other[name]);
}

function isRefused(error: unknown): boolean {
  return (
    isWrennError(error, "refresh_token_invalid") || (error instanceof WrennError && error.status === 401)
  );
}
