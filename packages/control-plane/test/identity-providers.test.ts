import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { inspect } from "node:util";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { githubProvider } from "../src/sign-in/github-provider.ts";
import type { IdentityProvider, ProviderProfile, SignInAttempt } from "../src/sign-in/identity-provider.ts";
import { oidcProvider } from "../src/sign-in/oidc-provider.ts";
import { FakeProvider } from "./support/fake-provider.ts";
import type { TokenFault, TokenFlaws } from "./support/fake-provider.ts";
import { TestClock } from "./support/test-platform.ts";

const fake = await FakeProvider.start();
after(() => fake[Symbol.asyncDispose]());
const { issuer } = fake;
const secrets = { clientId: fake.client.id, clientSecret: fake.client.secret };
const clock = new TestClock();
const github = githubProvider({ ...secrets, webUrl: issuer, apiUrl: issuer });
const freshOidc = (): IdentityProvider => oidcProvider({ ...secrets, issuer, clock });
const attempt: SignInAttempt = {
  state: "state-of-this",
  nonce: "nonce-of-this",
  verifier: "v".repeat(43),
  redirectUri: "https://wrenn.example.org/auth/oauth/any/callback",
};
const ada = { subject: "42", name: "Ada", email: "Ada@Example.org", verified: true };

beforeEach(() => {
  Object.assign(fake, { tokenFault: undefined, flaws: {}, userinfoOf: undefined, postOnly: false });
  Object.assign(fake, { tokenFields: {} });
  fake.instead.clear();
  Object.assign(fake, { metadata: {}, broken: false, person: ada, userinfoSays: { email_verified: true } });
});

async function signIn(
  provider: IdentityProvider,
  change: Partial<SignInAttempt> = {},
  signal = AbortSignal.timeout(30_000),
): Promise<ProviderProfile> {
  const { code, state } = fake.consent(await provider.authorizationUrl(attempt, signal));
  assert.equal(state, attempt.state);
  return await provider.profile(code, { ...attempt, ...change }, signal);
}

/** What a failure says; never anything secret. */
async function problemWith(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (failure: unknown) => failure,
  );
  assert.ok(WrennError.is(error, "provider_failed"), String(error));
  assert.doesNotMatch(
    inspect(error, { depth: Infinity, showHidden: true }),
    /secret of|access-token|eyJ|nonce-of-this|vvvvv/,
  );
  return error.message;
}

test("GitHub tells the number, the name and the primary verified address of somebody", async () => {
  assert.deepEqual(await signIn(github), { subject: "42", name: "Ada", verifiedEmail: "ada@example.org" });
  fake.person = { ...ada, name: "", verified: false };
  assert.deepEqual(await signIn(github), { subject: "42", name: "login-name", verifiedEmail: undefined });
  const url = await github.authorizationUrl(attempt, AbortSignal.timeout(1000));
  assert.deepEqual([url.searchParams.get("scope"), url.pathname], ["user:email", "/login/oauth/authorize"]);
  assert.ok(!url.href.includes(attempt.verifier));
});

test("an OpenID Connect provider tells them in its signed token, or at its userinfo endpoint", async () => {
  const oidc = freshOidc();
  const known = { subject: "42", name: "Ada", verifiedEmail: "ada@example.org" };
  assert.deepEqual(await signIn(oidc), known);
  fake.userinfoOf = "42";
  assert.deepEqual(await signIn(oidc), known);
  fake.userinfoOf = "43";
  assert.match(await problemWith(signIn(oidc)), /"sub"/);
  fake.userinfoOf = undefined;
  fake.person = { ...ada, verified: false };
  assert.equal((await signIn(oidc)).verifiedEmail, undefined);
  const url = await oidc.authorizationUrl(attempt, AbortSignal.timeout(1000));
  assert.deepEqual(
    ["tenant", "scope", "nonce", "response_type"].map((key) => url.searchParams.get(key)),
    ["1", "openid email profile", attempt.nonce, "code"],
  );
});

