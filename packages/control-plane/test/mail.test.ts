import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { smtpTransport } from "@wrenn/control-plane";
import { sql } from "kysely";
import { MailServer } from "./support/mail-server.ts";
import { TestPlatform } from "./support/test-platform.ts";

const server = new MailServer();
await server.start();
const transport = smtpTransport({
  host: "127.0.0.1",
  port: server.port,
  implicitTls: false,
  requireTls: false,
  login: { user: "wrenn", password: "of the mail server" },
  from: { name: "Wrenn", address: "wrenn@example.org" },
});
const platform = await TestPlatform.start({ outbox: { transport } });
after(async () => {
  await platform[Symbol.asyncDispose]();
  await server.stop();
});
beforeEach(async () => {
  server.answers.clear();
  server.received.length = 0;
  await platform.database.db.deleteFrom("mails").execute();
});

async function signUp(name: string): Promise<void> {
  const body = { email: `${name}@example.org`, password: "some password", name };
  const { status } = await platform.call("POST", "/v1/auth/signup", { body });
  assert.equal(status, 201);
}

/** The text of the newest mail, its encoding undone. */
function newestText(): string {
  const data = server.received.at(-1)?.data ?? "";
  return data
    .replaceAll("=\n", "")
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const states = async (): Promise<readonly (string | null)[][]> =>
  (await platform.database.db.selectFrom("mails").select(["state", "problem"]).execute()).map((row) => [
    row.state,
    row.problem,
  ]);
/** What failed is tried again without the wait. */
const dueNow = async (): Promise<void> =>
  void (await sql`update mails set due_at = now() where state = 'waiting'`.execute(platform.database.db));
const dueTomorrow = async (): Promise<void> =>
  void (await sql`update mails set due_at = now() + interval '1 day' where state = 'waiting'`.execute(
    platform.database.db,
  ));

test("a mail reaches the mail server with the link that activates; the log and the database do not show it", async () => {
  await signUp("ada");
  await eventually("it arrives", () => server.received.length === 1);
  const [mail] = server.received;
  assert.equal(mail?.from, "wrenn@example.org");
  assert.equal(mail.to, "ada@example.org");
  assert.match(mail.data, /^Subject: Activate your account$/m);
  assert.match(mail.data, /^Message-ID: <[0-9a-f-]{36}@example\.org>$/m);
  assert.deepEqual(server.logins, ["\0wrenn\0of the mail server"]);
  const token = /activate\?token=([0-9a-f]{64})/.exec(newestText())?.[1] ?? "";
  await eventually("it is settled", async () => (await states())[0]?.[0] === "delivered");
  const [row] = await platform.database.db.selectFrom("mails").selectAll().execute();
  assert.equal(row?.content, null);
  assert.ok(!JSON.stringify(platform.logged).includes(token));
  const active = await platform.call("POST", "/v1/auth/activate", {
    body: { token, password: "some password" },
  });
  assert.equal(active.status, 200);
  assert.deepEqual(await states(), [], "a mail is gone with its token");
});

test("a mail server that is down loses nothing: what waits lies encrypted and arrives when it is back, once", async () => {
  await server.stop();
  await signUp("patient");
  await eventually("it is tried", async () => (await states())[0]?.[1] !== null);
  const [row] = await platform.database.db.selectFrom("mails").selectAll().execute();
  assert.equal(row?.state, "waiting");
  assert.match(row.problem ?? "", /ECONNREFUSED/);
  assert.ok(!row.content?.includes("Activate"), "it lies encrypted");
  assert.ok(row.due_at.getTime() > Date.now() + 1000, "the next attempt waits");
  await server.start();
  await dueNow();
  await eventually("it arrives", () => server.received.length === 1);
  await eventually("it is settled", async () => (await states())[0]?.[0] === "delivered");
  assert.equal(server.received.length, 1);
});

test("what is refused for good is not tried again, what may pass is; no server makes the log show a mail", async () => {
  server.answers.set("RCPT", "550 5.1.1 no such person");
  await signUp("nobody");
  await eventually("it is given up", async () => (await states())[0]?.[0] === "failed");
  assert.match(String((await states())[0]?.[1]), /answer 550 at RCPT TO: .*no such person/);
  await platform.database.db.deleteFrom("mails").execute();
  server.answers.clear();
  server.answers.set("END", "550 I repeat: secret-of-the-mail");
  await signUp("echoed");
  await eventually("it is tried", async () => (await states())[0]?.[1] !== null);
  assert.equal((await states())[0]?.[0], "waiting");
  assert.doesNotMatch(JSON.stringify([await states(), platform.logged]), /secret-of-the-mail/);
  server.answers.clear();
  await dueNow();
  await eventually("it arrives", () => server.received.length === 1);
});

test("a link that is over or was replaced is not sent any more", async () => {
  await server.stop();
  await signUp("late");
  await eventually("it is tried", async () => (await states())[0]?.[1] !== null);
  // No attempt is under way when its time is over.
  await dueTomorrow();
  platform.clock.advance(31 * 60_000);
  await server.start();
  await dueNow();
  await signUp("later");
  await eventually("the other one arrives", () => server.received.length > 0);
  assert.deepEqual(
    server.received.map(({ to }) => to),
    ["later@example.org"],
  );
});

test("what is undone is not told: mails are written with what they tell of", async () => {
  const { db } = platform.database;
  await sql`create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end'`.execute(
    db,
  );
  await sql`create trigger refuse before insert on mails for each row execute function refuse()`.execute(db);
  const body = { email: "undone@example.org", password: "some password", name: "Undone" };
  await platform.call("POST", "/v1/auth/signup", { body });
  await sql`drop function refuse cascade`.execute(db);
  assert.ok(platform.logged.some(({ event }) => event === "work_after_answer.failed"));
  const left = await db.selectFrom("users").select("id").where("email", "=", body.email).execute();
  assert.deepEqual(left, [], "nobody waits for a mail that was never written");
});

test("without a mail server administrators see the links, until they are used; that they looked is written down", async () => {
  await using quiet = await TestPlatform.start({ outbox: {} });
  const made = await quiet.call("POST", "/v1/auth/bootstrap", {
    body: {
      token: quiet.firstAdminToken,
      email: "root@example.org",
      password: "the first one",
      name: "Root",
    },
  });
  const token = String(made.body["token"]);
  const list = async (query = "") => {
    const { status, body, headers } = await quiet.call("GET", `/v1/admin/mails${query}`, { token });
    assert.equal(status, 200, JSON.stringify(body));
    return { mails: body as unknown as Record<string, string>[], next: headers.get("x-next-cursor") };
  };
  for (const name of ["one", "two", "three"])
    await quiet.call("POST", "/v1/auth/signup", {
      body: { email: `${name}@example.org`, password: "some password", name },
    });
  const { mails } = await list();
  assert.deepEqual(
    mails.map(({ to, kind, state }) => [to, kind, state]),
    ["three", "two", "one"].map((name) => [`${name}@example.org`, "activation", "kept"]),
  );
  const first = await list("?limit=2");
  const rest = await list(`?limit=2&cursor=${first.next ?? ""}`);
  assert.deepEqual([...first.mails, ...rest.mails], mails);
  assert.equal(rest.next, null);
  const { fields } =
    quiet.logged.find(({ event }) => event === "mail.not_configured") ?? assert.fail("not logged");
  assert.equal(fields["to"], "one@example.org");
  for (const { link = "" } of mails)
    assert.ok(!JSON.stringify(quiet.logged).includes(link), "a link is as good as a password");
  const used = URL.parse(mails[0]?.["link"] ?? "")?.searchParams.get("token");
  assert.equal(
    (await quiet.call("POST", "/v1/auth/activate", { body: { token: used, password: "a password" } })).status,
    200,
  );
  assert.equal((await list()).mails.length, 2, "a used link is gone");
  quiet.clock.advance(31 * 60_000);
  const { body } = await quiet.call("POST", "/v1/auth/login", {
    body: { email: "root@example.org", password: "the first one" },
  });
  const later = await quiet.call("GET", "/v1/admin/mails", { token: String(body["token"]) });
  assert.deepEqual(later.body, [], "so are links that are over");
  const log = await quiet.call("GET", "/v1/admin/audit-logs?resource_type=mail", {
    token: String(body["token"]),
  });
  const reads = log.body["items"] as { action: string; metadata: Record<string, string> }[];
  assert.deepEqual(
    reads.map(({ action, metadata }) => [action, metadata["mails"]]),
    [
      ["read", "2"],
      ["read", "1"],
      ["read", "2"],
      ["read", "3"],
    ],
  );
});
