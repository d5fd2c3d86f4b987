import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { createControlPlane, ensureFirstTeam } from "@wrenn/control-plane";
import type { ControlPlane, Mail } from "@wrenn/control-plane";
import { FakeTemplateBuilder } from "@wrenn/control-plane/testing/template-builder";
import { formatId, parseId, randomHex, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { apiKeyQueries, userQueries } from "@wrenn/database";
import type { Database, Role } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { openE2b } from "@wrenn/e2b";
import type { E2b } from "@wrenn/e2b";
import { ClientConnections, createEdge, defaultListenerLimits, listenEdge } from "@wrenn/edge";
import type { CapsuleRoutes, CredentialChecks, Edge, ListenerLimits } from "@wrenn/edge";
import { FakeHostAgent } from "@wrenn/protocol/testing";

const DOMAIN = "wrenn.test";

/** A request as a service got it. */
interface ServedRequest {
  readonly host: string | undefined;
  readonly url: string | undefined;
}

/**
 * A control plane with the API of E2B on a database of its own, on top of a fake host, behind the real edge. Ports of sandboxes are those
 * of this machine's loopback interface.
 */
export class E2bLab implements AsyncDisposable {
  readonly host = new FakeHostAgent();
  readonly database: Database;
  readonly apiKey: string;
  /** Requests that reached the service at `servicePort`. */
  readonly served: ServedRequest[] = [];
  servicePort = 0;
  /** Reaches registries. */
  registryFetch: typeof fetch = async () => await Promise.reject(new Error("no registry is here"));
  controlPlane!: ControlPlane;
  e2b!: E2b;
  edge!: Edge;
  url = "";
  /** Where names below the domain are said to be reached. */
  origin: { scheme: "http" | "https"; domain: string; port: number } = {
    scheme: "http",
    domain: DOMAIN,
    port: 8080,
  };
  readonly #hostId = systemRandom.uuid();
  /** Understands `echo` and `exit` between semicolons. */
  readonly builder = new FakeTemplateBuilder(() => this.#hostId);
  readonly #mails: Mail[] = [];
  readonly #release: AsyncDisposableStack;
  #serving = new AsyncDisposableStack();

  private constructor(database: Database, apiKey: string, release: AsyncDisposableStack) {
    this.database = database;
    this.apiKey = apiKey;
    this.#release = release;
  }

  static async start(limits: Partial<ListenerLimits> = {}): Promise<E2bLab> {
    await using release = new AsyncDisposableStack();
    const files = release.use(await TestDatabase.migrated());
    const database = await files.open();
    release.defer(() => database.close());
    await ensureFirstTeam(database, systemRandom);
    const apiKey = await issueKey(database);
    const lab = new E2bLab(database, apiKey, release.move());
    const server = createServer(lab.#service);
    server.on("upgrade", (request, socket) => lab.#upgrade(request, socket));
    lab.servicePort = await lab.listen(server);
    await lab.#serve(limits);
    return lab;
  }

  /** What clients are given besides their own options. */
  get options() {
    return { apiKey: this.apiKey, apiUrl: this.url, sandboxUrl: this.url };
  }

  /** Listens on the loopback interface until the lab ends; returns the port. */
  async listen(server: ReturnType<typeof createServer>): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#release.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  /** A request as clients write it, without one. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = { "x-api-key": this.apiKey },
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> }> {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }

  /** Another server with the same database and host. */
  async restart(): Promise<void> {
    await this.#serving.disposeAsync();
    this.#serving = new AsyncDisposableStack();
    await this.#serve({});
  }

  /** Signs somebody up who joins the first team. @returns the headers of their requests in it. */
  async person(name: string, role: Role): Promise<Readonly<Record<string, string>>> {
    const email = `${name}@example.org`;
    const signUp = await this.call("POST", "/v1/auth/signup", {
      email,
      password: `password of ${name}`,
      name,
    });
    // The mail is sent behind the answer.
    await this.controlPlane.settle();
    const link = this.#mails.findLast(({ to }) => to === email)?.link ?? "";
    const active = await this.call(
      "POST",
      "/v1/auth/activate",
      { token: URL.parse(link)?.searchParams.get("token") },
      { cookie: signUp.headers.get("set-cookie")?.split(";")[0] ?? "" },
    );
    const { id: teamId } = await firstTeam(this.database);
    assert.equal(active.status, 200, JSON.stringify(active.body));
    const userId = parseId("user", String(active.body["user_id"]));
    await userQueries.insertMembership(this.database.db, { userId, teamId, role, isDefault: false });
    const authorization = `Bearer ${String(active.body["token"])}`;
    const switched = await this.call(
      "POST",
      "/v1/auth/switch-team",
      { team_id: formatId("team", teamId) },
      { authorization },
    );
    assert.equal(switched.status, 200, JSON.stringify(switched.body));
    return { authorization: `Bearer ${String(switched.body["token"])}` };
  }

  /** Creates a sandbox. @returns the answer, and its id. */
  async created(fields: object = {}): Promise<Record<string, unknown> & { readonly id: string }> {
    const { status, body } = await this.call("POST", "/v2/sandboxes", { templateID: "minimal", ...fields });
    assert.equal(status, 201, JSON.stringify(body));
    return { ...body, id: String(body["sandboxID"]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serving.disposeAsync();
    await this.#release.disposeAsync();
  }

  readonly #service: RequestListener = ({ headers: { host }, url }, response) => {
    this.served.push({ host, url });
    response.end("from the service");
  };

  #upgrade({ headers: { host }, url }: IncomingMessage, socket: Duplex): void {
    this.served.push({ host, url });
    socket.end("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nfrom the service");
  }

  async #serve(limits: Partial<ListenerLimits>): Promise<void> {
    const controlPlane = await createControlPlane({
      database: this.database,
      instanceId: systemRandom.uuid(),
      localHost: { id: this.#hostId, agent: this.host },
      times: { everyMs: 50, silentMs: 30_000, leaseMs: 20_000, answerMs: 5000 },
      edge: {
        portOrigin: () => ({ scheme: "http", domain: "localhost", port: 8080 }),
        portUrl: () => "http://unused",
        portLink: () => "http://unused",
        openPort: async () => await Promise.reject(new Error("no port is opened here")),
        portEntrance: () => "http://unused",
      },
      templateBuilder: this.builder,
      signUpMode: "open",
      mailer: { send: async (_db, mail) => void this.#mails.push(mail) },
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
      version: "0.0.0",
      publicUrl: "https://wrenn.example.org",
    });
    this.controlPlane = controlPlane;
    const { ports, services, handlers } = controlPlane;
    const shared = { clock: systemClock, logger: silentLogger, random: systemRandom };
    const edge = (this.edge = createEdge({
      ...shared,
      domains: [DOMAIN],
      capsules: loopbackRoutes(ports),
      credentials: publicOnly(ports),
      linkKey: new Uint8Array(32).fill(7),
      limits: { waitForPortMs: 250 },
    }));
    const stopObserving = ports.observe((id) => edge.invalidate(id));
    this.e2b = await openE2b({
      services,
      edge,
      origin: () => this.origin,
      publicUrl: "https://wrenn.example.org",
      ...shared,
      registryFetch: async (input, init) => await this.registryFetch(input, init),
    });
    const { request, upgrade } = this.e2b.around(handlers);
    const server = await listenEdge({
      ...shared,
      edge,
      host: "127.0.0.1",
      port: 0,
      connections: new ClientConnections({ ...defaultListenerLimits, ...limits }, systemClock),
      fallback: {
        request: (incoming, response) => request(incoming as IncomingMessage, response as ServerResponse),
        upgrade,
      },
    });
    this.url = `http://127.0.0.1:${server.port}`;
    this.#serving.defer(async () => {
      stopObserving();
      edge.close();
      await server.close();
      await this.e2b.close();
      await controlPlane.close();
    });
  }
}

/** Where ports of running sandboxes are. */
function loopbackRoutes(ports: ControlPlane["ports"]): CapsuleRoutes {
  return {
    find: async (id) => {
      const route = await ports.find(id);
      return route && { ...route, address: route.status === "running" ? "127.0.0.1" : undefined };
    },
    resume: async (id) => await ports.resume(id),
  };
}

/** No credentials of the platform itself. */
function publicOnly(ports: ControlPlane["ports"]): CredentialChecks {
  const none = async (): Promise<undefined> => undefined;
  return {
    apiKey: none,
    bearer: none,
    session: none,
    link: none,
    publicPort: ({ capsuleId, port }) => ports.admitsPublic(capsuleId, port),
  };
}

/** A key in the form that clients of E2B take, for the first team. */
async function issueKey({ db }: Pick<Database, "db">): Promise<string> {
  const key = `e2b_${randomHex(systemRandom, 20)}`;
  const { id: teamId } = await firstTeam({ db });
  const id = systemRandom.uuid();
  const hashed = hash("sha256", key, "hex");
  await apiKeyQueries.insertApiKey(db, {
    id,
    teamId,
    name: "clients",
    hash: hashed,
    prefix: key.slice(0, 10),
  });
  return key;
}

async function firstTeam({ db }: Pick<Database, "db">): Promise<{ readonly id: string }> {
  const teams = db.selectFrom("teams").select("id").where("slug", "<>", "platform");
  return await teams.orderBy("created_at").executeTakeFirstOrThrow();
}
