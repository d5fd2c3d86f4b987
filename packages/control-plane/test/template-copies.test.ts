import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { formatId, parseId, silentLogger, systemClock, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { Fleet } from "../src/hosts/fleet.ts";
import { METRICS_TOKEN, reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/* Templates that hosts copy from each other: hosts in memory, and a real database. On both databases: rows of copies are written by races. */

const NAME = "copied";
const BLOCKS = 8;

let platform: TestPlatform;
let admin: Person;
/** The host of the platform's own process, which makes the templates, and two that joined it. */
let own: string;
const far: { readonly id: string; readonly agent: FakeHostAgent }[] = [];

before(async () => {
  platform = await TestPlatform.start({ createAnswerMs: 1500 });
  admin = await platform.person("admin");
  const { db } = platform.database;
  await db
    .updateTable("users")
    .set({ is_admin: true })
    .where("id", "=", parseId("user", admin.userId))
    .execute();
  own = (await db.selectFrom("hosts").select("id").executeTakeFirstOrThrow()).id;
  for (const address of ["one:8090", "two:8090"]) far.push(await join(address));
});
after(() => platform[Symbol.asyncDispose]());

beforeEach(async () => {
  for (const { agent } of [...far, { agent: platform.host }]) {
    agent.cut = false;
    agent.refusal = undefined;
    agent.copies.refusal = undefined;
    agent.copies.gate = async () => undefined;
    agent.copies.begun.length = 0;
    agent.copies.blocks = 0;
  }
  await admit(own, ...far.map(({ id }) => id));
});

async function join(address: string): Promise<{ readonly id: string; readonly agent: FakeHostAgent }> {
  const agent = new FakeHostAgent();
  platform.remote.set(address, agent);
  const token = { token: admin.token };
  const announced = await platform.call("POST", "/v1/hosts", { ...token, body: { type: "regular" } });
  const registered = await platform.call("POST", "/v1/hosts/register", {
    body: {
      token: String(announced.body["registration_token"]),
      address,
      csr_pem: "csr",
      arch: "amd64",
      cpu_cores: 64,
      memory_mb: 500_000,
      disk_gb: 9000,
    },
  });
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  await eventually("the control plane has connected to it", async () => agent.observers > 0);
  return { id: parseId("host", (registered.body["host"] as { readonly id: string }).id), agent };
}

const call = async (method: string, path: string, body?: object): Promise<Answer> =>
  await platform.call(method, path, { key: platform.apiKey, ...(body && { body }) });
const messageOf = (answer: Answer): string =>
  (answer.body["error"] as { readonly message?: string } | undefined)?.message ?? "";
const first = (): (typeof far)[number] => far[0] ?? assert.fail();
const second = (): (typeof far)[number] => far[1] ?? assert.fail();

/** Lets capsules be placed on these hosts only. */
async function admit(...hosts: readonly string[]): Promise<void> {
  const { db } = platform.database;
  await db.updateTable("hosts").set({ status: "draining" }).execute();
  await db.updateTable("hosts").set({ status: "online" }).where("id", "in", hosts).execute();
}

/** A template on the platform's own host. */
async function template(name = NAME): Promise<string> {
  await admit(own);
  const { body } = await call("POST", "/v1/capsules", { template: "minimal" });
  const made = await call("POST", "/v1/snapshots", { sandbox_id: body["id"], name });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await call("DELETE", `/v1/capsules/${String(body["id"])}`);
  await admit(own, ...far.map(({ id }) => id));
  const row = await platform.database.db
    .selectFrom("templates")
    .select("host_key")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return row.host_key;
}

async function create(name = NAME): Promise<Answer> {
  return await call("POST", "/v1/capsules", { template: name });
}

async function hostOf(answer: Answer): Promise<string | null> {
  const id = parseId("capsule", String(answer.body["id"]));
  const { db } = platform.database;
  return (await db.selectFrom("sandboxes").select("host_id").where("id", "=", id).executeTakeFirstOrThrow())
    .host_id;
}

async function copiesOf(hostKey: string): Promise<readonly string[]> {
  const { db } = platform.database;
  const rows = await db
    .selectFrom("template_copies")
    .select("host_id")
    .where("host_key", "=", hostKey)
    .execute();
  return rows.map(({ host_id }) => host_id);
}

async function destroyAll(): Promise<void> {
  const { body } = await call("GET", "/v1/capsules");
  for (const { id } of body as unknown as readonly { readonly id: string }[])
    await call("DELETE", `/v1/capsules/${id}`);
}

/** Removes the template with its capsules. */
async function clean(name = NAME): Promise<void> {
  await destroyAll();
  const deleted = await call("DELETE", `/v1/snapshots/${name}`);
  assert.equal(deleted.status, 204, JSON.stringify(deleted.body));
}

test("a host that has the template is preferred, and one without it is chosen when that is full", async () => {
  const hostKey = await template();
  const { db } = platform.database;
  for (let n = 0; n < 3; n++) assert.equal(await hostOf(await create()), own);
  const { memory_mb } = await db
    .selectFrom("hosts")
    .select("memory_mb")
    .where("id", "=", own)
    .executeTakeFirstOrThrow();
  await db.updateTable("hosts").set({ memory_mb: 1025 }).where("id", "=", own).execute();
  const made = await create();
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const host = await hostOf(made);
  assert.ok(host !== own && host !== null);
  assert.deepEqual(await copiesOf(hostKey), [host]);
  assert.equal(await hostOf(await create()), host, "the copy is preferred now");
  await db.updateTable("hosts").set({ memory_mb }).where("id", "=", own).execute();
  await clean();
});

test("creates at once cause one copy, and say how far it is until they run", async () => {
  const hostKey = await template();
  await admit(first().id);
  const gate = Promise.withResolvers<void>();
  let blocks = 0;
  platform.host.copies.gate = async () => {
    if (++blocks > 5) await gate.promise;
  };
  const made = await Promise.all([create(), create()]);
  const ids = made.map(({ status, body }) => {
    assert.deepEqual([status, body["status"]], [201, "pending"]);
    return String(body["id"]);
  });
  for (const id of ids)
    await eventually("it says how far the copy is", async () => {
      const { body } = await call("GET", `/v1/capsules/${id}`);
      const progress = body["progress"] as Record<string, unknown> | undefined;
      return (
        progress?.["phase"] === "copying_template" &&
        progress["done_bytes"] === 5000 &&
        progress["total_bytes"] === BLOCKS * 1000
      );
    });
  gate.resolve();
  for (const id of ids)
    await eventually("it runs", async () => {
      const { body } = await call("GET", `/v1/capsules/${id}`);
      return body["status"] === "running" && body["progress"] === undefined;
    });
  assert.deepEqual(first().agent.copies.begun, [hostKey]);
  assert.equal(first().agent.copies.blocks, BLOCKS);
  assert.deepEqual(await copiesOf(hostKey), [first().id]);
  const discarded = await platform.database.db.selectFrom("discarded_templates").selectAll().execute();
  assert.deepEqual(discarded, []);
  const text = await (
    await fetch(`${platform.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } })
  ).text();
  assert.match(text, /wrenn_template_copies_total\{result="copied"\} [1-9]/);
  assert.match(text, /wrenn_template_copy_bytes_total [1-9]/);
  await clean();
});

test("a copy that is cut off continues where it ended, and one that cannot continue is a typed error", async () => {
  const hostKey = await template();
  await admit(first().id);
  let blocks = 0;
  platform.host.copies.gate = async () => {
    if (++blocks === 3) throw new WrennError("host_unavailable", {});
  };
  const made = await create();
  await eventually("it runs", async () => {
    const { body } = await call("GET", `/v1/capsules/${String(made.body["id"])}`);
    return body["status"] === "running";
  });
  assert.equal(first().agent.copies.blocks, BLOCKS, "nothing was sent twice");
  assert.equal(first().agent.copies.begun.length, 1);

  await admit(second().id);
  second().agent.copies.refusal = new WrennError("disk_full", { path: "/var/lib/wrenn" });
  const full = await create();
  assert.deepEqual([full.status, reasonOf(full)], [502, "disk_full"], JSON.stringify(full.body));
  second().agent.copies.refusal = new WrennError("host_unavailable", {});
  const failed = async (): Promise<string> => {
    const answer = await create();
    if (answer.status !== 201) return messageOf(answer);
    const id = String(answer.body["id"]);
    await eventually(
      "it failed",
      async () => (await call("GET", `/v1/capsules/${id}`)).body["status"] === "error",
    );
    return String((await call("GET", `/v1/capsules/${id}`)).body["problem"]);
  };
  const host = formatId("host", second().id);
  assert.match(await failed(), new RegExp(`template copied could not be copied to host ${host}`));
  assert.deepEqual(await copiesOf(hostKey), [first().id]);
  await clean();
});

test("when no host that has the template can be asked, the error names them", async () => {
  const hostKey = await template();
  await admit(first().id);
  platform.host.cut = true;
  const made = await create();
  const names = new RegExp(`no host that has template copied answers: ${formatId("host", own)}`);
  if (made.status === 201) {
    const id = String(made.body["id"]);
    await eventually(
      "it failed",
      async () => (await call("GET", `/v1/capsules/${id}`)).body["status"] === "error",
    );
    assert.match(String((await call("GET", `/v1/capsules/${id}`)).body["problem"]), names);
  } else {
    assert.deepEqual([made.status, reasonOf(made)], [503, "template_hosts_unreachable"]);
    assert.match(messageOf(made), names);
  }
  platform.host.cut = false;
  // A copy serves as well as the host that made it.
  assert.equal((await create()).status, 201);
  platform.host.cut = true;
  await admit(second().id);
  const other = await create();
  assert.equal(other.status, 201, JSON.stringify(other.body));
  assert.deepEqual((await copiesOf(hostKey)).toSorted(), [first().id, second().id].toSorted());
  platform.host.cut = false;
  await clean();
});

test("a template is deleted everywhere; a host that does not answer then removes its copy when it is back", async () => {
  const hostKey = await template();
  await admit(first().id);
  const kept = await create();
  await admit(second().id);
  assert.equal((await create()).status, 201);
  const refused = await call("DELETE", `/v1/snapshots/${NAME}`);
  assert.deepEqual([refused.status, reasonOf(refused)], [409, "template_in_use"]);
  assert.ok(platform.host.templates.get(hostKey), "the host that made it has it still");
  assert.equal((await call("DELETE", `/v1/capsules/${String(kept.body["id"])}`)).status, 204);
  await destroyAll();
  second().agent.cut = true;
  assert.equal((await call("DELETE", `/v1/snapshots/${NAME}`)).status, 204);
  assert.deepEqual(
    [platform.host.templates.get(hostKey), first().agent.templates.get(hostKey)],
    [undefined, undefined],
  );
  assert.deepEqual(await copiesOf(hostKey), []);
  assert.ok(second().agent.templates.get(hostKey));
  second().agent.cut = false;
  await eventually("it removes its copy", async () => second().agent.templates.get(hostKey) === undefined);
});

test("a version that is deleted while it is copied leaves nothing on the host", async () => {
  const hostKey = await template();
  await admit(first().id);
  const gate = Promise.withResolvers<void>();
  platform.host.copies.gate = async () => await gate.promise;
  const made = await create();
  assert.equal(made.status, 201);
  assert.equal((await call("DELETE", `/v1/snapshots/${NAME}`)).status, 204);
  gate.resolve();
  const id = String(made.body["id"]);
  await eventually(
    "it failed",
    async () => (await call("GET", `/v1/capsules/${id}`)).body["status"] === "error",
  );
  await eventually("no files are left", async () => first().agent.templates.get(hostKey) === undefined);
  assert.deepEqual(await copiesOf(hostKey), []);
  await destroyAll();
});

test("copies make room for others, are removed when no one uses them, and are made again", async () => {
  const hostKey = await template();
  const other = await template("other");
  await admit(first().id);
  assert.equal((await create()).status, 201);
  const { agent } = first();
  const begin = agent.copies.begin.bind(agent.copies);
  agent.copies.begin = (manifest) => {
    if (agent.templates.get(hostKey)) throw new WrennError("disk_full", { path: "/var/lib/wrenn" });
    return begin(manifest);
  };
  const full = await create("other");
  assert.equal(reasonOf(full), "disk_full", "a capsule needs the copy");
  await destroyAll();
  const made = await create("other");
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual([await copiesOf(hostKey), await copiesOf(other)], [[], [first().id]]);
  agent.copies.begin = begin;

  await platform.database.db
    .updateTable("template_copies")
    .set({ used_at: new Date(Date.now() - 8 * 24 * 3_600_000) })
    .execute();
  await destroyAll();
  await eventually("the copy is removed", async () => agent.templates.get(other) === undefined);
  assert.deepEqual(await copiesOf(other), []);

  // The host lost a copy that the database knows.
  assert.equal((await create("other")).status, 201);
  await destroyAll();
  await agent.deleteSnapshot(other);
  assert.equal((await create("other")).status, 201);
  assert.ok(agent.templates.get(other));
  await clean();
  await clean("other");
});

test("what a team's host has goes to hosts of that team only; the platform's hosts give to all", () => {
  const fleet = new Fleet({ clock: systemClock, logger: silentLogger, placedOn: async () => new Set() });
  const agent = new FakeHostAgent();
  for (const [id, isLocal, teamId] of [
    ["remote", false, null],
    ["local", true, null],
    ["ours", false, "us"],
    ["theirs", false, "them"],
  ] as const)
    fleet.add(id, agent, { isLocal, teamId });
  assert.deepEqual(fleet.sourcesFor(null, NAME, ["ours", "remote", "local"]), ["local", "remote"]);
  assert.deepEqual(fleet.sourcesFor("us", NAME, ["theirs", "ours", "remote"]), ["remote", "ours"]);
  assert.throws(() => fleet.sourcesFor(null, NAME, ["ours", "theirs"]), { reason: "no_hosts" });
  const unknown = crypto.randomUUID();
  assert.throws(() => fleet.sourcesFor("us", NAME, [unknown]), {
    reason: "template_hosts_unreachable",
    message: new RegExp(`copied answers: ${formatId("host", unknown)}`),
  });
  fleet.close();
});

test("templates of a host that is given up continue with a copy, and only what has none is named", async () => {
  const lost = await join("lost:8090");
  await admit(lost.id);
  const { body } = await call("POST", "/v1/capsules", { template: "minimal" });
  await call("POST", "/v1/snapshots", { sandbox_id: body["id"], name: NAME });
  await call("POST", "/v1/snapshots", { sandbox_id: body["id"], name: "alone" });
  await destroyAll();
  await admit(first().id);
  const made = await create();
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const path = `/v1/hosts/${formatId("host", lost.id)}`;
  const preview = await platform.call("GET", `${path}/delete-preview`, { token: admin.token });
  assert.deepEqual(preview.body["templates"], ["alone"]);
  assert.equal((await platform.call("DELETE", `${path}?force=true`, { token: admin.token })).status, 204);
  assert.equal(await hostOf(await create()), first().id);
  assert.equal(reasonOf(await create("alone")), "template_not_found");
  await clean();
});
