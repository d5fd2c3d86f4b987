import { request } from "node:http";
import type { ClientRequest } from "node:http";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleSpec, CapsuleStatus, TemplateFacts } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { TestPlatform } from "./test-platform.ts";
import type { Answer } from "./test-platform.ts";

/** A host whose machines start when the test says so. */
export class SlowHostAgent extends FakeHostAgent {
  /** Creates that wait, by capsule. */
  readonly creating = new Map<string, () => void>();
  isSlow = false;
  /** Whether an abort ends a create, or comes too late for it. */
  heedsAborts = true;
  snapshotGate: Promise<void> = Promise.resolve();
  /** Of each snapshot that was asked for. */
  readonly snapshotSignals: (AbortSignal | undefined)[] = [];

  override async createCapsule(spec: CapsuleSpec, signal?: AbortSignal): Promise<CapsuleStatus> {
    if (this.isSlow) await this.#held(spec.id, signal);
    return await super.createCapsule(spec, this.heedsAborts ? signal : undefined);
  }

  override async forkCapsule(id: string, children: readonly CapsuleSpec[], signal?: AbortSignal) {
    if (this.isSlow) await this.#held(id, signal);
    return await super.forkCapsule(id, children, this.heedsAborts ? signal : undefined);
  }

  override async createSnapshot(
    ...[id, template, signal]: Parameters<FakeHostAgent["createSnapshot"]>
  ): Promise<TemplateFacts> {
    this.snapshotSignals.push(signal);
    await this.snapshotGate;
    return await super.createSnapshot(id, template, this.heedsAborts ? signal : undefined);
  }

  async #held(id: string, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.creating.set(id, resolve);
    if (this.heedsAborts) signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    try {
      await promise;
    } finally {
      this.creating.delete(id);
    }
  }
}

/**
 * A control plane on a slow host, with clients that leave it. Creates are answered when they are complete, however busy the machine
 * is, unless a time is given.
 */
export async function openLeavingClients({ createAnswerMs = 60_000 } = {}) {
  const host = new SlowHostAgent();
  const platform = await TestPlatform.start({ host, createAnswerMs });
  const { db } = platform.database;

  const call = (
    method: string,
    path: string,
    more: { body?: object; headers?: Record<string, string> } = {},
  ) => platform.call(method, path, { key: platform.apiKey, ...more });
  const create = (headers: Record<string, string> = {}, body: object = {}): Promise<Answer> =>
    call("POST", "/v1/capsules", { headers, body });

  /** A request on a new connection, which the test closes. */
  function send(path: string, headers: Record<string, string> = {}, body: object = {}): ClientRequest {
    const text = JSON.stringify(body);
    const outgoing = request(platform.url + path, {
      method: "POST",
      agent: false,
      headers: {
        "x-api-key": platform.apiKey,
        "content-type": "application/json",
        "content-length": text.length,
        ...headers,
      },
    });
    outgoing.on("error", () => {});
    outgoing.end(text);
    return outgoing;
  }

  /** Waits until a request that was sent has come to where it waits: many later ones are answered. */
  async function arrived(): Promise<void> {
    for (let later = 0; later < 20; later += 1) await live();
  }

  /** Ends it, with what a test that failed left waiting. */
  async function close(): Promise<void> {
    host.isSlow = false;
    for (const create of host.creating.values()) create();
    await platform[Symbol.asyncDispose]();
  }

  /** Waits for a create that the host was asked for. @returns the public id. */
  async function asked(): Promise<string> {
    return await eventually("the host is asked", () => [...host.creating.keys()].at(-1), { intervalMs: 5 });
  }

  async function rowOf(id: string) {
    return await db
      .selectFrom("sandboxes")
      .selectAll()
      .where("id", "=", parseId("capsule", id))
      .executeTakeFirstOrThrow();
  }

  async function unanswered(): Promise<number> {
    return (await db.selectFrom("unanswered_creates").select("sandbox_id").execute()).length;
  }

  /** Waits until the only client without an answer is known to have left. */
  async function left(): Promise<void> {
    await eventually("the client is known to have left", async () => {
      const rows = await db.selectFrom("unanswered_creates").select("due_at").execute();
      return rows.length === 1 && rows.every((row) => row.due_at !== null);
    });
  }

  async function live(): Promise<readonly string[]> {
    const { body } = await call("GET", "/v1/capsules");
    return (body as unknown as readonly { id: string }[]).map(({ id }) => id);
  }

  async function gone(id: string): Promise<void> {
    await eventually(`${id} is destroyed`, async () => {
      return (await rowOf(id)).status === "stopped" && !host.capsules.has(id);
    });
  }

  async function eventsOf(id: string): Promise<readonly string[]> {
    const rows = await db
      .selectFrom("events")
      .select(["type", "actor"])
      .where("resource_id", "=", parseId("capsule", id))
      .orderBy("id")
      .execute();
    return rows.map(({ type, actor }) => `${type} by ${actor.type}`);
  }

  async function auditOf(id: string) {
    const rows = await db
      .selectFrom("audit_log")
      .select(["action", "status", "metadata"])
      .where("resource_id", "=", id)
      .orderBy("seq")
      .execute();
    return rows.map(({ action, status, metadata }) => ({ action, status, ...metadata }));
  }

  return {
    host,
    platform,
    close,
    arrived,
    db,
    call,
    create,
    send,
    asked,
    rowOf,
    unanswered,
    left,
    live,
    gone,
    eventsOf,
    auditOf,
  };
}
