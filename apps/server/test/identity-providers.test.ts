import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@wrenn/core";
import { identityProviders, readSignIn } from "../src/config/identity-providers.ts";

const github = { WRENN_GITHUB_CLIENT_ID: "id", WRENN_GITHUB_CLIENT_SECRET: "secret" };
const oidc = {
  WRENN_OIDC_ISSUER: "https://login.example.org/realms/one",
  WRENN_OIDC_CLIENT_ID: "id",
  WRENN_OIDC_CLIENT_SECRET: "secret",
};

test("providers are those whose variables are set", () => {
  const namesOf = (env: Readonly<Record<string, string>>): readonly (readonly string[])[] =>
    identityProviders(readSignIn(env), systemClock).map(({ name, issuer }) => [name, issuer]);
  assert.deepEqual(namesOf({}), []);
  assert.deepEqual(namesOf({ WRENN_GITHUB_CLIENT_ID: "", WRENN_GITHUB_CLIENT_SECRET: " " }), []);
  assert.deepEqual(namesOf(github), [["github", "https://github.com"]]);
  assert.deepEqual(namesOf({ ...github, ...oidc }), [
    ["github", "https://github.com"],
    ["oidc", "https://login.example.org/realms/one"],
  ]);
  assert.deepEqual(namesOf({ ...oidc, WRENN_OIDC_ISSUER: "http://127.0.0.1:9000" }), [
    ["oidc", "http://127.0.0.1:9000"],
  ]);
});

test("half of the variables, and issuers that anybody could be, are refused by name without their values", () => {
  assert.throws(() => readSignIn({ WRENN_GITHUB_CLIENT_SECRET: "of mine" }), {
    message: "invalid request: WRENN_GITHUB_CLIENT_ID must be set as well",
  });
  assert.throws(() => readSignIn({ WRENN_OIDC_ISSUER: oidc.WRENN_OIDC_ISSUER }), {
    message: "invalid request: WRENN_OIDC_CLIENT_ID and WRENN_OIDC_CLIENT_SECRET must be set as well",
  });
  for (const issuer of [
    "login.example.org",
    "http://login.example.org",
    "https://a.example/?x=1",
    "file:///a",
  ])
    assert.throws(
      () => readSignIn({ ...oidc, WRENN_OIDC_ISSUER: issuer }),
      /WRENN_OIDC_ISSUER must be an https URL/,
    );
});
