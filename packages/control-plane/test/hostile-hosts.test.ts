import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatId, parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleStatus, TemplateFacts } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* A host that joined and whose root is an attacker, or that a team brought: it reaches no capsule, template or account of others. */

/** Says what a test has it say. */
class LyingHost extends FakeHostAgent {
  claims: readonly TemplateFacts[] = [];
  listed: readonly CapsuleStatus[] = [];
  isMute = false;
  shape: { readonly vcpus: number; readonly memoryMib: number; readonly sizeBytes: number } | undefined;
  readonly released: string[] = [];
  readonly #observers = new Set<(status: CapsuleStatus) => void>();

  override async listTemplates(): Promise<readonly TemplateFacts[]> {
    if (this.isMute) await new Promise(() => undefined);
    return this.claims;
  }

  override async listCapsules(): Promise<readonly CapsuleStatus[]> {
    return [...(await super.listCapsules()), ...this.listed];
  }

  override async destroyCapsule(id: string): Promise<void> {
    this.released.push(id);
    if (this.isMute) await new Promise(() => undefined);
    await super.destroyCapsule(id);
  }

  override async createSnapshot(
    ...request: Parameters<FakeHostAgent["createSnapshot"]>
  ): Promise<TemplateFacts> {
    return { ...(await super.createSnapshot(...request)), ...this.shape };
  }

  override onChange(observer: (status: CapsuleStatus) => void): () => void {
    this.#observers.add(observer);
    const unsubscribe = super.onChange(observer);
    return () => {
      this.#observers.delete(observer);
      unsubscribe();
    };
  }