test("what is said of an address counts for that address only, and Entra ID says it by a claim of its own", async () => {
  const told = async (
    claims: Readonly<Record<string, unknown>>,
    userinfo?: Readonly<Record<string, unknown>>,
  ): Promise<string | undefined> => {
    fake.flaws = { claims };
    fake.userinfoOf = userinfo && "42";
    fake.userinfoSays = userinfo ?? {};
    return (await signIn(freshOidc())).verifiedEmail;
  };
  const [proved, other] = ["ada@example.org", "other@example.org"];
  for (const yes of [true, "true"]) assert.equal(await told({ email_verified: yes }), proved);
  for (const no of [false, "false", null, "yes", [true], {}])
    assert.equal(await told({ email_verified: no }), undefined, JSON.stringify(no));
  // Only the token says that an address is verified, and only the other answer which.
  assert.equal(await told({ email_verified: true }, { email: other }), undefined);
  assert.equal(await told({ email_verified: true }, { email: other, email_verified: false }), undefined);
  assert.equal(await told({ email_verified: false }, { email: other, email_verified: true }), other);
  // Only the token names an address, and only the other answer says anything of it.
  assert.equal(await told({ email: other }, { email: proved, email_verified: true }), proved);
  assert.equal(await told({ email: other }, { email: undefined, email_verified: true }), undefined);
  for (const yes of [true, 1, "1", "true"])
    assert.equal(await told({ email_verified: undefined, xms_edov: yes }), proved);
  assert.equal(await told({ email_verified: false, xms_edov: true }), undefined);
  assert.equal(await told({ email_verified: undefined, xms_edov: "0" }), undefined);
});

test("a provider that takes the secret in the form only gets it there", async () => {
  fake.postOnly = true;
  assert.equal((await signIn(freshOidc())).subject, "42");
});

test("a code of another verifier or another address to come back to is refused", async () => {
  for (const provider of [github, freshOidc()]) {
    await problemWith(signIn(provider, { verifier: "w".repeat(43) }));
    await problemWith(signIn(provider, { redirectUri: "https://evil.example.org/" }));
  }
});

const now = Math.floor(Date.now() / 1000);
const flaws: Readonly<Record<string, readonly [TokenFlaws, RegExp]>> = {
  "of another issuer": [{ claims: { iss: "https://evil.example.org" } }, /"iss"/],
  "for another client": [{ claims: { aud: "another" } }, /"aud"/],
  "for several clients without saying which": [
    { claims: { aud: [fake.client.id, "another"] } },
    /"aud".*additional untrusted audiences/,
  ],
  "for us, but given to another client": [
    { claims: { aud: [fake.client.id, "another"], azp: "another" } },
    /"azp"/,
  ],
  "for us only, but given to another client": [{ claims: { azp: "another" } }, /for another client/],
  "of another attempt": [{ claims: { nonce: "another" } }, /"nonce"/],
  "without a nonce": [{ without: "nonce" }, /"nonce"/],
  "that is over": [{ claims: { exp: now - 120 } }, /"exp"/],
  "without an end": [{ without: "exp" }, /"exp"/],
  "from later on": [{ claims: { nbf: now + 600 } }, /"nbf"/],
  "without a subject": [{ without: "sub" }, /"sub"/],
  "with a subject that is no ASCII": [{ claims: { sub: "a\0b" } }, /subject/],
  "with an empty subject": [{ claims: { sub: "" } }, /subject/],
  "without a signature": [{ algorithm: "none" }, /"alg"/],
  "signed by the public key as a shared secret": [{ algorithm: "HS256" }, /"alg"/],
  "signed by a foreign key": [{ foreignKey: true }, /signature/],
  "longer than 64 KiB": [{ claims: { name: "x".repeat(64 * 1024) } }, /something else/],
};
for (const [what, [flaw, problem]] of Object.entries(flaws))
  test(`an ID token ${what} is refused`, async () => {
    fake.flaws = flaw;
    assert.match(await problemWith(signIn(freshOidc())), problem);
  });

