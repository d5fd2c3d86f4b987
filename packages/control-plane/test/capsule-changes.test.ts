import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { SettingsChange } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/** A host that refuses changes, or does something else first, when a test says so. */
class ChangingHost extends FakeHostAgent {
  before: () => Promise<void> = async () => undefined;

  override async changeSettings(id: string, change: SettingsChange, signal?: AbortSignal): Promise<void> {
    await this.before();
    await super.changeSettings(id, change, signal);
  }
}

const host = new ChangingHost();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());

const call = async (method: string, path: string, body?: object, key = platform.apiKey): Promise<Answer> =>
  await platform.call(method, path, { key, ...(body ? { body } : {}) });

async function created(body: object = {}): Promise<string> {
  const answer = await call("POST", "/v1/capsules", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["id"]);
}

const change = async (id: string, body: object): Promise<Answer> =>
  await call("PATCH", `/v1/capsules/${id}`, body);
const extend = async (id: string, body: object): Promise<Answer> =>
  await call("POST", `/v1/capsules/${id}/extend`, body);
const lastChange = (): unknown => host.changed.at(-1);

/** Events of a capsule, with who caused them. */
async function events(name: string): Promise<readonly string[]> {
  const { db } = platform.database;
  const rows = await db.selectFrom("events").select(["type", "resource_id", "actor"]).orderBy("id").execute();
  const { id: uuid } = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return rows.filter((row) => row.resource_id === uuid).map((row) => `${row.type} ${row.actor.type}`);
}

test("PATCH changes name, metadata, timeouts, auto_resume, the end of life and the network, all at once", async () => {
  const id = await created({ name: "before", metadata: { a: "1", b: "2" } });
  const changed = await change(id, {
    name: "after",
    metadata: { b: "3", c: "4", a: null },
    timeout_sec: 60,
    max_lifetime_sec: 7200,
    on_lifetime_end: "destroy",
    auto_resume: true,
    network: { egress: "deny", allow: ["192.0.2.1"] },
  });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  const { name, metadata, timeout_sec, max_lifetime_sec, on_lifetime_end, auto_resume } = changed.body;
  assert.deepEqual(
    { name, metadata, timeout_sec, max_lifetime_sec, on_lifetime_end, auto_resume },
    {
      name: "after",
      metadata: { b: "3", c: "4" },
      timeout_sec: 60,
      max_lifetime_sec: 7200,
      on_lifetime_end: "destroy",
      auto_resume: true,
    },
  );
  const network = { egress: "deny", allow: ["192.0.2.1"], deny: [] };
  assert.deepEqual((await call("GET", `/v1/capsules/${id}/network`)).body, network);
  assert.deepEqual(lastChange(), {
    id,
    timeoutSec: 60,
    maxLifetimeSec: 7200,
    onLifetimeEnd: "destroy",
    network,
    remainingSec: null,
  });
  assert.deepEqual((await call("GET", `/v1/capsules/${id}`)).body, changed.body);
  assert.equal((await call("GET", "/v1/capsules/before")).status, 400, "it is the name of none");
});

test("a change is an event capsule.updated by its caller, and an audit entry that names the fields", async () => {
  const id = await created({ name: "watched" });
  await change(id, { metadata: { secret: "value" }, timeout_sec: 5 });
  assert.deepEqual(await events("watched"), ["capsule.created api_key", "capsule.updated api_key"]);
  const entry = await platform.database.db
    .selectFrom("audit_log")
    .select("metadata")
    .where("action", "=", "update")
    .where("resource_id", "=", id)
    .executeTakeFirstOrThrow();
  assert.deepEqual(entry.metadata, { fields: "metadata, timeout_sec" });
});

test("a part that cannot be carried out leaves everything as it was, on the host and in the answer", async () => {
  const [id] = [await created({ name: "whole", timeout_sec: 30 }), await created({ name: "taken" })];
  const before = (await call("GET", `/v1/capsules/${id}`)).body;
  const asks = host.changed.length;
  for (const [body, status, reason] of [
    [{ timeout_sec: 5, name: "taken" }, 409, "capsule_name_taken"],
    [{ timeout_sec: 5, name: "stats" }, 409, "capsule_name_reserved"],
    [{ timeout_sec: 5, name: "not a name" }, 400, "invalid_field"],
    [{ timeout_sec: 5, metadata: { big: "x".repeat(16_384) } }, 400, "metadata_too_large"],
    [{ timeout_sec: 5, metadata: { kernel_version: "6" } }, 400, "metadata_reserved"],
    [{ timeout_sec: 5, network: { allow: ["no network"] } }, 400, "invalid_field"],
    [{ timeout_sec: 5, unknown: 1 }, 400, "invalid_field"],
    [{ timeout_sec: -1 }, 400, "invalid_field"],
    [{ on_lifetime_end: "explode" }, 400, "invalid_field"],
    [{}, 400, "nothing_to_change"],
  ] as const) {
    const refused = await change(id, body);
    assert.deepEqual(
      [refused.status, reasonOf(refused)],
      [status, reason],
      JSON.stringify(body).slice(0, 80),
    );
  }
  assert.equal(host.changed.length, asks, "the host was asked for nothing");
  host.before = async () => {
    throw new WrennError("host_unavailable", {});
  };
  assert.equal(reasonOf(await change(id, { timeout_sec: 5, metadata: { a: "1" } })), "host_unavailable");
  host.before = async () => undefined;
  assert.deepEqual((await call("GET", `/v1/capsules/${id}`)).body["timeout_sec"], before["timeout_sec"]);
  assert.equal((await call("GET", `/v1/capsules/${id}`)).body["metadata"], undefined);
});

