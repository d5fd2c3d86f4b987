import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createControlPlane, ensureFirstTeam } from "@wrenn/control-plane";
import type { ControlPlane, Mail } from "@wrenn/control-plane";
import { FakeTemplateBuilder } from "@wrenn/control-plane/testing/template-builder";
import {
  formatId,
  parseId,
  randomHex,
  silentLogger,
  systemClock,
  systemRandom,
  WrennError,
} from "@wrenn/core";
import { apiKeyQueries, userQueries } from "@wrenn/database";
import type { Database, Role } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { openE2b } from "@wrenn/e2b";
import type { E2b } from "@wrenn/e2b";
import type { AdmittedTarget } from "@wrenn/edge";
import { FakeHostAgent } from "@wrenn/protocol/testing";

/** A control plane with the API of E2B on a database of its own, on top of a fake host. */
export class E2bLab implements AsyncDisposable {
  readonly host = new FakeHostAgent();
  readonly database: Database;
  readonly apiKey: string;
  /** Requests that were handed to the edge. */
  readonly served: AdmittedTarget[] = [];
  /** Reaches registries. */
  registryFetch: typeof fetch = async () => await Promise.reject(new Error("no registry is here"));
  controlPlane!: ControlPlane;
  e2b!: E2b;
  url = "";
  /** Where names below the domain are said to be reached. */
  origin: { scheme: "http" | "https"; domain: string; port: number } = {
    scheme: "http",
    domain: "wrenn.test",
    port: 8080,
  };
  readonly #hostId = systemRandom.uuid();
  /** Understands `echo` and `exit` between semicolons. */
  readonly builder = new FakeTemplateBuilder(() => this.#hostId);
  readonly #mails: Mail[] = [];
  readonly #release: AsyncDisposableStack;

  private constructor(database: Database, apiKey: string, release: AsyncDisposableStack) {
    this.database = database;
    this.apiKey = apiKey;
    this.#release = release;
  }

  static async start(): Promise<E2bLab> {
    await using release = new AsyncDisposableStack();
    const files = release.use(await TestDatabase.migrated());
    const database = await files.open();
    release.defer(() => database.close());
    await ensureFirstTeam(database, systemRandom);
    const apiKey = await issueKey(database);
    const lab = new E2bLab(database, apiKey, release.move());
    await lab.#serve();
    return lab;
  }

  /** What clients are given besides their own options. */
  get options() {
    return { apiKey: this.apiKey, apiUrl: this.url, sandboxUrl: this.url };
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
  }

  async #serve(): Promise<void> {
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
    this.e2b = await openE2b({
      services,
      edge: {
        serve: (target, _request, response) => {
          this.served.push(target);
          (response as ServerResponse).end("from the service");
        },
        serveUpgrade: (target, _request, _response, { socket }) => {
          this.served.push(target);
          socket.end("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nfrom the service");
        },
        find: async (id) => (await ports.find(id)) ?? assert.fail(new WrennError("capsule_not_found", {})),
      },
      origin: () => this.origin,
      publicUrl: "https://wrenn.example.org",
      registryFetch: async (input, init) => await this.registryFetch(input, init),
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
    });
    const { request, upgrade } = this.e2b.around(handlers);
    const server = createServer((incoming: IncomingMessage, response) => request(incoming, response));
    server.on("upgrade", upgrade);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#release.defer(async () => {
      server.closeAllConnections();
      const closed = new Promise((resolve) => server.close(resolve));
      await this.e2b.close();
      await controlPlane.close();
      await closed;
    });
  }
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
