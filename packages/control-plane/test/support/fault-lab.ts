import assert from "node:assert/strict";
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ensureFirstTeam } from "@wrenn/control-plane";
import { parseId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { capsuleQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { DatabaseLink } from "./database-link.ts";
import { FakeHostAgent } from "@wrenn/protocol/testing";

/** Within this everything must be right again after a fault. */
const RIGHT_AGAIN_MS = 30_000;

/** Where the control plane is when the host has a request of it. */
export type Moment = "asked" | "done" | "answered";

export type Fault = "kill" | "cut";

interface Question {
  readonly seq: number;
  readonly method: "createCapsule" | "pauseCapsule" | "resumeCapsule" | "destroyCapsule";
  readonly args: readonly never[];
}

/** A control plane that can be killed, its database behind a link that can be cut, and a host that outlives both. */
export class FaultLab implements AsyncDisposable {
  readonly host = new FakeHostAgent();
  readonly database: Database;
  readonly link: DatabaseLink;
  readonly key: string;
  readonly #ids = { host: systemRandom.uuid(), controlPlane: systemRandom.uuid() };
  readonly #release: AsyncDisposableStack;
  #child: ChildProcess | undefined;
  #url = "";
  /** What happens when the host is asked this. */
  #trap: { readonly method: string; readonly moment: Moment; readonly fault: Fault } | undefined;

  private constructor(database: Database, link: DatabaseLink, key: string, release: AsyncDisposableStack) {
    this.database = database;
    this.link = link;
    this.key = key;
    this.#release = release;
  }

  static async start(): Promise<FaultLab> {
    await using release = new AsyncDisposableStack();
    const files = release.use(await TestDatabase.migrated());
    const database = await files.open();
    release.defer(() => database.close());
    const { apiKey = "" } = await ensureFirstTeam(database, systemRandom);
    const link = release.use(await DatabaseLink.to(await files.connectionUrl()));
    const lab = new FaultLab(database, link, apiKey, release.move());
    await lab.serve();
    return lab;
  }

  get url(): string {
    return this.#url;
  }

  /** Starts the control plane again. */
  async serve(): Promise<void> {
    const child = fork(
      join(import.meta.dirname, "control-plane-process.ts"),
      [this.link.url, this.#ids.host, this.#ids.controlPlane],
      { serialization: "advanced" },
    );
    this.#child = child;
    const ready = Promise.withResolvers<string>();
    child.once("exit", (code) => ready.reject(new Error(`the control plane ended: ${code}`)));
    child.on("message", (message: Question | { readonly url: string }) => {
      if ("url" in message) ready.resolve(message.url);
      else void this.#answer(child, message);
    });
    this.#url = await ready.promise;
  }

  /** Lets something happen at a moment of the next request of this kind: the control plane is killed, or loses its database. */
  trap(method: Question["method"], moment: Moment, fault: Fault = "kill"): void {
    this.#trap = { method, moment, fault };
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Resolves when the control plane has been killed. */
  async killed(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  /** @returns undefined when the control plane is gone before it answers. */
  async call(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> } | undefined> {
    try {
      const response = await fetch(this.#url + path, {
        method,
        headers: {
          "x-api-key": this.key,
          ...headers,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
      };
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
      return undefined;
    }
  }

  async create(): Promise<string> {
    const created = await this.call("POST", "/v1/capsules", {});
    assert.ok(created?.status === 201, `a capsule is created: ${JSON.stringify(created)}`);
    return String(created.body["id"]);
  }

  /**
   * Waits until nothing is under way any more and every capsule is what the host says of it.
   *
   * @returns statuses by id.
   */
  async rightAgain(): Promise<ReadonlyMap<string, string>> {
    let wrong: readonly string[] = [];
    await eventually(
      "everything is right again",
      async () => {
        wrong = await this.#wrong();
        return wrong.length === 0;
      },
      { timeoutMs: RIGHT_AGAIN_MS, intervalMs: 50, details: () => wrong },
    );
    const rows = await this.database.db.selectFrom("sandboxes").select(["id", "status"]).execute();
    return new Map(rows.map(({ id, status }) => [id, status]));
  }

  async status(publicId: string): Promise<string | undefined> {
    return (await capsuleQueries.findAnyCapsule(this.database.db, parseId("capsule", publicId)))?.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#release.disposeAsync();
  }

  async #wrong(): Promise<readonly string[]> {
    const { db } = this.database;
    const wrong: string[] = [];
    const operations = await db
      .selectFrom("operations")
      .select("kind")
      .where("state", "=", "running")
      .execute();
    wrong.push(...operations.map(({ kind }) => `${kind} under way`));
    const held = new Map(
      [...this.host.capsules].map(([id, { state }]) => [parseId("capsule", id), state as string]),
    );
    const rows = await db.selectFrom("sandboxes").select(["id", "status"]).execute();
    for (const { id, status } of rows) {
      const wanted = held.get(id);
      const right = wanted === undefined ? ["stopped", "error"].includes(status) : status === wanted;
      if (!right) wrong.push(`${id} is ${status} and ${wanted ?? "not there"} on its host`);
    }
    for (const id of held.keys())
      if (!rows.some((row) => row.id === id)) wrong.push(`${id} is on the host only`);
    return wrong;
  }

  async #answer(child: ChildProcess, { seq, method, args }: Question): Promise<void> {
    const reached = (moment: Moment): boolean => {
      if (this.#trap?.method !== method || this.#trap.moment !== moment) return false;
      const { fault } = this.#trap;
      this.#trap = undefined;
      if (fault === "kill") child.kill("SIGKILL");
      else this.link.cut();
      return fault === "kill";
    };
    const work = (): Promise<unknown> =>
      (this.host[method] as (...all: never[]) => Promise<unknown>)(...args);
    if (reached("asked")) return;
    const answer = await work().then(
      (value) => ({ seq, value }),
      (error: unknown) => ({ seq, problem: String(error) }),
    );
    if (reached("done")) return;
    if (child.connected) child.send(answer, () => undefined);
    reached("answered");
  }
}