test("what a host has taken is taken back when the name was given away in the meantime", async () => {
  const id = await created({ name: "slow", timeout_sec: 30 });
  host.before = async () => {
    host.before = async () => undefined;
    await created({ name: "coveted" });
  };
  const refused = await change(id, { name: "coveted", timeout_sec: 5 });
  assert.equal(reasonOf(refused), "capsule_name_taken");
  assert.deepEqual(lastChange(), { id, timeoutSec: 30 });
  assert.equal((await call("GET", "/v1/capsules/slow")).body["timeout_sec"], 30);
});

test("changes of one capsule that come at once are all carried out; the last that a host took is the one that is shown", async () => {
  const id = await created();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, at) => change(id, { metadata: { [`k${at}`]: "v" }, timeout_sec: at + 1 })),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const { body } = await call("GET", `/v1/capsules/${id}`);
  assert.equal(Object.keys(body["metadata"] as object).length, 10);
  assert.equal(host.changed.at(-1)?.timeoutSec, body["timeout_sec"]);
});

test("a paused capsule can be changed, a capsule that has ended cannot", async () => {
  const id = await created();
  await call("POST", `/v1/capsules/${id}/pause`);
  assert.equal((await change(id, { timeout_sec: 9, name: "asleep" })).body["timeout_sec"], 9);
  assert.equal((await change(id, { name: null })).body["name"], undefined);
  await call("DELETE", `/v1/capsules/${id}`);
  for (const refused of [await change(id, { name: "back" }), await extend(id, { from_now_sec: 60 })])
    assert.deepEqual([refused.status, reasonOf(refused)], [409, "capsule_ended"]);
  const unknown = await change(`cl-${"0".repeat(25)}`, { timeout_sec: 1 });
  assert.deepEqual([unknown.status, reasonOf(unknown)], [404, "capsule_not_found"]);
});

test("a key without the scope egress changes everything but the network", async () => {
  const { token } = await platform.person("scoped");
  const made = await platform.call("POST", "/v1/api-keys", { token, body: { name: "run", scopes: ["run"] } });
  const run = String(made.body["key"]);
  const capsule = await platform.call("POST", "/v1/capsules", { key: run, body: {} });
  const path = `/v1/capsules/${String(capsule.body["id"])}`;
  assert.equal((await call("PATCH", path, { timeout_sec: 5 }, run)).status, 200);
  const refused = await call("PATCH", path, { network: { egress: "allow" } }, run);
  assert.deepEqual([refused.status, reasonOf(refused)], [403, "scope_missing"]);
});

test("extend moves the end of the present run, later or to a time from now, and no further than 30 days", async () => {
  const id = await created({ max_lifetime_sec: 600 });
  const endOf = (answer: Answer): number => Date.parse(String(answer.body["lifetime_ends_at"]));
  const before = endOf(await call("GET", `/v1/capsules/${id}`));
  assert.equal(endOf(await extend(id, { by_sec: 300 })) - before, 300_000);
  assert.equal(endOf(await extend(id, { by_sec: 300 })) - before, 600_000);
  const soon = endOf(await extend(id, { from_now_sec: 60 })) - platform.clock.now();
  assert.ok(soon > 58_000 && soon <= 60_000, String(soon));
  assert.deepEqual(lastChange(), { id, remainingSec: 60 });
  for (const [body, reason] of [
    [{}, "invalid_field"],
    [{ by_sec: 1, from_now_sec: 1 }, "invalid_field"],
    [{ by_sec: 0 }, "invalid_field"],
    [{ by_sec: 2_592_000 }, "invalid_field"],
    [{ minutes: 5 }, "invalid_field"],
  ] as const) {
    const refused = await extend(id, body);
    assert.deepEqual([refused.status, reasonOf(refused)], [400, reason], JSON.stringify(body));
  }
  await call("POST", `/v1/capsules/${id}/pause`);
  assert.equal(reasonOf(await extend(id, { by_sec: 60 })), "capsule_not_running");
  await call("POST", `/v1/capsules/${id}/resume`);
  const again = endOf(await call("GET", `/v1/capsules/${id}`)) - platform.clock.now();
  assert.ok(again > 590_000, "the next run has the whole lifetime again");
  await extend(id, { by_sec: 3600 });
  await call("POST", `/v1/capsules/${id}/checkpoints`, {});
  const checkpoints = await call("GET", `/v1/capsules/${id}/checkpoints`);
  const [{ id: checkpoint } = { id: "" }] = checkpoints.body as unknown as { id: string }[];
  const restored = await call("POST", `/v1/capsules/${id}/checkpoints/${checkpoint}/restore`);
  const left = endOf(restored) - platform.clock.now();
  assert.ok(left > 590_000 && left <= 600_000, "so has one that was restored");
  const unlimited = await created();
  assert.equal(reasonOf(await extend(unlimited, { by_sec: 60 })), "lifetime_unlimited");
  assert.equal((await extend(unlimited, { from_now_sec: 60 })).status, 200);
});

test("a capsule that its host destroyed at the end of its lifetime is stopped, and has its event by the system", async () => {
  const id = await created({ name: "short", max_lifetime_sec: 60, on_lifetime_end: "destroy" });
  await host.destroyCapsule(id);
  await platform.settle();
  let status: unknown;
  for (let tries = 0; tries < 100 && status !== "stopped"; tries++) {
    ({ status } = (await call("GET", `/v1/capsules/${id}`)).body);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(status, "stopped");
  assert.deepEqual((await events("short")).at(-1), "capsule.destroyed system");
});
