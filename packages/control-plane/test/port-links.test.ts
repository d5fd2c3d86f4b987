import assert from "node:assert/strict";
import { after, test } from "node:test";
import { newId, parseId, systemRandom } from "@wrenn/core";
import { sql } from "kysely";
import { joinTeam, listOf } from "./support/join-team.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

let people = 0;
async function somebody(): Promise<Person> {
  people += 1;
  return await platform.person(`linker${people}`);
}

async function capsuleOf(token: string): Promise<string> {
  const made = await call("POST", "/v1/capsules", { token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

type Credentials = { readonly token: string } | { readonly key: string };

async function link(
  by: Credentials,
  capsule: string,
  port: number,
  body: object = {},
): Promise<Answer["body"]> {
  const made = await call("POST", `/v1/capsules/${capsule}/ports/${port}/link`, { ...by, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
}

async function idsOf(by: Credentials, capsule: string, query = ""): Promise<readonly unknown[]> {
  return listOf(await call("GET", `/v1/capsules/${capsule}/ports/links${query}`, by)).map(({ id }) => id);
}

test("links are listed with their creator, for all ports or for one, newest first and in pages", async () => {
  const owner = await somebody();
  const capsule = await capsuleOf(owner.token);
  const key = (await call("POST", "/v1/api-keys", { token: owner.token, body: {} })).body;
  const first = await link(owner, capsule, 8080);
  platform.clock.advance(1000);
  const second = await link({ key: String(key["key"]) }, capsule, 9090, { expires_in_sec: 60 });
  assert.match(String(first["id"]), /^link-[0-9a-z]{25}$/);
  const listed = listOf(await call("GET", `/v1/capsules/${capsule}/ports/links`, owner));
  const { url: _first, ...firstFacts } = first;
  const { url: _second, ...secondFacts } = second;
  assert.deepEqual(listed, [secondFacts, firstFacts]);
  assert.deepEqual([first["created_by"], second["created_by"]], [owner.userId, key["id"]]);
  assert.deepEqual(await idsOf(owner, capsule, "?port=8080"), [first["id"]]);
  const page = await call("GET", `/v1/capsules/${capsule}/ports/links?limit=1`, owner);
  assert.deepEqual([listOf(page).length, listOf(page)[0]?.["id"]], [1, second["id"]]);
  const next = encodeURIComponent(page.headers.get("x-next-cursor") ?? "");
  assert.deepEqual(await idsOf(owner, capsule, `?limit=1&cursor=${next}`), [first["id"]]);
  platform.clock.advance(61_000);
  assert.deepEqual(await idsOf(owner, capsule), [first["id"]]);
});

test("a link is revoked by its id, at its port only, and by the team only", async () => {
  const [owner, stranger] = [await somebody(), await somebody()];
  const capsule = await capsuleOf(owner.token);
  const [one, other] = [await link(owner, capsule, 8080), await link(owner, capsule, 8080)];
  const path = (port: number, id: unknown): string =>
    `/v1/capsules/${capsule}/ports/${port}/links/${String(id)}`;
  const revoke = async (by: Credentials, port: number, id: unknown): Promise<unknown> =>
    reasonOf(await call("DELETE", path(port, id), by));
  assert.equal(await revoke(stranger, 8080, one["id"]), "capsule_not_found");
  assert.equal(await revoke(owner, 8081, one["id"]), "port_link_not_found");
  assert.equal(await revoke(owner, 8080, newId("portLink", systemRandom)), "port_link_not_found");
  assert.equal(await revoke(owner, 8080, "link-1"), "invalid_id");
  assert.equal((await idsOf(owner, capsule)).length, 2);
  assert.equal((await call("DELETE", path(8080, one["id"]), owner)).status, 204);
  assert.equal(await revoke(owner, 8080, one["id"]), "port_link_not_found");
  assert.deepEqual(await idsOf(owner, capsule), [other["id"]]);
  const log = await call("GET", "/v1/audit-logs?resource_type=port_link&action=revoke", owner);
  const entries = log.body["items"] as readonly Record<string, unknown>[];
  assert.deepEqual(
    entries.map((entry) => [entry["resource_id"], entry["actor_id"]]),
    [[one["id"], owner.userId]],
  );
});

test("links end with the member or the key that made them", async () => {
  const [owner, guest] = [await somebody(), await somebody()];
  const token = await joinTeam(platform, owner, guest, "admin");
  const capsule = await capsuleOf(owner.token);
  const made = async (by: string): Promise<{ readonly id: string; readonly key: string }> => {
    const { body } = await call("POST", "/v1/api-keys", { token: by, body: {} });
    return { id: String(body["id"]), key: String(body["key"]) };
  };
  const [ownersKey, guestsKey] = [await made(owner.token), await made(token)];
  const kept = await link(owner, capsule, 8080);
  const byOwnersKey = await link(ownersKey, capsule, 8080);
  await link({ token }, capsule, 8080);
  await link(guestsKey, capsule, 8080);
  assert.equal((await idsOf(owner, capsule)).length, 4);
  const member = `/v1/teams/${owner.teamId}/members/${guest.userId}`;
  assert.equal((await call("DELETE", member, owner)).status, 204);
  assert.deepEqual(new Set(await idsOf(owner, capsule)), new Set([kept["id"], byOwnersKey["id"]]));
  assert.equal((await call("DELETE", `/v1/api-keys/${ownersKey.id}`, owner)).status, 204);
  assert.deepEqual(await idsOf(owner, capsule), [kept["id"]]);
});

test("a link does not outlive the key that made it", async () => {
  const owner = await somebody();
  const capsule = await capsuleOf(owner.token);
  const body = { expires_in_sec: 120 };
  const key = (await call("POST", "/v1/api-keys", { token: owner.token, body })).body;
  const made = await link({ key: String(key["key"]) }, capsule, 8080, { expires_in_sec: 86_400 });
  assert.equal(Date.parse(String(made["expires_at"])), Date.parse(String(key["expires_at"])));
});

test("a capsule has a limited number of links, also when they are created at once", async () => {
  const owner = await somebody();
  const capsule = await capsuleOf(owner.token);
  const create = async (): Promise<number> =>
    (await call("POST", `/v1/capsules/${capsule}/ports/8080/link`, { ...owner, body: {} })).status;
  assert.equal(await create(), 201);
  const ended = new Date(platform.clock.now() - 1000);
  await sql`insert into port_links (id, sandbox_id, port, team_id, created_by, created_at, expires_at)
    select gen_random_uuid(), sandbox_id, port, team_id, created_by, created_at, expires_at
    from port_links, generate_series(1, 989) where sandbox_id = ${parseId("capsule", capsule)}
    union all select gen_random_uuid(), sandbox_id, port, team_id, created_by, created_at, ${ended}
    from port_links, generate_series(1, 100) where sandbox_id = ${parseId("capsule", capsule)}`.execute(
    platform.database.db,
  );
  const statuses = await Promise.all(Array.from({ length: 20 }, create));
  assert.equal(statuses.filter((status) => status === 201).length, 10);
  assert.equal(statuses.filter((status) => status === 409).length, 10);
  assert.equal((await idsOf(owner, capsule)).length, 1000);
});
