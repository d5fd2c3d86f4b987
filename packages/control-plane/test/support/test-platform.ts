import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import type { Duplex } from "node:stream";
import { createControlPlane, ensureFirstTeam } from "@wrenn/control-plane";
import type {
  ControlPlane,
  ControlPlaneOptions,
  IdentityProvider,
  LocalHost,
  SignUpMode,
  Mail,
  MailTransport,
  RequestRates,
  RetentionRules,
} from "@wrenn/control-plane";
import { DAY_MS, defined, randomHex, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { Clock, LogFields, TrustedProxies } from "@wrenn/core";
import { usageQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { isPublicAddress } from "@wrenn/network";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { RouteSchemas } from "../../src/http/route-schemas.ts";
import { failingBuilder } from "./failing-builder.ts";

/** A clock that tests move: time passes, or somebody sets it back. */
export class TestClock implements Clock {
  #offset = 0;
  #passed = 0;
  now = (): number => systemClock.now() + this.#offset;
  monotonic = (): number => systemClock.monotonic() + this.#passed;
  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => await systemClock.sleep(ms, signal);

  advance(ms: number): void {
    // Who sets a clock back does not turn time back.
    this.#passed += Math.max(0, ms);
    this.#offset += ms;
  }
}

export const METRICS_TOKEN = "a".repeat(64);

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests say what they expect of it by their assertions.
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Person {
  readonly email: string;
  readonly password: string;
  readonly token: string;
  readonly cookie: string;
  readonly teamId: string;
  readonly userId: string;
}

/** Mails go the way that they go on a server, with or without a mail server. */
interface Outbox {
  readonly transport?: MailTransport;
}

export interface PlatformParts {
  readonly host?: FakeHostAgent;
  readonly identityProviders?: readonly IdentityProvider[];
  readonly rates?: Partial<RequestRates>;
  readonly outbox?: Outbox;
  readonly createAnswerMs?: number;
  /** Address of the dashboard. */
  readonly publicUrl?: string;
  /** Open, unless the test is about the others; `default` is what a server without the setting has. */
  readonly signUpMode?: SignUpMode | "default";
  readonly proxies?: TrustedProxies;
  readonly retention?: RetentionRules;
  readonly work?: NonNullable<ControlPlaneOptions["work"]>;
  readonly bodyLimits?: ControlPlaneOptions["bodyLimits"];
  /** Default: one that builds nothing. */
  readonly templateBuilder?: ControlPlaneOptions["templateBuilder"];
  readonly firstUse?: ControlPlaneOptions["firstUse"];
  readonly clientPackages?: ControlPlaneOptions["clientPackages"];
  readonly dashboard?: ControlPlaneOptions["dashboard"];
  readonly corsOrigins?: readonly string[];
  readonly execOutputBytes?: number;
}

/** The control plane on a database of its own, on top of a fake host. */
export class TestPlatform implements AsyncDisposable {
  readonly clock = new TestClock();
  readonly host: FakeHostAgent;
  readonly mails: Mail[] = [];
  readonly logged: { readonly event: string; readonly fields: LogFields }[] = [];
  readonly database: Database;
  readonly apiKey: string;
  /** What the operator has while there is no administrator. */
  firstAdminToken: string | undefined;
  /** Agents of hosts on other machines, by address. */
  readonly remote = new Map<string, FakeHostAgent>();
  /** Addresses that names of other services stand for. */
  readonly names = new Map<string, readonly string[]>();
  readonly schemas = new RouteSchemas();
  /** How ports of capsules are connected to: to a service that ends at once. */
  openPort: (port: number) => Promise<Duplex> = async () => new PassThrough().end();
  /** What a host's certificate waits for. */
  certifying: () => Promise<void> = async () => undefined;
  readonly #release: AsyncDisposableStack;
  readonly #parts: PlatformParts;
  readonly #settles = new Set<() => Promise<void>>();
  #url = "";
  #request: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;

  private constructor(
    parts: PlatformParts,
    database: Database,
    apiKey: string,
    release: AsyncDisposableStack,
  ) {
    this.host = parts.host ?? new FakeHostAgent();
    this.#parts = parts;
    this.database = database;
    this.apiKey = apiKey;
    this.#release = release;
  }

  static async start(parts: PlatformParts = {}): Promise<TestPlatform> {
    await using release = new AsyncDisposableStack();
    const files = release.use(await TestDatabase.migrated());
    const database = await files.open();
    release.defer(() => database.close());
    const { apiKey = "" } = await ensureFirstTeam(database, systemRandom);
    const platform = new TestPlatform(parts, database, apiKey, release.move());
    const { url, request } = await platform.serve({ id: systemRandom.uuid(), agent: platform.host });
    platform.#url = url;
    platform.#request = request;
    return platform;
  }

  get url(): string {
    return this.#url;
  }

  async call(
    method: string,
    path: string,
    options: {
      readonly body?: unknown;
      readonly token?: string;
      readonly key?: string;
      readonly cookie?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Another control plane than the first. */
      readonly url?: string;
    } = {},
  ): Promise<Answer> {
    const { body, token, key, cookie } = options;
    const response = await fetch((options.url ?? this.#url) + path, {
      method,
      redirect: "manual",
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...defined({ "x-api-key": key, cookie }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    await this.settle();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === "" ? {} : JSON.parse(text)) as Answer["body"],
    };
  }

  /** Waits for what requests left to do after their answers. */
  async settle(): Promise<void> {
    for (const settle of this.#settles) await settle();
  }

  async text(path: string): Promise<string> {
    return await (await fetch(this.#url + path)).text();
  }

  /** What the control plane does every ten seconds. */
  async sampleUsage(): Promise<void> {
    await usageQueries.sampleUsage(this.database.db, new Date(this.clock.now()));
  }

  /** Token of the newest mail to an address. */
  mailedToken(to: string): string {
    const link = this.mails.findLast((mail) => mail.to === to)?.link ?? "";
    return URL.parse(link)?.searchParams.get("token") ?? "";
  }

  /** Signs somebody up, activates them, and logs them in. */
  async person(name: string): Promise<Person> {
    const email = `${name}@example.org`;
    const password = `password of ${name}`;
    const signUp = await this.call("POST", "/v1/auth/signup", { body: { email, password, name } });
    assert.equal(signUp.status, 201, JSON.stringify(signUp.body));
    const active = await this.call("POST", "/v1/auth/activate", {
      body: { token: this.mailedToken(email) },
      cookie: refreshCookie(signUp),
    });
    assert.equal(active.status, 200, JSON.stringify(active.body));
    this.clock.advance(60_000);
    const { token, team_id: teamId, user_id: userId } = active.body;
    return {
      email,
      password,
      token: String(token),
      cookie: refreshCookie(active),
      teamId: String(teamId),
      userId: String(userId),
    };
  }

  /** Serves HTTP/2, too, in the way of the TLS port. @returns the URL. */
  async serveHttp2(): Promise<string> {
    const server = createHttp2Server((request, response) =>
      this.#request(request as unknown as IncomingMessage, response as unknown as ServerResponse),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#release.defer(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
  }

  /** Starts a control plane on the database, beside those there are; `close` ends it before the platform does. */
  async serve(
    localHost: LocalHost | undefined,
    instanceId = systemRandom.uuid(),
    {
      signUpMode = "open",
      publicUrl = "https://wrenn.example.org",
    }: Pick<PlatformParts, "signUpMode" | "publicUrl"> = this.#parts,
  ): Promise<{
    readonly url: string;
    readonly request: (request: IncomingMessage, response: ServerResponse) => void;
    readonly ports: ControlPlane["ports"];
    readonly close: () => Promise<void>;
  }> {
    const {
      rates = {},
      identityProviders = [],
      outbox,
      createAnswerMs,
      proxies,
      retention,
      work = {},
      bodyLimits,
      templateBuilder = failingBuilder,
      firstUse,
      clientPackages,
      dashboard,
      corsOrigins,
      execOutputBytes,
    } = this.#parts;
    const controlPlane = await createControlPlane({
      database: this.database,
      instanceId,
      localHost,
      connectHost: ({ address }) => this.remote.get(address) ?? assert.fail(`no host at ${address}`),
      certifier: {
        issue: async () => {
          await this.certifying();
          return {
            certPem: "certificate",
            caPem: "authority",
            fingerprint: randomHex(systemRandom, 32),
            expiresAt: new Date(this.clock.now() + 7 * DAY_MS),
          };
        },
      },
      times: { everyMs: 50, silentMs: 30_000, leaseMs: 20_000, answerMs: 5000 },
      outgoing: {
        resolve: async (host) => this.names.get(host) ?? assert.fail(`no name ${host}`),
        permits: (address) => address === "127.0.0.1" || isPublicAddress(address),
        plainHttp: true,
      },
      edge: {
        portOrigin: () => ({ scheme: "http", domain: "localhost", port: 8080 }),
        portUrl: () => "http://unused",
        portLink: () => "http://unused",
        openPort: async (_capsule, port) => await this.openPort(port),
        portEntrance: (capsule, port, login) =>
          `http://${port}-${capsule}.test/?${new URLSearchParams(login).toString()}`,
      },
      clock: this.clock,
      logger: {
        ...silentLogger,
        debug: (event, fields = {}) => void this.logged.push({ event, fields }),
        info: (event, fields = {}) => void this.logged.push({ event, fields }),
        warn: (event, fields = {}) => void this.logged.push({ event, fields }),
        error: (event, fields = {}) => void this.logged.push({ event, fields }),
      },
      random: systemRandom,
      rates,
      work,
      bodyLimits,
      templateBuilder,
      firstUse,
      clientPackages,
      dashboard,
      corsOrigins,
      execOutputBytes,
      metricsToken: METRICS_TOKEN,
      schemas: this.schemas,
      identityProviders,
      createAnswerMs,
      signUpMode: signUpMode === "default" ? undefined : signUpMode,
      proxies,
      retention,
      version: "0.0.0",
      ...(outbox
        ? { mailTransport: outbox.transport }
        : { mailer: { send: async (_db, mail) => void this.mails.push(mail) } }),
      keepFirstAdminToken: async (token) => void (this.firstAdminToken = token),
      publicUrl,
    });
    const { request, upgrade } = controlPlane.handlers;
    const server = createServer(request).on("upgrade", upgrade);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const settle = async (): Promise<void> => await controlPlane.settle();
    this.#settles.add(settle);
    let open = true;
    const close = async (): Promise<void> => {
      if (!open) return;
      open = false;
      this.#settles.delete(settle);
      server.closeAllConnections();
      const closed = new Promise((resolve) => server.close(resolve));
      // Ends sessions, without which the server would wait for them.
      await controlPlane.close();
      await closed;
    };
    this.#release.defer(close);
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      request,
      ports: controlPlane.ports,
      close,
    };
  }
}

/** The cookie pair that an answer sets. */
export function refreshCookie(answer: Answer): string {
  return answer.headers.get("set-cookie")?.split(";")[0] ?? "";
}

/** Reason of a refusal, from the error catalogue. */
export function reasonOf(answer: Answer): unknown {
  return (answer.body["error"] as { reason?: string } | undefined)?.reason;
}
