import { formatId, newId, parseId, randomHex, silentLogger, systemRandom } from "@wrenn/core";
import { SignedTokens } from "../../src/secrets/signed-tokens.ts";
import { hashApiKey } from "../../src/accounts/api-key-auth.ts";
import type { FurnishedTeam, Furnisher, Login } from "./furnished-teams.ts";
import type { World } from "./requesters.ts";
import type { TestPlatform } from "./test-platform.ts";

const HOUR_MS = 3_600_000;

/** Two teams that must not see each other, a third one, and an administrator of the platform in a team of their own. */
export async function makeWorld(platform: TestPlatform, furnisher: Furnisher): Promise<World> {
  const ours = await furnisher.team("oursmarker");
  const theirs = await furnisher.team("theirsmarker");
  // What is the same in every capsule would be one of ours in a path of ours.
  theirs.ids = {
    ...theirs.ids,
    checkpoint: "g2",
    upload: newId("upload", systemRandom),
    process: "theirs",
    version: "7",
  };
  const stranger = await furnisher.team("strangermarker");
  const admin = await administrators(platform, furnisher);
  await signTraces(platform, theirs);
  return {
    ours,
    theirs,
    stranger,
    admin,
    worthless: await worthlessCredentials(platform, furnisher, stranger),
  };
}

/** A team whose owner administers the platform. */
export async function administrators(platform: TestPlatform, furnisher: Furnisher): Promise<FurnishedTeam> {
  const team = await furnisher.team("platformmarker");
  const { db } = platform.database;
  const owner = db.updateTable("users").where("email", "=", team.people.owner.email);
  await owner.set({ is_admin: true }).execute();
  return team;
}

/** Their doings, for the audit log and the events. */
async function signTraces(platform: TestPlatform, { people, ids, marker }: FurnishedTeam): Promise<void> {
  const { token } = people.owner;
  await platform.call("PATCH", `/v1/teams/${ids.team}`, { token, body: { name: `renamed ${marker}` } });
  await platform.call("POST", "/v1/api-keys", { token, body: { name: `made by ${marker}` } });
}

/** Credentials that were good, or are good for something else. */
async function worthlessCredentials(
  platform: TestPlatform,
  furnisher: Furnisher,
  { people, ids }: FurnishedTeam,
): Promise<World["worthless"]> {
  const { database, clock } = platform;
  const { token } = people.member;
  await platform.call("POST", "/v1/auth/logout", { token });
  const made = await platform.call("POST", "/v1/api-keys", { token: people.owner.token, body: {} });
  const revoked = await platform.call("DELETE", `/v1/api-keys/${String(made.body["id"])}`, {
    token: people.owner.token,
  });
  if (revoked.status !== 204) throw new Error("a key was not revoked");
  const expiredKey = `wrn_${randomHex(systemRandom, 16)}`;
  await database.db
    .insertInto("api_keys")
    .values({
      id: systemRandom.uuid(),
      team_id: parseId("team", ids.team),
      name: "over",
      key_hash: hashApiKey(expiredKey),
      key_prefix: expiredKey.slice(0, 10),
      last_used: null,
      expires_at: new Date(clock.now() - HOUR_MS),
    })
    .execute();
  const deps = { database, clock, random: systemRandom, logger: silentLogger };
  const past = await SignedTokens.open({
    ...deps,
    clock: { now: () => clock.now() - HOUR_MS, monotonic: clock.monotonic, sleep: clock.sleep },
  });
  const present = await SignedTokens.open(deps);
  const session = await database.db
    .selectFrom("sessions")
    .selectAll()
    .where("user_id", "=", parseId("user", people.owner.userId))
    .executeTakeFirstOrThrow();
  const host = await database.db
    .selectFrom("hosts")
    .select("id")
    .where("type", "=", "regular")
    .executeTakeFirstOrThrow();
  const hostId = formatId("host", host.id);
  const cert = randomHex(systemRandom, 32);
  const acceptedUntil = new Date(clock.now() + 24 * HOUR_MS);
  await database.db
    .insertInto("host_certificates")
    .values({ host_id: host.id, fingerprint: cert, accepted_until: acceptedUntil })
    .execute();
  return {
    endedToken: token,
    removedToken: await removedMember(platform, furnisher, people.owner, ids.team),
    revokedKey: String(made.body["key"]),
    expiredKey,
    expiredToken: await past.sign(
      "wrenn:people",
      people.owner.userId,
      { sid: session.id, team_id: ids.team },
      60,
    ),
    hostId,
    hostToken: await present.sign("wrenn:hosts", hostId, { typ: "host", host_id: hostId, cert }, 3600),
  };
}

async function removedMember(
  platform: TestPlatform,
  furnisher: Furnisher,
  owner: Login,
  team: string,
): Promise<string> {
  const removed = await furnisher.login("removed", { teamId: parseId("team", team), role: "admin" });
  const { status } = await platform.call("DELETE", `/v1/teams/${team}/members/${removed.userId}`, {
    token: owner.token,
  });
  if (status !== 204) throw new Error("a member was not removed");
  return removed.token;
}

/** What of a team must be as it was when others have done their worst. */
export async function holdingsOf({ database: { db } }: TestPlatform, team: FurnishedTeam): Promise<unknown> {
  const id = parseId("team", team.ids.team);
  const of = async (
    table: "api_keys" | "channels" | "templates" | "invitations" | "memberships" | "audit_log",
  ) =>
    (await db.selectFrom(table).selectAll().where("team_id", "=", id).execute()).map((row) =>
      JSON.stringify({ ...row, last_used: null }),
    );
  const tables = await Promise.all(
    (["api_keys", "channels", "templates", "invitations", "memberships", "audit_log"] as const).map(of),
  );
  const capsules = db.selectFrom("sandboxes").select(["id", "status", "network"]).where("team_id", "=", id);
  const named = db.selectFrom("teams").selectAll().where("id", "=", id);
  // What administrators of the platform do with hosts of a team stands in its audit log.
  const own = tables.map((rows) => rows.filter((row) => !row.includes("platformmarker")).toSorted());
  return [own, await capsules.orderBy("id").execute(), await named.execute()];
}