test("the times in an ID token are compared with the injected clock", async () => {
  const other = new TestClock();
  const oidc = oidcProvider({ ...secrets, issuer, clock: other });
  // The token of the test provider expires after five minutes; one more is allowed for clocks that differ.
  other.advance(345_000);
  assert.equal((await signIn(oidc)).subject, "42");
  other.advance(20_000);
  assert.match(await problemWith(signIn(oidc)), /"exp"/);
  fake.flaws = { claims: { nbf: now + 300, exp: now + 600 } };
  assert.equal((await signIn(oidc)).subject, "42");
});

const hostileAnswers: Readonly<Record<string, readonly [string, unknown]>> = {
  "an access token that would break a header": [
    "/token",
    { access_token: "secret of\nnobody", token_type: "bearer", id_token: "eyJ" },
  ],
  "an access token longer than 16 KiB": [
    "/token",
    { access_token: "x".repeat(16_385), token_type: "bearer", id_token: "eyJ" },
  ],
  "no ID token": ["/token", { access_token: "access-token", token_type: "bearer" }],
  "more than 100 keys": ["/keys", { keys: Array.from({ length: 101 }, () => ({ kty: "EC" })) }],
  "a userinfo subject that is not ASCII": ["/userinfo", { sub: "secret of\0nobody" }],
};
for (const [what, [path, body]] of Object.entries(hostileAnswers))
  test(`an answer with ${what} is rejected, and the error does not contain it`, async () => {
    fake.userinfoOf = "42";
    fake.instead.set(path, JSON.stringify(body));
    assert.match(await problemWith(signIn(freshOidc())), /something else than was asked for/);
  });

test("an access token of an unknown type is rejected, and the error does not contain it", async () => {
  fake.tokenFields = { token_type: "mac" };
  assert.match(await problemWith(signIn(freshOidc())), /token_type/);
});

test("a signed userinfo answer is rejected", async () => {
  fake.userinfoOf = "42";
  fake.instead.set("/userinfo", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.");
  assert.match(await problemWith(signIn(freshOidc())), /no JSON/);
});

test("fields of a provider's answers that are not used change nothing", async () => {
  fake.metadata = {
    authorization_response_iss_parameter_supported: true,
    id_token_signing_alg_values_supported: ["RS256"],
    mtls_endpoint_aliases: { token_endpoint: "https://evil.example.org/token" },
  };
  fake.tokenFields = { expires_in: null, refresh_token: null, scope: null };
  assert.equal((await signIn(freshOidc())).subject, "42");
});

test("the callback address is sent with the code exactly as it was sent with the browser", async () => {
  const redirectUri = "HTTPS://Wrenn.example.org:443/auth/oauth/oidc/callback";
  const oidc = freshOidc();
  const url = await oidc.authorizationUrl({ ...attempt, redirectUri }, AbortSignal.timeout(30_000));
  assert.equal(url.searchParams.get("redirect_uri"), redirectUri);
  const { code } = fake.consent(url);
  const profile = await oidc.profile(code, { ...attempt, redirectUri }, AbortSignal.timeout(30_000));
  assert.equal(profile.subject, "42");
});

const faults: Readonly<Record<Exclude<TokenFault, "hang">, RegExp>> = {
  error: /(answered 500|refused the code) \(server_error\)$/,
  huge: /larger than/,
  redirect: /answered 307/,
  "no-json": /no JSON/,
  close: /does not answer/,
};
for (const [fault, problem] of Object.entries(faults))
  test(`a token endpoint with the fault "${fault}" is an error that tells no secret`, async () => {
    fake.tokenFault = fault as TokenFault;
    for (const provider of [github, freshOidc()]) assert.match(await problemWith(signIn(provider)), problem);
    assert.ok(!fake.asked.includes("/elsewhere"));
  });

test("a token endpoint that hangs is left when the caller leaves", async () => {
  fake.tokenFault = "hang";
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new Error("left")), 50);
  await problemWith(signIn(github, {}, leaving.signal));
});

