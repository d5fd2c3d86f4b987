import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatId, parseId, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { capsuleQueries, discardedTemplateQueries, templateQueries } from "@wrenn/database";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

let platform: TestPlatform;
let admin: Person;
let person: Person;
before(async () => {
  platform = await TestPlatform.start();
  admin = await platform.person("admin");
  await platform.database.db
    .updateTable("users")
    .set({ is_admin: true })
    .where("id", "=", parseId("user", admin.userId))
    .execute();
  person = await platform.person("person");
  await settled();
});
after(() => platform[Symbol.asyncDispose]());

const key = () => ({ key: platform.apiKey });
const body = (extra: object = {}) => ({ template: "minimal", ...extra });
const as = async (who: Person, method: string, path: string, options: object = {}): Promise<Answer> =>
  await platform.call(method, path, { token: who.token, ...options });

/** A few rounds of the monitor. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300));
}

const statusOf = async (id: string): Promise<unknown> =>
  (await platform.call("GET", `/v1/capsules/${id}`, key())).body["status"];

interface Joined {
  readonly id: string;
  readonly agent: FakeHostAgent;
  readonly token: string;
  readonly refreshToken: string;
  beat(): Promise<Answer>;
}

async function join(address: string): Promise<Joined> {
  const agent = new FakeHostAgent();
  platform.remote.set(address, agent);
  const announced = await as(admin, "POST", "/v1/hosts", { body: { type: "regular", provider: "test" } });
  assert.equal(announced.status, 201, JSON.stringify(announced.body));
  const registered = await platform.call("POST", "/v1/hosts/register", {
    body: registration(String(announced.body["registration_token"]), address),
  });
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  const { id } = registered.body["host"] as { id: string };
  const token = String(registered.body["token"]);
  await settled();
  return {
    id,
    agent,
    token,
    refreshToken: String(registered.body["refresh_token"]),
    beat: async () =>
      await platform.call("POST", `/v1/hosts/${id}/heartbeat`, { headers: { "x-host-token": token } }),
  };
}

function registration(token: string, address: string): object {
  return { token, address, csr_pem: "csr", arch: "amd64", cpu_cores: 64, memory_mb: 500_000, disk_gb: 9000 };
}

test("a host is announced, registers once, is seen by administrators only, and renews what it was given", async () => {
  assert.equal(
    reasonOf(await as(person, "POST", "/v1/hosts", { body: { type: "regular" } })),
    "admin_required",
  );
  const announced = await as(admin, "POST", "/v1/hosts", { body: { type: "regular" } });
  const token = String(announced.body["registration_token"]);
  const { id } = announced.body["host"] as { id: string };
  const newer = await as(admin, "POST", `/v1/hosts/${id}/token`);
  const register = async (with_: string): Promise<Answer> =>
    await platform.call("POST", "/v1/hosts/register", { body: registration(with_, "once:8090") });
  platform.remote.set("once:8090", new FakeHostAgent());
  assert.equal(reasonOf(await register(token)), "host_token_invalid", "an older token is worth nothing");
  const registered = await register(String(newer.body["registration_token"]));
  assert.equal(registered.status, 201);
  assert.equal(
    reasonOf(await register(String(newer.body["registration_token"]))),
    "host_token_invalid",
    "twice",
  );
  assert.equal(reasonOf(await as(admin, "POST", `/v1/hosts/${id}/token`)), "host_registered");
  assert.equal(reasonOf(await as(person, "GET", `/v1/hosts/${id}`)), "host_not_found");
  const list = (await as(person, "GET", "/v1/hosts")).body;
  assert.deepEqual(list, []);
  const refreshToken = String(registered.body["refresh_token"]);
  const refresh = async (refresh_token: string): Promise<Answer> =>
    await platform.call("POST", "/v1/hosts/auth/refresh", { body: { refresh_token, csr_pem: "csr" } });
  assert.equal((await refresh(refreshToken)).status, 200);
  const refreshed = await refresh(refreshToken);
  assert.equal(refreshed.status, 200, "the first answer may have got lost");
  assert.equal((await refresh(String(refreshed.body["refresh_token"]))).status, 200);
  assert.equal(reasonOf(await refresh(refreshToken)), "host_token_invalid", "its successor was used");
  const foreign = await platform.call(
    "POST",
    `/v1/hosts/${formatId("host", crypto.randomUUID())}/heartbeat`,
    {
      headers: { "x-host-token": String(refreshed.body["token"]) },
    },
  );
  assert.equal(reasonOf(foreign), "host_mismatch");
  const user = await platform.call("POST", `/v1/hosts/${id}/heartbeat`, {
    headers: { "x-host-token": admin.token },
  });
  assert.equal(reasonOf(user), "host_token_invalid", "a person's token is no host's");
  assert.equal((await as(admin, "DELETE", `/v1/hosts/${id}`)).status, 204);
  const gone = await platform.call("POST", `/v1/hosts/${id}/heartbeat`, {
    headers: { "x-host-token": String(refreshed.body["token"]) },
  });
  assert.equal(gone.status, 404, "the agent of a deleted host learns it");
});

test("a machine that has joined gets nothing for the token of another host, and the token stays good", async () => {
  const one = await join("joined-as-one:8090");
  const announced = await as(admin, "POST", "/v1/hosts", { body: { type: "regular" } });
  const { id } = announced.body["host"] as { id: string };
  const request = registration(String(announced.body["registration_token"]), "joined-as-other:8090");
  platform.remote.set("joined-as-other:8090", new FakeHostAgent());
  const register = async (host_id: string): Promise<Answer> =>
    await platform.call("POST", "/v1/hosts/register", { body: { ...request, host_id } });
  const refused = await register(one.id);
  assert.deepEqual([refused.status, reasonOf(refused)], [409, "host_joined_as_other"]);
  assert.equal((await register(id)).status, 201, "its own token");
  for (const host of [one.id, id]) await as(admin, "DELETE", `/v1/hosts/${host}`);
});

test("capsules go to the freest host; a host that cannot start one is passed over", async () => {
  const big = await join("big:8090");
  const made = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.ok(big.agent.capsules.has(String(made.body["id"])), "the bigger host has it");
  big.agent.refusal = new WrennError("machine_start_failed", { problem: "no reason" });
  const other = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  assert.equal(other.status, 201, JSON.stringify(other.body));
  assert.ok(platform.host.capsules.has(String(other.body["id"])), "the local host has it");
  big.agent.refusal = undefined;
  assert.equal(
    (await as(admin, "POST", `/v1/hosts/${big.id}/drain`, { body: { enabled: true } })).status,
    200,
  );
  assert.equal(big.agent.mayWait, false, "no machine waits on it from then on");
  await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  assert.equal(big.agent.capsules.size, 1, "a draining host gets no more");
  const refused = await as(admin, "DELETE", `/v1/hosts/${big.id}`);
  assert.equal(refused.status, 409);
  assert.deepEqual(refused.body["sandbox_ids"], [made.body["id"]]);
  assert.deepEqual((refused.body["error"] as { sandbox_ids: unknown }).sandbox_ids, [made.body["id"]]);
  assert.equal((await as(admin, "DELETE", `/v1/hosts/${big.id}?force=true`)).status, 204);
  assert.equal(big.agent.capsules.size, 0, "force destroys");
  assert.equal(await statusOf(String(made.body["id"])), "stopped");
});

test("machines may wait on a host unless it drains, and the metrics show how many wait on each", async () => {
  const host = await join("waiting:8090");
  const drain = async (enabled: boolean): Promise<void> => {
    const { status } = await as(admin, "POST", `/v1/hosts/${host.id}/drain`, { body: { enabled } });
    assert.equal(status, 200);
  };
  const shown = async (): Promise<string | undefined> => {
    const text = await (await fetch(`${platform.url}/metrics`)).text();
    return new RegExp(`^wrenn_host_waiting_machines\\{host="${host.id}"\\} (\\d+)$`, "m").exec(text)?.[1];
  };
  await eventually("the host reports what waits", async () => (await shown()) === "1");
  await drain(true);
  await eventually("nothing waits on it", async () => (await shown()) === "0");
  assert.equal(host.agent.mayWait, false);
  // As a host that was restarted meanwhile.
  host.agent.mayWait = true;
  await eventually("it is said again", () => !host.agent.mayWait);
  await drain(false);
  await eventually("machines wait again", async () => (await shown()) === "1");
  // One of an earlier version does not know the call.
  host.agent.allowWaiting = async () =>
    await Promise.reject(new WrennError("host_outdated", { what: "this" }));
  await eventually("it reports nothing", async () => (await shown()) === undefined);
  await as(admin, "DELETE", `/v1/hosts/${host.id}`);
});

test("a host with templates that were made on it is given up with force only, and they go with it", async () => {
  const host = await join("templates:8090");
  const { db } = platform.database;
  const id = crypto.randomUUID();
  await templateQueries.putTemplate(db, {
    id,
    teamId: parseId("team", person.teamId),
    name: "made-there",
    hostKey: `tpl-${id}`,
    hostId: parseId("host", host.id),
    vcpus: 1,
    memoryMib: 512,
    sizeBytes: 1,
    metadata: {},
    diskMib: 5120,
    envNames: [],
  });
  await discardedTemplateQueries.discardTemplate(
    db,
    { hostKey: "tpl-old", hostId: parseId("host", host.id) },
    60_000,
  );
  const preview = await as(admin, "GET", `/v1/hosts/${host.id}/delete-preview`);
  assert.deepEqual([preview.body["sandbox_ids"], preview.body["templates"]], [[], ["made-there"]]);
  const refused = await as(admin, "DELETE", `/v1/hosts/${host.id}`);
  assert.deepEqual([refused.status, reasonOf(refused)], [409, "host_has_templates"]);
  const list = async (): Promise<unknown[]> =>
    ((await as(person, "GET", "/v1/snapshots")).body as unknown as { name: string }[]).filter(
      ({ name }) => name === "made-there",
    );
  assert.equal((await list()).length, 1);
  assert.equal((await as(admin, "DELETE", `/v1/hosts/${host.id}?force=true`)).status, 204);
  assert.deepEqual(await list(), []);
  assert.deepEqual(await db.selectFrom("discarded_templates").selectAll().execute(), []);
});

test("capsules of a silent host are missing, and running again when it is back; what ended meanwhile has ended", async () => {
  const host = await join("flaky:8090");
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const made = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
    ids.push(String(made.body["id"]));
  }
  const [stays = "", lost = "", destroyed = ""] = ids;
  assert.ok(ids.every((id) => host.agent.capsules.has(id)));
  host.agent.cut = true;
  await settled();
  assert.equal(await statusOf(stays), "running", "nothing is concluded from a call that failed");
  await platform.database.db
    .updateTable("hosts")
    .set({ last_heartbeat_at: new Date(0) })
    .where("id", "=", parseId("host", host.id))
    .execute();
  await eventually("missing", async () => (await statusOf(stays)) === "missing");
  const exec = await platform.call("POST", `/v1/capsules/${stays}/exec`, { ...key(), body: { cmd: "true" } });
  assert.equal(exec.status, 503, JSON.stringify(exec.body));
  // Destroyed while nobody can ask the host: over for the team, and for the host as soon as it is back.
  assert.equal((await platform.call("DELETE", `/v1/capsules/${destroyed}`, key())).status, 204);
  host.agent.capsules.delete(lost);
  host.agent.cut = false;
  assert.equal((await host.beat()).status, 204);
  const turns = await platform.database.db
    .selectFrom("audit_log")
    .select("action")
    .where("resource_id", "=", host.id)
    .where("action", "like", "marked%")
    .orderBy("seq")
    .execute();
  assert.deepEqual(
    turns.map(({ action }) => action),
    ["marked_down", "marked_up"],
  );
  await eventually("running again", async () => (await statusOf(stays)) === "running");
  await eventually("lost one stopped", async () => (await statusOf(lost)) === "stopped");
  await eventually("destroyed one released", async () => !host.agent.capsules.has(destroyed));
  assert.equal(await statusOf(destroyed), "stopped");
  assert.ok(host.agent.capsules.has(stays));
  // A capsule that nobody knows is not ours to destroy.
  const stranger = formatId("capsule", crypto.randomUUID());
  const status = host.agent.capsules.get(stays) ?? assert.fail();
  host.agent.capsules.set(stranger, { ...status, id: stranger });
  await settled();
  assert.ok(host.agent.capsules.has(stranger));
  await as(admin, "DELETE", `/v1/hosts/${host.id}?force=true`);
});

test("a capsule that waits because its host's disk is full says so, and no longer when it continues", async () => {
  const host = await join("full:8090");
  const made = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  const id = String(made.body["id"]);
  const status = host.agent.capsules.get(id) ?? assert.fail();
  const problem = "the capsule waits: no space left on /var/lib/wrenn of its host";
  const shown = async (): Promise<unknown> =>
    (await platform.call("GET", `/v1/capsules/${id}`, key())).body["problem"];
  host.agent.capsules.set(id, { ...status, problem });
  await eventually("it says why it waits", async () => (await shown()) === problem);
  assert.equal(await statusOf(id), "running");
  host.agent.capsules.set(id, status);
  platform.clock.advance(5000);
  await eventually("it says nothing", async () => (await shown()) === undefined);
  await as(admin, "DELETE", `/v1/hosts/${host.id}?force=true`);
});

test("a capsule that was paused while it waited for the disk has no problem once it is resumed", async () => {
  const made = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  const id = String(made.body["id"]);
  await platform.call("POST", `/v1/capsules/${id}/pause`, key());
  await platform.database.db
    .updateTable("sandboxes")
    .set({ problem: "the capsule waits" })
    .where("id", "=", parseId("capsule", id))
    .execute();
  const { status, body: resumed } = await platform.call("POST", `/v1/capsules/${id}/resume`, key());
  assert.deepEqual([status, resumed["status"], resumed["problem"]], [200, "running", undefined]);
  await platform.call("DELETE", `/v1/capsules/${id}`, key());
});

test("a create that its control plane did not survive is settled by another one", async () => {
  const host = await join("survivor:8090");
  const second = await platform.serve(undefined);
  // The host takes its time; meanwhile the control plane that asked is gone without a word.
  const dead = crypto.randomUUID();
  const { db } = platform.database;
  const rows = [crypto.randomUUID(), crypto.randomUUID()];
  const [held = "", never = ""] = rows;
  // First of all, because the monitor may look at any moment.
  await host.agent.createCapsule({
    id: formatId("capsule", held),
    template: "minimal",
    vcpus: 1,
    memoryMib: 512,
    diskMib: 5120,
    timeoutSec: 0,
    envs: {},
  });
  const team = await db.selectFrom("api_keys").select("team_id").executeTakeFirstOrThrow();
  for (const id of rows) {
    await db
      .insertInto("sandboxes")
      .values({
        id,
        team_id: team.team_id,
        host_id: parseId("host", host.id),
        template: "minimal",
        status: "pending",
        vcpus: 1,
        memory_mb: 512,
        disk_mb: 5120,
        timeout_sec: 0,
        host_ip: null,
        problem: null,
        started_at: null,
        last_active_at: null,
      })
      .execute();
    await db
      .insertInto("operations")
      .values({
        id: crypto.randomUUID(),
        sandbox_id: id,
        kind: "create",
        owner: dead,
        problem: null,
        finished_at: null,
      })
      .execute();
  }
  await eventually(
    "settled",
    async () => (await capsuleQueries.findAnyCapsule(db, held))?.status === "running",
  );
  await eventually(
    "settled",
    async () => (await capsuleQueries.findAnyCapsule(db, never))?.status === "error",
  );
  const answer = await platform.call("GET", `/v1/capsules/${formatId("capsule", held)}`, {
    ...key(),
    url: second.url,
  });
  assert.equal(answer.body["status"], "running");
  await second.close();
});

test("two control planes share the hosts; the local host of one cannot be asked by the other", async () => {
  const second = await platform.serve(undefined);
  await settled();
  const shared = await platform.call("POST", "/v1/capsules", { ...key(), body: body(), url: second.url });
  assert.equal(shared.status, 201, JSON.stringify(shared.body));
  const id = String(shared.body["id"]);
  assert.equal((await platform.call("DELETE", `/v1/capsules/${id}`, key())).status, 204);
  const hosts = (await as(admin, "GET", "/v1/hosts")).body as unknown as { id: string; address?: string }[];
  for (const { id: hostId, address } of hosts)
    if (address !== undefined) await as(admin, "DELETE", `/v1/hosts/${hostId}?force=true`);
  const local = await platform.call("POST", "/v1/capsules", { ...key(), body: body() });
  assert.equal(local.status, 201);
  const elsewhere = await platform.call("POST", `/v1/capsules/${String(local.body["id"])}/exec`, {
    ...key(),
    body: { cmd: "true" },
    url: second.url,
  });
  assert.equal(elsewhere.status, 503, JSON.stringify(elsewhere.body));
  // The second one notices by itself that the others' hosts are gone.
  const create = async (): Promise<Answer> =>
    await platform.call("POST", "/v1/capsules", { ...key(), body: body(), url: second.url });
  await eventually("without hosts there is no place", async () => reasonOf(await create()) === "no_hosts");
});