  claim(status: CapsuleStatus): void {
    for (const observer of this.#observers) observer(status);
  }
}

let platform: TestPlatform;
let admin: Person;
let owner: Person;
let hostile: LyingHost;
before(async () => {
  platform = await TestPlatform.start();
  admin = await platform.person("admin");
  owner = await platform.person("owner");
  const { db } = platform.database;
  await db
    .updateTable("users")
    .set({ is_admin: true })
    .where("id", "=", parseId("user", admin.userId))
    .execute();
  await db
    .updateTable("teams")
    .set({ is_byoc: true })
    .where("id", "=", parseId("team", owner.teamId))
    .execute();
  ({ agent: hostile } = await join(owner, { type: "byoc", team_id: owner.teamId }, "evil.example.org:8090"));
});
after(() => platform[Symbol.asyncDispose]());

const key = () => ({ key: platform.apiKey });
const as = async (who: Person, method: string, path: string, options: object = {}): Promise<Answer> =>
  await platform.call(method, path, { token: who.token, ...options });

async function join(
  who: Person,
  announced: object,
  address: string,
): Promise<{ id: string; agent: LyingHost; token: string; refreshToken: string }> {
  const agent = new LyingHost();
  platform.remote.set(address, agent);
  const { body } = await as(who, "POST", "/v1/hosts", { body: announced });
  const registered = await register(String(body["registration_token"]), address);
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  const { id } = registered.body["host"] as { id: string };
  const { token, refresh_token: refreshToken } = registered.body;
  await eventually("it is linked", () => agent.observers > 0);
  return { id, agent, token: String(token), refreshToken: String(refreshToken) };
}

const register = async (token: string, address: string, headers: object = {}): Promise<Answer> =>
  await platform.call("POST", "/v1/hosts/register", {
    headers: { ...headers },
    body: { token, address, csr_pem: "csr", arch: "amd64", cpu_cores: 64, memory_mb: 500_000, disk_gb: 9000 },
  });

const namesFor = async (options: object): Promise<readonly string[]> =>
  ((await platform.call("GET", "/v1/snapshots", options)).body as unknown as { name: string }[]).map(
    ({ name }) => name,
  );

test("template names that a host claims are nobody's: they are not listed, and reserve and replace nothing", async () => {
  const claim = { sizeBytes: 1, vcpus: 1, memoryMib: 512 };
  const made = await platform.call("POST", "/v1/capsules", { ...key(), body: {} });
  const body = { sandbox_id: made.body["id"], name: "ours" };
  assert.equal((await platform.call("POST", "/v1/snapshots", { ...key(), body })).status, 201);
  const { host_key: hostKey } = await platform.database.db
    .selectFrom("templates")
    .select("host_key")
    .where("name", "=", "ours")
    .executeTakeFirstOrThrow();
  hostile.claims = ["ours", "free", hostKey].map((name) => ({ ...claim, name }));
  const regular = await join(admin, { type: "regular" }, "10.1.1.1:8090");
  regular.agent.claims = hostile.claims;
  for (let round = 0; round < 2; round++)
    for (const options of [key(), { token: owner.token }, { token: admin.token }]) {
      const names = await namesFor(options);
      assert.ok(!names.includes("free") && !names.includes(hostKey), names.join(" "));
      assert.ok(names.filter((name) => name === "ours").length <= 1);
    }
  const admins = (await as(admin, "GET", "/v1/admin/templates")).body as unknown as { name: string }[];
  assert.deepEqual(admins.map(({ name }) => name).toSorted(), ["minimal", "ours"]);
  const started = await platform.call("POST", "/v1/capsules", { ...key(), body: { template: "ours" } });
  assert.equal(started.status, 201, JSON.stringify(started.body));
  const stolen = await platform.call("POST", "/v1/capsules", { ...key(), body: { template: hostKey } });
  assert.equal(reasonOf(stolen), "template_not_found", "the key of a team's template is not a name");
  const free = await platform.call("POST", "/v1/snapshots", { ...key(), body: { ...body, name: "free" } });
  assert.equal(free.status, 201, JSON.stringify(free.body));
  await platform.call("DELETE", `/v1/capsules/${String(started.body["id"])}`, key());
  for (const name of ["free", "ours"])
    assert.equal((await platform.call("DELETE", `/v1/snapshots/${name}`, key())).status, 204, name);
  hostile.claims = [];
  await as(admin, "DELETE", `/v1/hosts/${regular.id}?force=true`);
});

test("a host that does not answer delays no create of another team", async () => {
  hostile.isMute = true;
  const slow = await join(admin, { type: "regular" }, "10.1.1.2:8090");
  slow.agent.isMute = true;
  slow.agent.refusal = undefined;
  await as(admin, "POST", `/v1/hosts/${slow.id}/drain`, { body: { enabled: true } });
  for (let n = 0; n < 5; n++) {
    const began = performance.now();
    const { status, body } = await platform.call("POST", "/v1/capsules", { ...key(), body: {} });
    const took = performance.now() - began;
    assert.equal(status, 201);
    assert.ok(took < 2000, `create ${n} took ${took} ms`);
    await platform.call("DELETE", `/v1/capsules/${String(body["id"])}`, key());
  }
  hostile.isMute = false;
  await as(admin, "DELETE", `/v1/hosts/${slow.id}?force=true`);
});

test("a host reports and lists the capsules that are placed on it; what it says of others changes nothing", async () => {
  const { id, version } = await (async () => {
    const { body } = await platform.call("POST", "/v1/capsules", { ...key(), body: {} });
    const row = await platform.database.db
      .selectFrom("sandboxes")
      .select("version")
      .where("id", "=", parseId("capsule", String(body["id"])))
      .executeTakeFirstOrThrow();
    return { id: String(body["id"]), version: row.version };
  })();
  const real = platform.host.capsules.get(id) ?? assert.fail();
  for (const state of ["failed", "paused", "gone", "running"] as const)
    hostile.claim({ ...real, state, problem: "forged" });
  hostile.listed = [
    { ...real, state: "failed", problem: "forged" },
    { ...real, id: "cl-nonsense", state: "running" },
    { ...real, id: "'; drop table sandboxes; --", state: "running" },
    ...Array.from({ length: 2000 }, () => ({ ...real, id: formatId("capsule", crypto.randomUUID()) })),
  ];
  const own = await as(owner, "POST", "/v1/capsules", { body: {} });
  assert.equal(own.status, 201, JSON.stringify(own.body));
  const ownId = String(own.body["id"]);
  hostile.claim({ ...(hostile.capsules.get(ownId) ?? assert.fail()), state: "failed", problem: "real" });
  await eventually(
    "the report about its own capsule counts",
    async () => (await as(owner, "GET", `/v1/capsules/${ownId}`)).body["status"] === "error",
  );
  await eventually("it was compared with the database", () => hostile.released.includes(id));
  const row = await platform.database.db
    .selectFrom("sandboxes")
    .selectAll()
    .where("id", "=", parseId("capsule", id))
    .executeTakeFirstOrThrow();
  assert.deepEqual([row.status, row.problem, row.version], ["running", null, version]);
  assert.ok(platform.host.capsules.has(id), "only the host that lies was asked to release it");
  const lines = platform.logged.filter(({ event }) => event === "capsule.unknown");
  assert.ok(lines.length > 0 && lines.every(({ fields }) => fields["capsules"] === 2002), "one line a round");
  hostile.listed = [];
  await platform.call("DELETE", `/v1/capsules/${id}`, key());
});

test("reports are taken up to a limit, and lead to no more work than a large host", async () => {
  const own = await as(owner, "POST", "/v1/capsules", { body: {} });
  const id = String(own.body["id"]);
  const real = hostile.capsules.get(id) ?? assert.fail();
  const before_ = platform.logged.length;
  for (let n = 0; n < 200_000; n++) hostile.claim({ ...real, problem: `wait ${n}` });
  await eventually("some are dropped", () =>
    platform.logged.slice(before_).some(({ event }) => event === "host.reports_dropped"),
  );
  const lines = platform.logged.length - before_;
  assert.ok(lines < 50, `${lines} lines`);
  const { version } = await platform.database.db
    .selectFrom("sandboxes")
    .select("version")
    .where("id", "=", parseId("capsule", id))
    .executeTakeFirstOrThrow();
  assert.ok(version < 100, `the row was written ${version} times`);
  await as(owner, "DELETE", `/v1/capsules/${id}`);
});

test("a host that says each moment that a capsule waits or continues writes few events", async () => {
  const own = await as(owner, "POST", "/v1/capsules", { body: {} });
  const id = String(own.body["id"]);
  const real = hostile.capsules.get(id) ?? assert.fail();
  const countEvents = async (): Promise<number> => {
    const rows = await platform.database.db
      .selectFrom("events")
      .select("type")
      .where("resource_id", "=", parseId("capsule", id))
      .where("type", "in", ["capsule.stalled", "capsule.continued", "capsule.paused", "capsule.running"])
      .execute();
    return rows.length;
  };
  const eventsBefore = await countEvents();
  const end = performance.now() + 4000;
  for (let n = 0; performance.now() < end; n++) {
    const problem = n % 2 === 0 ? { problem: `wait ${n}` } : {};
    const status = { ...real, ...problem };
    // In its list and in its reports.
    hostile.capsules.set(id, status);
    hostile.claim(status);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const events = (await countEvents()) - eventsBefore;
  assert.ok(events >= 1 && events <= 2, `${events} events`);
  hostile.capsules.set(id, { ...real, problem: "it waits" });
  platform.clock.advance(5000);
  await eventually("the last word counts", async () => {
    const { body } = await as(owner, "GET", `/v1/capsules/${id}`);
    return body["problem"] === "it waits";
  });
  await as(owner, "DELETE", `/v1/capsules/${id}`);
});

test("what capsules of a template count for is not its host's to say", async () => {
  const own = await as(owner, "POST", "/v1/capsules", { body: { vcpus: 2, memory_mb: 1024 } });
  assert.equal(own.status, 201, JSON.stringify(own.body));
  for (const shape of [
    { vcpus: 0, memoryMib: 1, sizeBytes: 0 },
    { vcpus: 2 ** 40, memoryMib: 2 ** 40, sizeBytes: Number.MAX_SAFE_INTEGER },
  ]) {
    hostile.shape = shape;
    const body = { sandbox_id: own.body["id"], name: "shaped" };
    const made = await as(owner, "POST", "/v1/snapshots?overwrite=true", { body });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.deepEqual([made.body["vcpus"], made.body["memory_mb"]], [2, 1024]);
    assert.ok(Number(made.body["size_bytes"]) <= (1024 + 5120) * 2 ** 20);
  }
  hostile.shape = undefined;
});

test("use is counted by what the platform placed, whatever a host says its capsules are", async () => {
  const own = await as(owner, "POST", "/v1/capsules", { body: {} });
  const id = String(own.body["id"]);
  const real = hostile.capsules.get(id) ?? assert.fail();
  hostile.capsules.set(id, { ...real, vcpus: 9999, memoryMib: 9_999_999, lastActiveAt: 1e15 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await platform.sampleUsage();
  const { vcpus, memory } = await platform.database.db
    .selectFrom("sandboxes")
    .select(["vcpus", "memory_mb as memory"])
    .where("id", "=", parseId("capsule", id))
    .executeTakeFirstOrThrow();
  assert.deepEqual([vcpus, memory], [1, 512]);
  await as(owner, "DELETE", `/v1/capsules/${id}`);
});

test("a host of a team gets capsules of that team only, and the team uses no other", async () => {
  for (let n = 0; n < 3; n++) {
    const { body } = await platform.call("POST", "/v1/capsules", { ...key(), body: {} });
    assert.ok(!hostile.capsules.has(String(body["id"])));
    await platform.call("DELETE", `/v1/capsules/${String(body["id"])}`, key());
  }
});

test("a host is linked only where it may be: not in the networks of the control plane", async () => {
  const announce = async (): Promise<string> => {
    const { body } = await as(owner, "POST", "/v1/hosts", { body: { type: "byoc", team_id: owner.teamId } });
    return String(body["registration_token"]);
  };
  const token = await announce();
  for (const address of [
    "127.0.0.1:5432",
    "169.254.169.254:8090",
    "10.0.0.5:8090",
    "[::1]:8090",
    "8.8.8.8:22",
  ]) {
    const refused = await register(token, address);
    assert.equal(reasonOf(refused), "host_address_refused", address);
  }
  platform.remote.set("good.example.org:8090", new LyingHost());
  const good = await register(token, "good.example.org:8090");
  assert.equal(good.status, 201, "a refusal leaves the token as good as it was");
});

/** As if an hour had passed since the last renewal. */
async function endGrace(): Promise<void> {
  const inAnHour = new Date(platform.clock.now() + 3_600_000);
  const { numUpdatedRows } = await platform.database.db
    .updateTable("host_certificates")
    .set({ accepted_until: new Date(platform.clock.now()) })
    .where("accepted_until", "<=", inAnHour)
    .executeTakeFirst();
  assert.equal(numUpdatedRows, 1n);
}

test("credentials that were rotated end the old ones: tokens, refresh tokens, certificates and links", async () => {
  const host = await join(admin, { type: "regular" }, "10.1.1.3:8090");
  const beat = async (token: string): Promise<Answer> =>
    await platform.call("POST", `/v1/hosts/${host.id}/heartbeat`, { headers: { "x-host-token": token } });
  const refresh = async (refresh_token: string): Promise<Answer> =>
    await platform.call("POST", "/v1/hosts/auth/refresh", { body: { refresh_token, csr_pem: "csr" } });
  assert.equal((await beat(host.token)).status, 204);
  assert.equal(reasonOf(await as(owner, "POST", `/v1/hosts/${host.id}/rotate`)), "host_not_found");
  const renewed = await refresh(host.refreshToken);
  assert.equal((await beat(host.token)).status, 204, "the earlier ones are good for a while");
  await endGrace();
  assert.equal(reasonOf(await beat(host.token)), "host_token_invalid", "and not longer");
  assert.equal((await beat(String(renewed.body["token"]))).status, 204);
  const rotated = await as(admin, "POST", `/v1/hosts/${host.id}/rotate`);
  assert.equal(rotated.status, 201, JSON.stringify(rotated.body));
  assert.equal(reasonOf(await beat(String(renewed.body["token"]))), "host_token_invalid");
  assert.equal(reasonOf(await refresh(String(renewed.body["refresh_token"]))), "host_token_invalid");
  await eventually("its link is closed", () => host.agent.observers === 0);
  const accepted = await platform.database.db
    .selectFrom("host_certificates")
    .select("fingerprint")
    .where("host_id", "=", parseId("host", host.id))
    .execute();
  assert.deepEqual(accepted, []);
  const again = await register(String(rotated.body["registration_token"]), "10.1.1.3:8090");
  assert.equal(again.status, 201, JSON.stringify(again.body));
  assert.equal((again.body["host"] as { id: string }).id, host.id);
  await eventually("it is linked again", () => host.agent.observers > 0);
  assert.equal((await beat(String(again.body["token"]))).status, 204);
  await as(admin, "DELETE", `/v1/hosts/${host.id}?force=true`);
  await eventually("nothing of a deleted host stays open", () => host.agent.observers === 0);
});
