import assert from "node:assert/strict";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { joinTeam } from "./support/join-team.ts";
import { refreshCookie, TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

/* What the edge of one control plane admitted ends when its access ends at another one, within 10 s. */

const PROMISED_MS = 10_000;
const PORT = 8080;
const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
const { ports } = await platform.serve(undefined, systemRandom.uuid());

let people = 0;
async function somebody(): Promise<Person> {
  people += 1;
  return await platform.person(`visitor${people}`);
}

async function expectDone(answer: ReturnType<typeof call>): Promise<void> {
  const { status, body } = await answer;
  assert.ok([200, 204].includes(status), JSON.stringify(body));
}

interface World {
  readonly owner: Person;
  readonly member: Person;
  readonly token: string;
  readonly capsule: string;
  readonly keyId: string;
  readonly linkId: string;
  readonly keysLinkId: string;
  readonly sessionId: string;
  /** Connections at the second control plane, by what admitted them, with the reason for which each ended. */
  readonly ended: ReadonlyMap<string, () => string | undefined>;
  readonly release: () => void;
}

async function world(): Promise<World> {
  const [owner, member] = [await somebody(), await somebody()];
  const token = await joinTeam(platform, owner, member, "admin");
  const made = await call("POST", "/v1/capsules", { token: owner.token, body: {} });
  const capsule = String(made.body["id"]);
  const key = (await call("POST", "/v1/api-keys", { token, body: { expires_in_sec: 900 } })).body;
  const linkPath = `/v1/capsules/${capsule}/ports/${PORT}/link`;
  const body = { expires_in_sec: 600 };
  const linkId = String((await call("POST", linkPath, { token, body })).body["id"]);
  const byKey = await call("POST", linkPath, { key: String(key["key"]), body });
  const access = { token: owner.token, body: { access: "public" } };
  await expectDone(call("PUT", `/v1/capsules/${capsule}/ports/${PORT}`, access));
  const claims = token.split(".")[1] ?? "";
  const { sid } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { sid: string };
  const keysLinkId = String(byKey.body["id"]);
  const admissions = {
    key: await ports.admits(capsule, { "x-api-key": String(key["key"]) }),
    token: await ports.admits(capsule, { authorization: `Bearer ${token}` }),
    session: await ports.admitsSession(capsule, sid),
    link: await ports.admitsLink(capsule, PORT, linkId),
    "key's link": await ports.admitsLink(capsule, PORT, keysLinkId),
    public: ports.admitsPublic(capsule, PORT),
  };
  const ended = new Map<string, () => string | undefined>();
  const releases = Object.entries(admissions).map(([name, admission]) => {
    let reason: string | undefined;
    ended.set(name, () => reason);
    return admission?.hold((error) => (reason = error.reason)) ?? assert.fail(`${name} is not admitted`);
  });
  return {
    owner,
    member,
    token,
    capsule,
    keyId: String(key["id"]),
    linkId,
    keysLinkId,
    sessionId: sid,
    ended,
    release: () => {
      for (const release of releases) release();
    },
  };
}

const everythingOfMember = ["key", "token", "session", "link", "key's link"];

const ways: Readonly<Record<string, readonly [readonly string[], (world: World) => Promise<unknown>]>> = {
  "the key is deleted": [
    ["key", "key's link"],
    async ({ owner, keyId }) =>
      await expectDone(call("DELETE", `/v1/api-keys/${keyId}`, { token: owner.token })),
  ],
  "the link is revoked": [
    ["link"],
    async ({ owner, capsule, linkId }) =>
      await expectDone(
        call("DELETE", `/v1/capsules/${capsule}/ports/${PORT}/links/${linkId}`, { token: owner.token }),
      ),
  ],
  "the port is made private": [
    ["public"],
    async ({ owner, capsule }) =>
      await expectDone(
        call("PUT", `/v1/capsules/${capsule}/ports/${PORT}`, {
          token: owner.token,
          body: { access: "private" },
        }),
      ),
  ],
  "the member logs out": [
    ["token", "session"],
    async ({ token }) => await expectDone(call("POST", "/v1/auth/logout", { token })),
  ],
  "the member is removed": [
    everythingOfMember,
    async ({ owner, member }) =>
      await expectDone(
        call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`, { token: owner.token }),
      ),
  ],
  "the account is deleted": [
    everythingOfMember,
    async ({ member }) =>
      await expectDone(
        call("DELETE", "/v1/me", { token: member.token, body: { confirmation: member.email } }),
      ),
  ],
  "the team is deleted": [
    everythingOfMember,
    async ({ owner }) =>
      await expectDone(call("DELETE", `/v1/teams/${owner.teamId}`, { token: owner.token })),
  ],
  "the time of the links is over": [
    ["link", "key's link"],
    async () => {
      platform.clock.advance(601_000);
    },
  ],
  "the time of the key is over": [
    ["key", "link", "key's link"],
    async () => {
      platform.clock.advance(901_000);
    },
  ],
};

for (const [what, [ends, revoke]] of Object.entries(ways))
  test(`when ${what}, connections to ports that rest on it end, and no others`, async () => {
    const here = await world();
    await revoke(here);
    for (const name of ends) {
      const reason = await eventually(`the end of ${name}`, () => here.ended.get(name)?.(), {
        timeoutMs: PROMISED_MS,
      });
      assert.equal(reason, "access_ended", name);
    }
    const others = [...here.ended].filter(([name, reason]) => !ends.includes(name) && reason() !== undefined);
    assert.deepEqual(others, []);
    assert.equal(
      ends.includes("link"),
      (await ports.admitsLink(here.capsule, PORT, here.linkId)) === undefined,
    );
    here.release();
  });

test("revocations whose notifications are lost count within 10 s", async () => {
  const here = await world();
  const { db } = platform.database;
  const triggers = {
    port_links: "link_revocations",
    api_keys: "key_revocations",
    sessions: "session_revocations",
    port_access: "port_revocations",
  };
  const set = async (state: "disable" | "enable"): Promise<void> => {
    for (const [table, trigger] of Object.entries(triggers))
      await sql.raw(`alter table ${table} ${state} trigger ${trigger}`).execute(db);
  };
  await set("disable");
  const began = performance.now();
  try {
    for (const what of [
      "the key is deleted",
      "the link is revoked",
      "the port is made private",
      "the member logs out",
    ])
      await ways[what]?.[1](here);
    await eventually(
      "all of them end",
      () => [...here.ended.values()].every((reason) => reason() !== undefined),
      {
        timeoutMs: PROMISED_MS,
      },
    );
    assert.ok(performance.now() - began < PROMISED_MS);
    // The other control plane remembers what it admitted for 2 s at most.
    await eventually(
      "new requests are refused",
      async () => (await ports.admitsLink(here.capsule, PORT, here.linkId)) === undefined,
      { timeoutMs: PROMISED_MS },
    );
  } finally {
    await set("enable");
    here.release();
  }
});

test("a link opens its own port of its own capsule only, and no other id of a link opens it", async () => {
  const here = await world();
  const other = await call("POST", "/v1/capsules", { token: here.owner.token, body: {} });
  assert.equal(await ports.admitsLink(here.capsule, PORT + 1, here.linkId), undefined);
  assert.equal(await ports.admitsLink(String(other.body["id"]), PORT, here.linkId), undefined);
  assert.notEqual(await ports.admitsLink(here.capsule, PORT, here.linkId), undefined);
  here.release();
});

test("a login that is renewed keeps its connections", async () => {
  const person = await somebody();
  const made = await call("POST", "/v1/capsules", { token: person.token, body: {} });
  const admission = await ports.admits(String(made.body["id"]), { authorization: `Bearer ${person.token}` });
  let ended = false;
  const release = admission?.hold(() => (ended = true)) ?? assert.fail("not admitted");
  platform.clock.advance(16 * 60_000);
  const renewed = await call("POST", "/v1/auth/refresh", { cookie: person.cookie });
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  assert.notEqual(refreshCookie(renewed), person.cookie);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal(ended, false);
  release();
});
