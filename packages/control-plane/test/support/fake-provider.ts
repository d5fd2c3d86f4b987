import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, UnsecuredJWT } from "jose";

export interface FakePerson {
  /** A number for GitHub. */
  readonly subject: string;
  readonly name: string;
  readonly email: string;
  readonly verified: boolean;
}

/** What goes wrong at the token endpoint. */
export type TokenFault = "error" | "hang" | "huge" | "redirect" | "no-json" | "close";

/** What is wrong with an ID token. */
export interface TokenFlaws {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly without?: string;
  readonly algorithm?: "none" | "HS256";
  /** Signed by a key that the provider does not publish, under the id of one that it does. */
  readonly foreignKey?: boolean;
}

interface Grant {
  readonly challenge: string;
  readonly nonce: string | undefined;
  readonly redirectUri: string;
}

const CLIENT = { id: "wrenn-client", secret: "secret of wrenn / client" };

/** GitHub and an OpenID Connect provider on one address: codes with PKCE, tokens, keys and profiles, and what can go wrong. */
export class FakeProvider implements AsyncDisposable {
  readonly client = CLIENT;
  person: FakePerson = { subject: "1", name: "Somebody", email: "somebody@example.org", verified: true };
  tokenFault: TokenFault | undefined;
  flaws: TokenFlaws = {};
  /** Addresses are told at the userinfo endpoint only, about this subject. */
  userinfoOf: string | undefined;
  /** What it says there of the address. */
  userinfoSays: Readonly<Record<string, unknown>> = { email_verified: true };
  /** The secret is taken in the form only. */
  postOnly = false;
  /** Replaces fields of the configuration. */
  metadata: Readonly<Record<string, unknown>> = {};
  /** Added to the answer of the token endpoint. */
  tokenFields: Readonly<Record<string, unknown>> = {};
  /** Nobody answers at all. */
  broken = false;
  /** What is answered instead, by path. */
  readonly instead = new Map<string, string>();
  readonly asked: string[] = [];
  readonly issuer: string;
  readonly #server: Server;
  readonly #grants = new Map<string, Grant>();
  #key = keyPair("first");

