/** What a provider needs to know of one attempt to sign in; all of it is used once. */
export interface SignInAttempt {
  /** Comes back with the browser. */
  readonly state: string;
  /** Comes back in the ID token. */
  readonly nonce: string;
  /** PKCE (RFC 7636): only its hash leaves before the code is exchanged. */
  readonly verifier: string;
  readonly redirectUri: string;
}

/** Somebody as a provider knows them. */
export interface ProviderProfile {
  /** Never given to somebody else by this issuer. */
  readonly subject: string;
  readonly name: string;
  /** Lower-cased; undefined unless the provider says that it belongs to this person. */
  readonly verifiedEmail: string | undefined;
}

/** How we are known to a provider. */
export interface ClientOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  /** For each answer, in milliseconds; 10 s without. */
  readonly answerMs?: number | undefined;
}

/** A service that people have accounts at. */
export interface IdentityProvider {
  /** In URLs, rows and answers. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Whose subjects these are: the same subject of another issuer is somebody else. */
  readonly issuer: string;
  /** Where the browser goes. @throws WrennError `provider_failed`. */
  authorizationUrl(attempt: SignInAttempt, signal: AbortSignal): Promise<URL>;
  /** Who it is that came back with this code. @throws WrennError `provider_failed`. */
  profile(code: string, attempt: SignInAttempt, signal: AbortSignal): Promise<ProviderProfile>;
}
