import assert from "node:assert/strict";
import { after, test } from "node:test";
import { formatId, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

/** What capsules were started from, and which of them use a template. */
const started: string[] = [];
const users = new Map<string, readonly string[]>();
const removed: string[] = [];
class RecordingHost extends FakeHostAgent {
  override async createCapsule(...[spec, signal]: Parameters<FakeHostAgent["createCapsule"]>) {
    started.push(spec.template);
    return await super.createCapsule({ ...spec, template: "minimal" }, signal);
  }
  override async createSnapshot(_id: string, { key }: { readonly key: string }) {
    return { name: key, sizeBytes: 1000, vcpus: 1, memoryMib: 512 };
  }
  override async deleteSnapshot(key: string): Promise<void> {
    const dependants = users.get(key) ?? [];
    if (dependants.length > 0) throw new WrennError("template_in_use", { dependants: dependants.join(", ") });
    removed.push(key);
  }
}
const platform = await TestPlatform.start({ host: new RecordingHost() });
after(() => platform[Symbol.asyncDispose]());
const owner = await platform.person("owner");
const other = await platform.person("other");
const { db } = platform.database;

interface Details {
  readonly own: boolean;
  readonly public: boolean;
  readonly versions: readonly { readonly version: number; readonly tags: readonly string[] }[];
}

async function capsule({ token }: Person, template?: string): Promise<Answer> {
  return await platform.call("POST", "/v1/capsules", { token, body: template ? { template } : {} });
}

async function snapshot(person: Person, name: string, query = ""): Promise<Answer> {
  const made = await capsule(person);
  const answer = await platform.call("POST", `/v1/snapshots${query}`, {
    token: person.token,
    body: { sandbox_id: made.body["id"], name },
  });
  await platform.call("DELETE", `/v1/capsules/${String(made.body["id"])}`, { token: person.token });
  return answer;
}

async function detailsOf({ token }: Person, name: string): Promise<Details> {
  const answer = await platform.call("GET", `/v1/templates/${encodeURIComponent(name)}`, { token });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as unknown as Details;
}

async function keyOf(name: string, version: number): Promise<string> {
  const row = await db
    .selectFrom("templates")
    .select("host_key")
    .where("name", "=", name)
    .where("version", "=", version)
    .executeTakeFirstOrThrow();
  return row.host_key;
}

/** What a create of this template starts, or why it does not. */
async function startedBy(person: Person, template: string): Promise<unknown> {
  const answer = await capsule(person, template);
  if (answer.status !== 201) return reasonOf(answer);
  assert.equal(answer.body["template"], template);
  await platform.call("DELETE", `/v1/capsules/${String(answer.body["id"])}`, { token: person.token });
  return started.at(-1);
}

const slugOf = async ({ teamId }: Person): Promise<string> => {
  const rows = await db.selectFrom("teams").select(["id", "slug"]).execute();
  return rows.find(({ id }) => formatId("team", id) === teamId)?.slug ?? assert.fail();
};

test("each tag of a template is a version, and a name without a tag is the default one", async () => {
  const { token } = owner;
  const first = await snapshot(owner, "app");
  assert.deepEqual(
    [first.status, first.body["name"], first.body["version"], first.body["tags"]],
    [201, "app", 1, ["default"]],
  );
  const next = await snapshot(owner, "app:next");
  assert.deepEqual([next.body["name"], next.body["version"], next.body["tags"]], ["app", 2, ["next"]]);
  assert.equal(reasonOf(await snapshot(owner, "app:next")), "template_name_taken");
  const [one, two] = [await keyOf("app", 1), await keyOf("app", 2)];
  assert.equal(await startedBy(owner, "app"), one);
  assert.equal(await startedBy(owner, "app:default"), one);
  assert.equal(await startedBy(owner, "app:next"), two);
  assert.equal(await startedBy(owner, "app:none"), "template_tag_not_found");
  assert.equal(await startedBy(owner, "minimal:default"), "minimal");
  assert.equal(await startedBy(owner, "minimal:next"), "template_tag_not_found");
  assert.equal(await startedBy(owner, "app:"), "invalid_field");
  // Lists of the contract have one entry for each template.
  const { body } = await platform.call("GET", "/v1/snapshots?type=snapshot", { token });
  assert.deepEqual(
    (body as unknown as Record<string, unknown>[]).map(({ name, version }) => [name, version]),
    [["app", 1]],
  );
});

test("a tag moves to another version, and the version that had it stays", async () => {
  const { token } = owner;
  const put = async (tag: string, version: number) =>
    await platform.call("PUT", `/v1/templates/app/tags/${tag}`, { token, body: { version } });
  assert.equal((await put("default", 2)).status, 204);
  assert.equal(await startedBy(owner, "app"), await keyOf("app", 2));
  assert.deepEqual(
    (await detailsOf(owner, "app")).versions.map(({ version, tags }) => [version, tags]),
    [
      [2, ["default", "next"]],
      [1, []],
    ],
  );
  assert.equal((await put("stable", 1)).status, 204);
  assert.equal(await startedBy(owner, "app:stable"), await keyOf("app", 1));
  assert.equal(reasonOf(await put("stable", 99)), "template_version_not_found");
  assert.equal(reasonOf(await put("-", 1)), "invalid_field");
  const gone = await platform.call("DELETE", "/v1/templates/app/tags/next", { token });
  assert.equal(gone.status, 204);
  assert.equal(
    reasonOf(await platform.call("DELETE", "/v1/templates/app/tags/next", { token })),
    "template_tag_not_found",
  );
  const list = await platform.call("GET", "/v1/templates/app/tags", { token });
  assert.deepEqual(
    (list.body as unknown as Record<string, unknown>[]).map(({ tag, version }) => [tag, version]),
    [
      ["default", 2],
      ["stable", 1],
    ],
  );
  const path = "/v1/templates/minimal/tags/mine";
  assert.equal(
    reasonOf(await platform.call("PUT", path, { token, body: { version: 1 } })),
    "template_protected",
  );
});

test("an overwritten version ends unless it has another tag, and version numbers are not given twice", async () => {
  assert.equal((await snapshot(owner, "app:stable", "?overwrite=true")).body["version"], 3);
  assert.deepEqual(
    (await detailsOf(owner, "app")).versions.map(({ version }) => version),
    [3, 2],
    "version 1 had no other tag",
  );
  await platform.call("PUT", "/v1/templates/app/tags/kept", { token: owner.token, body: { version: 3 } });
  const again = await snapshot(owner, "app:stable", "?overwrite=true");
  assert.ok(Number(again.body["version"]) > 3);
  const { versions } = await detailsOf(owner, "app");
  assert.deepEqual(
    versions.map(({ tags }) => tags),
    [["stable"], ["kept"], ["default"]],
  );
});

test("a template has at most 100 tags", async () => {
  const { token } = owner;
  const put = async (tag: string) =>
    await platform.call("PUT", `/v1/templates/app/tags/${tag}`, { token, body: { version: 2 } });
  const { id, team_id, name } = await db
    .selectFrom("templates")
    .select(["id", "team_id", "name"])
    .where("name", "=", "app")
    .where("version", "=", 2)
    .executeTakeFirstOrThrow();
  await db
    .insertInto("template_tags")
    .values(Array.from({ length: 97 }, (_, n) => ({ team_id, name, tag: `t${n}`, template_id: id })))
    .execute();
  assert.equal(reasonOf(await put("one-more")), "quota_exceeded");
  assert.equal((await put("t0")).status, 204, "a tag that is there can still move");
});

test("a public template is listed for other teams, which start capsules from it by the slug of its team", async () => {
  const reference = `${await slugOf(owner)}/app`;
  const listed = async () => {
    const { body } = await platform.call("GET", "/v1/templates?public=true", { token: other.token });
    return (body as unknown as Record<string, unknown>[]).map((one) => one["reference"]);
  };
  const publish = async (person: Person, isPublic: boolean) =>
    await platform.call("PATCH", "/v1/templates/app", { token: person.token, body: { public: isPublic } });
  assert.equal(await startedBy(other, reference), "template_not_found");
  assert.equal(await startedBy(owner, reference), await keyOf("app", 2), "the own slug always works");
  assert.deepEqual(await listed(), []);
  assert.equal(reasonOf(await publish(other, true)), "template_not_found");
  const made = await publish(owner, true);
  assert.deepEqual([made.status, made.body["public"]], [200, true]);
  assert.deepEqual(await listed(), [reference]);
  assert.equal(await startedBy(other, reference), await keyOf("app", 2));
  assert.equal(await startedBy(other, `${reference}:none`), "template_tag_not_found");
  assert.equal(await startedBy(other, "app"), "template_not_found", "only with the slug");
  assert.deepEqual((await detailsOf(other, reference)).own, false);
  for (const [method, path, body] of [
    ["PUT", "/v1/templates/app/tags/theirs", { version: 1 }],
    ["DELETE", "/v1/templates/app/versions/2", undefined],
    ["DELETE", "/v1/snapshots/app", undefined],
  ] as const)
    assert.equal((await platform.call(method, path, { token: other.token, body })).status, 404, path);
  assert.equal((await publish(owner, false)).status, 200);
  assert.equal(await startedBy(other, reference), "template_not_found");
  // A template of the same name that is made later is not public.
  await publish(owner, true);
  await platform.call("DELETE", "/v1/snapshots/app", { token: owner.token });
  await snapshot(owner, "app");
  assert.equal(await startedBy(other, reference), "template_not_found");
});

test("a version that capsules of its team use cannot be deleted, one that only others use ends at once", async () => {
  const { token } = owner;
  await snapshot(owner, "app:old");
  const [mine, theirs] = await Promise.all([capsule(owner), capsule(other)]);
  const ids = [String(mine.body["id"]), String(theirs.body["id"])];
  const { versions } = await detailsOf(owner, "app");
  const { version } = versions.find(({ tags }) => tags.includes("old")) ?? assert.fail();
  const key = await keyOf("app", version);
  users.set(key, ids);
  const path = `/v1/templates/app/versions/${version}`;
  const refused = await platform.call("DELETE", path, { token });
  assert.deepEqual([refused.status, reasonOf(refused)], [409, "template_in_use"]);
  const text = JSON.stringify(refused.body);
  assert.ok(text.includes(ids[0] ?? "") && !text.includes(ids[1] ?? ""), "capsules of others are not named");
  const whole = await platform.call("DELETE", "/v1/snapshots/app", { token });
  assert.equal(reasonOf(whole), "template_in_use");
  assert.deepEqual(
    (await detailsOf(owner, "app")).versions.map((one) => one.version),
    [version],
    "the version that is not in use is deleted",
  );
  users.set(key, ids.slice(1));
  assert.equal((await platform.call("DELETE", path, { token })).status, 204);
  assert.equal(await startedBy(owner, "app:old"), "template_not_found");
  const kept = await db.selectFrom("discarded_templates").selectAll().where("host_key", "=", key).execute();
  assert.deepEqual(
    kept.map(({ size_bytes: bytes }) => Number(bytes)),
    [1000],
    "its files count until they are removed",
  );
  users.delete(key);
  await db
    .updateTable("discarded_templates")
    .set({ due_at: new Date(0) })
    .execute();
  await eventually("the host removes the files", async () => removed.includes(key));
  assert.equal(reasonOf(await platform.call("DELETE", path, { token })), "template_not_found");
});

test("versions that are made, tagged and deleted at once leave one consistent template", async () => {
  const work = Array.from({ length: 12 }, async (_, n) => {
    if (n % 3 === 0) return await snapshot(owner, "busy", "?overwrite=true");
    if (n % 3 === 1) return await snapshot(owner, `busy:t${n}`);
    return await platform.call("DELETE", "/v1/snapshots/busy", { token: owner.token });
  });
  for (const { status, body } of await Promise.all(work))
    assert.ok([201, 204, 404].includes(status), JSON.stringify(body));
  const rows = await db.selectFrom("templates").select("id").where("name", "=", "busy").execute();
  const names = await db.selectFrom("template_names").select("name").where("name", "=", "busy").execute();
  assert.equal(names.length, rows.length > 0 ? 1 : 0);
});

test("versions count for the quota of templates", async () => {
  const rows = await db.selectFrom("templates").select("id").execute();
  await db
    .updateTable("teams")
    .set({ max_templates: rows.length + 1 })
    .execute();
  assert.equal((await snapshot(owner, "full:a")).status, 201);
  assert.equal(reasonOf(await snapshot(owner, "full:b")), "quota_exceeded");
  assert.equal((await snapshot(owner, "full:a", "?overwrite=true")).status, 201);
  await platform.call("PUT", "/v1/templates/full/tags/keep", {
    token: owner.token,
    body: { version: (await detailsOf(owner, "full")).versions[0]?.version },
  });
  assert.equal(reasonOf(await snapshot(owner, "full:a", "?overwrite=true")), "quota_exceeded");
});
