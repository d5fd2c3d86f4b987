import assert from "node:assert/strict";
import { after, test } from "node:test";
import { plainName, plainPerson } from "../src/mail/plain-words.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer, Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

async function invite({ token, teamId }: Person, email: string, route = "invitations"): Promise<Answer> {
  return await call("POST", `/v1/teams/${teamId}/${route}`, { token, body: { email } });
}

test("a name becomes a short line of words in a mail to others", () => {
  const rows = [
    ["Ada Lovelace", "Ada Lovelace"],
    ["Zoë O’Hara-Müller", "Zoë O’Hara-Müller"],
    ["You won! Visit https://evil.example/x?y=1 now", "You won Visit https evil example x y 1 n"],
    ["evil.example", "evil example"],
    ["\u202egnp.exe", "gnp exe"],
    ["x".repeat(100), "x".repeat(40)],
    ["\u{1F4B0}\u{1F4B0}", ""],
  ] as const;
  for (const [name, plain] of rows) assert.equal(plainName(name), plain);
  assert.equal(plainPerson({ name: "://", email: "a@example.org" }), "a@example.org");
  const long = `${"a".repeat(120)}@example.org`;
  assert.equal(plainPerson({ name: "Ada", email: long }), "“Ada”");
  assert.equal(plainPerson({ name: "", email: long }), "Someone");
});

test("neither subject nor text of an invitation carries free words of the inviter or of the team", async () => {
  const person = await platform.person("spammer");
  const { token, teamId } = person;
  const spam = "Claim your prize at https://evil.example/win (today only)";
  assert.equal((await call("PATCH", "/v1/me", { token, body: { name: spam } })).status, 200);
  const renamed = await call("PATCH", `/v1/teams/${teamId}`, {
    token,
    body: { name: "prize at evil-example" },
  });
  assert.equal(renamed.status, 204);
  assert.equal((await invite(person, "reader@example.org")).status, 204);
  const mail = platform.mails.findLast(({ to }) => to === "reader@example.org");
  assert.equal(mail?.subject, "You are invited to a team");
  assert.equal(
    mail.text,
    "“Claim your prize at https evil example w” (spammer@example.org) invites you. Log in with this address within a week to accept or decline.",
  );
  assert.equal(mail.link, "https://wrenn.example.org/invitations");
});

test("one address gets five invitations at once, from whatever teams and by whatever route", async () => {
  const people = await Promise.all(["first", "second"].map(async (name) => await platform.person(name)));
  const answers: Answer[] = [];
  for (let n = 0; n < 6; n++) {
    const person = people[n % 2];
    assert.ok(person);
    answers.push(await invite(person, "popular@example.org", n < 3 ? "invitations" : "members"));
  }
  assert.deepEqual(
    answers.map(({ status }) => status < 300),
    [true, true, true, true, true, false],
  );
  assert.equal(reasonOf(answers[5] ?? assert.fail()), "rate_limited");
  platform.clock.advance(31 * 60_000 - 60_000);
});

test("a team has at most 200 open invitations, also by requests at the same moment, and one address 50 of all teams", async () => {
  const person = await platform.person("crowded");
  const { db } = platform.database;
  const team = await db
    .selectFrom("memberships")
    .innerJoin("users", "users.id", "memberships.user_id")
    .select(["team_id as id", "user_id as userId"])
    .where("users.email", "=", person.email)
    .executeTakeFirstOrThrow();
  const expires_at = new Date(platform.clock.now() + 86_400_000);
  const common = { role: "member" as const, invited_by: team.userId, expires_at };
  await db
    .insertInto("invitations")
    .values(
      Array.from({ length: 195 }, (_, n) => ({
        id: crypto.randomUUID(),
        team_id: team.id,
        email: `guest${n}@example.org`,
        ...common,
      })),
    )
    .execute();
  const answers = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => await invite(person, `last${n}@example.org`)),
  );
  assert.equal(answers.filter(({ status }) => status === 204).length, 5);
  assert.ok(answers.every((answer) => answer.status === 204 || reasonOf(answer) === "limit_reached"));
  const again = await invite(person, "guest0@example.org");
  assert.equal(again.status, 204, "one that is open is renewed");

  const teams = Array.from({ length: 50 }, (_, n) => ({
    id: crypto.randomUUID(),
    name: "t",
    slug: `many-${n}`,
  }));
  await db.insertInto("teams").values(teams).execute();
  await db
    .insertInto("memberships")
    .values(
      teams.map(({ id }) => ({
        user_id: team.userId,
        team_id: id,
        role: "owner" as const,
        is_default: false,
      })),
    )
    .execute();
  await db
    .insertInto("invitations")
    .values(
      teams.map(({ id }) => ({
        id: crypto.randomUUID(),
        team_id: id,
        email: "wanted@example.org",
        ...common,
      })),
    )
    .execute();
  const other = await platform.person("late");
  assert.equal(reasonOf(await invite(other, "wanted@example.org")), "invitations_of_address_full");
});
