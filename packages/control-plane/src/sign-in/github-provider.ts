import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { ClientOptions, IdentityProvider } from "./identity-provider.ts";
import { emailOf, nameOf } from "./profile-fields.ts";
import { refusalOf, requestJson } from "./provider-request.ts";

const NAME = "github";
const API_VERSION = "2022-11-28";

const Token = Type.Object({ access_token: Type.String({ minLength: 1, maxLength: 4096 }) });
/** GitHub refuses codes with status 200. */
const Refusal = Type.Object({ error: Type.String() });
const User = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  login: Type.String(),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
const Emails = Type.Array(
  Type.Object({ email: Type.String(), primary: Type.Boolean(), verified: Type.Boolean() }),
);

export interface GithubOptions extends ClientOptions {
  /** Of the pages that people see; GitHub Enterprise has its own. */
  readonly webUrl?: string;
  readonly apiUrl?: string;
}

/** Accounts at GitHub (docs.github.com: "Authorizing OAuth apps", "REST API endpoints for users", "... for emails"). */
export function githubProvider(options: GithubOptions): IdentityProvider {
  const {
    clientId,
    clientSecret,
    answerMs,
    webUrl = "https://github.com",
    apiUrl = "https://api.github.com",
  } = options;
  return {
    name: NAME,
    title: "GitHub",
    issuer: webUrl,
    authorizationUrl: async ({ state, verifier, redirectUri }) => {
      const { calculatePKCECodeChallenge } = await import("openid-client");
      const url = new URL("/login/oauth/authorize", webUrl);
      url.search = new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: "user:email",
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      }).toString();
      return url;
    },
    profile: async (code, { verifier, redirectUri }, signal) => {
      const token = await requestJson(
        {
          provider: NAME,
          answerMs,
          url: new URL("/login/oauth/access_token", webUrl).href,
          form: {
            client_id: clientId,
            client_secret: clientSecret,
            code,
            redirect_uri: redirectUri,
            code_verifier: verifier,
          },
        },
        Type.Union([Token, Refusal]),
        signal,
      );
      if (!("access_token" in token))
        throw new WrennError("provider_failed", {
          provider: NAME,
          problem: `it refused the code${refusalOf(token)}`,
        });
      const headers = {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token.access_token}`,
        "x-github-api-version": API_VERSION,
      };
      const get = { provider: NAME, answerMs, headers };
      const user = await requestJson({ ...get, url: `${apiUrl}/user` }, User, signal);
      const emails = await requestJson({ ...get, url: `${apiUrl}/user/emails?per_page=100` }, Emails, signal);
      const primary = emails.find((one) => one.primary && one.verified);
      return {
        subject: String(user.id),
        name: nameOf(user.name, user.login),
        verifiedEmail: emailOf(primary?.email),
      };
    },
  };
}
