import assert from "node:assert/strict";
import { defined } from "@wrenn/core";
import { githubProvider } from "../../src/sign-in/github-provider.ts";
import { oidcProvider } from "../../src/sign-in/oidc-provider.ts";
import { FakeProvider } from "./fake-provider.ts";
import type { FakePerson } from "./fake-provider.ts";
import { TestClock, TestPlatform } from "./test-platform.ts";
import type { Answer, PlatformParts } from "./test-platform.ts";

export type ProviderName = "github" | "oidc";

/** What a browser has when it was sent to a provider. */
export interface Journey {
  readonly provider: ProviderName;
  readonly url: URL;
  /** The pair that it keeps. */
  readonly cookie: string;
}

/** A control plane with both kinds of providers, and a browser that goes there and back. */
export class SignInLab implements AsyncDisposable {
  readonly fake: FakeProvider;
  readonly platform: TestPlatform;
  /** Of what is kept of the OpenID Connect provider. */
  readonly providerClock: TestClock;

  private constructor(fake: FakeProvider, platform: TestPlatform, providerClock: TestClock) {
    this.providerClock = providerClock;
    this.fake = fake;
    this.platform = platform;
  }

  static async start(parts: PlatformParts = {}): Promise<SignInLab> {
    const fake = await FakeProvider.start();
    const { issuer, client } = fake;
    const secrets = { clientId: client.id, clientSecret: client.secret, answerMs: 2000 };
    const clock = new TestClock();
    const platform = await TestPlatform.start({
      ...parts,
      identityProviders: [
        githubProvider({ ...secrets, webUrl: issuer, apiUrl: issuer }),
        oidcProvider({ ...secrets, issuer, clock }),
      ],
    });
    return new SignInLab(fake, platform, clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.platform[Symbol.asyncDispose]();
    await this.fake[Symbol.asyncDispose]();
  }

  /** Somebody whom nobody knows yet sits at the provider's page from now on. */
  newPerson(name: string, change: Partial<FakePerson> = {}): FakePerson {
    const subject = String(this.#subjects++);
    this.fake.person = { subject, name, email: `${name}@example.org`, verified: true, ...change };
    return this.fake.person;
  }
  #subjects = 1000;

  async leave(provider: ProviderName, intent: "login" | "signup"): Promise<Journey> {
    this.platform.clock.advance(5000);
    const gone = await this.platform.call("GET", `/auth/oauth/${provider}?intent=${intent}`);
    assert.equal(gone.status, 302, JSON.stringify(gone.body));
    return this.#journey(provider, gone, gone.headers.get("location") ?? "");
  }

  async leaveToConnect(provider: ProviderName, token: string): Promise<Journey> {
    const answer = await this.platform.call("GET", `/v1/me/providers/${provider}/connect`, { token });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return this.#journey(provider, answer, String(answer.body["auth_url"]));
  }

  /** Consents at the provider's page, and comes back. */
  async comeBack(
    journey: Journey,
    change: Readonly<Record<string, string | undefined>> = {},
  ): Promise<Answer> {
    const back = { ...this.fake.consent(journey.url), ...change };
    return await this.returnWith(journey.provider, back, journey.cookie);
  }

  async returnWith(
    provider: string,
    back: Readonly<Record<string, string | undefined>>,
    cookie: string | undefined,
  ): Promise<Answer> {
    this.platform.clock.advance(5000);
    const query = new URLSearchParams(
      Object.entries(back).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
    );
    const path = `/auth/oauth/${provider}/callback?${query.toString()}`;
    const answer = await this.platform.call("GET", path, defined({ cookie }));
    assert.equal(answer.status, 302, JSON.stringify(answer.body));
    return answer;
  }

  async signIn(provider: ProviderName, intent: "login" | "signup"): Promise<Answer> {
    return await this.comeBack(await this.leave(provider, intent));
  }

  /** Signs the person at the provider up. @returns a token. */
  async signUp(provider: ProviderName): Promise<string> {
    const answer = await this.signIn(provider, "signup");
    assert.equal(placeOf(answer), `/auth/${provider}/callback?new_signup=1`);
    return await this.tokenOf(answer);
  }

  /** What the dashboard does with the cookie of a log-in. */
  async tokenOf(answer: Answer): Promise<string> {
    const renewed = await this.platform.call("POST", "/v1/auth/refresh", { cookie: refreshOf(answer) ?? "" });
    assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
    return String(renewed.body["token"]);
  }

  #journey(provider: ProviderName, answer: Answer, url: string): Journey {
    const [cookie = ""] = answer.headers.getSetCookie();
    assert.match(
      cookie,
      /^__Host-wrenn_oauth_state=[0-9a-f]{64}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    return { provider, url: new URL(url), cookie: cookie.split(";")[0] ?? "" };
  }
}

/** Where an answer leads, on the dashboard. */
export function placeOf(answer: Answer): string {
  const location = answer.headers.get("location") ?? "";
  assert.ok(location.startsWith("https://wrenn.example.org/"), location);
  return location.slice("https://wrenn.example.org".length);
}

/** The pair of the session that an answer opened. */
export function refreshOf(answer: Answer): string | undefined {
  return answer.headers
    .getSetCookie()
    .find((cookie) => cookie.startsWith("__Host-wrenn_refresh="))
    ?.split(";")[0];
}