test("whatever a provider answers, it is a profile within bounds or a failure", async () => {
  // Made of what is expected, so that it is not all refused at the first field.
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("a@b", "\0", "\ud800", "x".repeat(300)),
  );
  const anything = fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null), fc.jsonValue());
  const user = fc.record(
    { id: fc.oneof(fc.nat(), anything), login: anything, name: anything },
    { requiredKeys: [] },
  );
  const email = fc.record({ email: anything, primary: fc.boolean(), verified: fc.boolean() });
  const told = fc.record({
    sub: fc.constant("42"),
    email: anything,
    email_verified: anything,
    name: anything,
  });
  const paths = ["/user", "/user/emails", "/userinfo"] as const;
  const answers = fc.tuple(user, fc.oneof(fc.array(email), anything), fc.oneof(told, anything));
  const outcomes = { told: 0, failed: 0 };
  fake.userinfoOf = "42";
  const oidc = freshOidc();
  const isText = (one: string): boolean => one.isWellFormed() && !/\p{Cc}/u.test(one);
  try {
    await fc.assert(
      fc.asyncProperty(answers, async (bodies) => {
        for (const [at, path] of paths.entries()) fake.instead.set(path, JSON.stringify(bodies[at]));
        for (const provider of [github, oidc]) {
          const profile = await signIn(provider).catch((error: unknown) => error);
          if (WrennError.is(profile, "provider_failed")) {
            outcomes.failed++;
            continue;
          }
          const { subject, name, verifiedEmail = "a@b" } = profile as ProviderProfile;
          assert.match(subject, /^[ -~]{1,255}$/);
          assert.ok(isText(name) && name.length >= 1 && name.length <= 100, name);
          assert.ok(isText(verifiedEmail) && verifiedEmail.length <= 254, verifiedEmail);
          outcomes.told++;
        }
      }),
      { numRuns: 100 },
    );
  } finally {
    fake.instead.clear();
  }
  assert.ok(outcomes.told > 0 && outcomes.failed > 0, JSON.stringify(outcomes));
});

test("keys are kept, and asked for again when the provider has turned them, but not for every made-up key", async () => {
  const oidc = freshOidc();
  const askedForKeys = (): number => fake.asked.filter((path) => path === "/keys").length;
  /** Without changing the time of day, at which tokens expire. */
  const later = (ms: number): void => {
    clock.advance(ms);
    clock.advance(-ms);
  };
  const before = askedForKeys();
  await signIn(oidc);
  await signIn(oidc);
  assert.equal(askedForKeys() - before, 1);
  fake.turnKey();
  await problemWith(signIn(oidc));
  assert.equal(askedForKeys() - before, 1);
  clock.advance(31_000);
  await signIn(oidc);
  assert.equal(askedForKeys() - before, 2);
  // A key that the provider does not publish either is looked for once in that time.
  clock.advance(31_000);
  fake.instead.set("/keys", JSON.stringify({ keys: [] }));
  fake.turnKey();
  for (const _ of [1, 2]) assert.match(await problemWith(signIn(oidc)), /no applicable key/);
  assert.equal(askedForKeys() - before, 3);
  fake.instead.clear();
  clock.advance(31_000);
  await signIn(oidc);
  later(3_590_000);
  await signIn(oidc);
  assert.equal(askedForKeys() - before, 4);
  later(10_000);
  await signIn(oidc);
  assert.equal(askedForKeys() - before, 5);
});

test("a configuration of another issuer or with an endpoint of another kind is refused, and asked for again", async () => {
  const oidc = freshOidc();
  fake.metadata = { issuer: `${issuer}/other` };
  assert.match(await problemWith(signIn(oidc)), /another issuer/);
  fake.metadata = { token_endpoint: "file:///etc/passwd" };
  assert.match(await problemWith(signIn(oidc)), /without TLS/);
  fake.broken = true;
  assert.match(await problemWith(signIn(oidc)), /answered 503/);
  fake.broken = false;
  fake.metadata = {};
  assert.equal((await signIn(oidc)).subject, "42");
});