  private constructor(server: Server) {
    this.#server = server;
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakeProvider> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeProvider(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Signs by another key from now on. */
  turnKey(): void {
    this.#key = keyPair(randomBytes(4).toString("hex"));
  }

  /** What the browser brings back from the provider's page. */
  consent(authorizationUrl: URL): { readonly code: string; readonly state: string } {
    const query = authorizationUrl.searchParams;
    assert.equal(query.get("client_id"), CLIENT.id);
    assert.equal(query.get("code_challenge_method"), "S256");
    const code = randomBytes(8).toString("hex");
    this.#grants.set(code, {
      challenge: query.get("code_challenge") ?? "",
      nonce: query.get("nonce") ?? undefined,
      redirectUri: query.get("redirect_uri") ?? "",
    });
    return { code, state: query.get("state") ?? "" };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    this.asked.push(path);
    const json = (value: unknown, status = 200): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    if (this.broken) {
      json({}, 503);
      return;
    }
    const { issuer, person } = this;
    if (path === "/authorize") {
      const asked = new URL(request.url ?? "", issuer);
      const back = new URL(asked.searchParams.get("redirect_uri") ?? "");
      for (const [key, value] of Object.entries(this.consent(asked))) back.searchParams.set(key, value);
      response.writeHead(302, { location: back.href }).end();
      return;
    }
    const instead = this.instead.get(path);
    if (instead !== undefined) {
      response.writeHead(200, { "content-type": "application/json" }).end(instead);
      return;
    }
    switch (path) {
      case "/.well-known/openid-configuration":
        return json({
          issuer,
          authorization_endpoint: `${issuer}/authorize?tenant=1`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
          userinfo_endpoint: `${issuer}/userinfo`,
          ...(this.postOnly ? { token_endpoint_auth_methods_supported: ["client_secret_post"] } : {}),
          ...this.metadata,
        });
      case "/keys":
        return json({ keys: [{ ...this.#key.publicKey.export({ format: "jwk" }), kid: this.#key.id }] });
      case "/userinfo":
        assert.equal(request.headers.authorization, "Bearer access-token");
        return json({ sub: this.userinfoOf, email: person.email, ...this.userinfoSays });
      case "/user":
        assert.equal(request.headers.authorization, "Bearer access-token");
        return json({ id: Number(person.subject), login: "login-name", name: person.name || null });
      case "/user/emails":
        return json([
          { email: "old@example.org", primary: false, verified: true },
          { email: person.email, primary: true, verified: person.verified },
        ]);
      case "/token":
      case "/login/oauth/access_token":
        return await this.#token(request, response, json, path !== "/token");
      default:
        return json({}, 404);
    }
  }

  async #token(
    request: IncomingMessage,
    response: ServerResponse,
    json: (value: unknown, status?: number) => void,
    github: boolean,
  ): Promise<void> {
    const form = new URLSearchParams((await request.toArray()).join(""));
    switch (this.tokenFault) {
      case "error":
        return json({ error: "server_error" }, github ? 200 : 500);
      case "hang":
        return;
      case "huge":
        response.writeHead(200, { "content-type": "application/json" });
        response.write("x".repeat(300 * 1024));
        return;
      case "redirect":
        response.writeHead(307, { location: `${this.issuer}/elsewhere` }).end();
        return;
      case "no-json":
        response.end("<html>secret of nobody</html>");
        return;
      case "close":
        request.socket.destroy();
        return;
      case undefined:
    }
    const grant = this.#grants.get(form.get("code") ?? "");
    this.#grants.delete(form.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const right =
      grant?.challenge === challenge &&
      grant.redirectUri === form.get("redirect_uri") &&
      this.#isClient(request, form, github);
    if (!right) return json({ error: "invalid_grant" }, github ? 200 : 400);
    const tokens = { access_token: "access-token", token_type: "bearer" };
    json(github ? tokens : { ...tokens, id_token: await this.#idToken(grant.nonce), ...this.tokenFields });
  }

  #isClient(request: IncomingMessage, form: URLSearchParams, github: boolean): boolean {
    if (github || this.postOnly)
      return form.get("client_id") === CLIENT.id && form.get("client_secret") === CLIENT.secret;
    const [, basic = ""] = /^Basic (.*)$/.exec(request.headers.authorization ?? "") ?? [];
    const [id = "", secret = ""] = Buffer.from(basic, "base64").toString().split(":");
    const plain = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));
    // Some providers do not decode the id, so that letters which may stay as they are have to.
    return id === CLIENT.id && plain(secret) === CLIENT.secret && !form.has("client_secret");
  }

  async #idToken(nonce: string | undefined): Promise<string> {
    const { subject, name, email, verified } = this.person;
    const { claims, without, algorithm, foreignKey } = this.flaws;
    const now = Math.floor(Date.now() / 1000);
    const told = this.userinfoOf === undefined ? { name, email, email_verified: verified } : { name };
    const all: Record<string, unknown> = {
      iss: this.issuer,
      sub: subject,
      aud: CLIENT.id,
      iat: now,
      exp: now + 300,
      nonce,
      ...told,
      ...claims,
    };
    if (without !== undefined) delete all[without];
    if (algorithm === "none") return new UnsecuredJWT(all).encode();
    if (algorithm === "HS256") {
      // By the published key as a shared secret: what careless verifiers take.
      const shared = this.#key.publicKey.export({ type: "spki", format: "pem" });
      return await new SignJWT(all)
        .setProtectedHeader({ alg: "HS256", kid: this.#key.id })
        .sign(Buffer.from(shared));
    }
    const key = foreignKey === true ? keyPair("foreign").privateKey : this.#key.privateKey;
    return await new SignJWT(all).setProtectedHeader({ alg: "ES256", kid: this.#key.id }).sign(key);
  }
}

function keyPair(id: string): {
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
} {
  return { id, ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
}
