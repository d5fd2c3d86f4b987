import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import { joinTeam, listOf } from "./support/join-team.ts";
import {
  close,
  kinds,
  openHttp2Events,
  openRawTerminal,
  RecordingHostAgent,
} from "./support/long-connections.ts";
import type { Opening, Watched } from "./support/long-connections.ts";
import { TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

/* What lasts longer than a request ends with the access that it was opened with, on every control plane, within 10 s. */

const PROMISED_MS = 10_000;
const host = new RecordingHostAgent();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);
await platform.database.db
  .updateTable("hosts")
  .set({ address: "shared.test:8090", cert_fingerprint: "shared" })
  .execute();
platform.remote.set("shared.test:8090", host);
/** Connections are opened here, and access ends at the first control plane. */
const second = await platform.serve(undefined);
const readyAtNextLook = async (): Promise<boolean> => {
  platform.clock.advance(1000);
  return (await call("GET", "/ready", { url: second.url })).status === 200;
};
await eventually("the second control plane reaches the host", readyAtNextLook);

const admin = await platform.person("root");
await platform.database.db
  .updateTable("users")
  .set({ is_admin: true })
  .where("email", "=", admin.email)
  .execute();

/** Access tokens are over after 15 minutes, and each new person takes one. */
const adminToken = async (): Promise<string> =>
  String((await call("POST", "/v1/auth/login", { body: admin })).body["token"]);

let people = 0;
const somebody = async (): Promise<Person> => await platform.person(`person${(people += 1)}`);

async function keyOf(
  token: string,
  body: object = {},
): Promise<{ readonly id: string; readonly key: string }> {
  const made = await call("POST", "/v1/api-keys", { token, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return { id: String(made.body["id"]), key: String(made.body["key"]) };
}

/** A capsule with a process that lasts, in the team of the token. */
async function capsuleOf(token: string, base = "/v1"): Promise<string> {
  const made = await call("POST", `${base}/capsules`, { token, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const id = String(made.body["id"]);
  const service = { cmd: "sleep", args: ["600"], background: true, tag: "service" };
  const started = await call("POST", `${base}/capsules/${id}/exec`, { token, body: service });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  return id;
}

async function openAll(opening: Opening, only?: (name: string) => boolean): Promise<readonly Watched[]> {
  return await Promise.all(
    kinds
      .filter(({ name }) => only?.(name) !== false)
      .map(async ({ open, ended }) => ({ connection: await open(opening), ended })),
  );
}

/** Nothing has ended by itself; requests without a first answer have reached their handler. */
async function assertAllOpen(all: readonly Watched[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(
    all.filter(({ connection }) => connection.ending() !== undefined).map((one) => one.connection.name),
    [],
  );
}

async function assertAllEnd(all: readonly Watched[]): Promise<void> {
  for (const { connection, ended } of all) {
    const ending = await eventually(`the end of ${connection.name}`, () => connection.ending(), {
      timeoutMs: PROMISED_MS,
    });
    assert.equal(ending, ended, connection.name);
  }
}

interface World {
  readonly owner: Person;
  readonly member: Person;
  /** The member's, in the owner's team. */
  readonly token: string;
  readonly key: { readonly id: string; readonly key: string };
  readonly ownersKey: string;
}

async function world(): Promise<World> {
  const [owner, member] = [await somebody(), await somebody()];
  const token = await joinTeam(platform, owner, member, "admin");
  return { owner, member, token, key: await keyOf(token), ownersKey: (await keyOf(owner.token)).key };
}

interface Revoking {
  readonly what: string;
  /** Which credentials of the member end. */
  readonly ends: readonly ("key" | "session")[];
  readonly revoke: (world: World) => Promise<unknown>;
}

const expectDone = async (
  status: Promise<{ readonly status: number; readonly body: unknown }>,
): Promise<void> => {
  const answer = await status;
  assert.ok([200, 204].includes(answer.status), JSON.stringify(answer.body));
};

const active = async (person: Person, isActive: boolean): Promise<void> =>
  await expectDone(
    call("PUT", `/v1/admin/users/${person.userId}/active`, {
      token: await adminToken(),
      body: { active: isActive },
    }),
  );

const ways: readonly Revoking[] = [
  {
    what: "the key is deleted",
    ends: ["key"],
    revoke: async ({ owner, key }) =>
      await expectDone(call("DELETE", `/v1/api-keys/${key.id}`, { token: owner.token })),
  },
  {
    what: "the member is removed",
    ends: ["key", "session"],
    revoke: async ({ owner, member }) =>
      await expectDone(
        call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`, { token: owner.token }),
      ),
  },
  {
    what: "the member leaves",
    ends: ["key", "session"],
    revoke: async ({ owner, token }) =>
      await expectDone(call("POST", `/v1/teams/${owner.teamId}/leave`, { token })),
  },
  {
    what: "the member logs out",
    ends: ["session"],
    revoke: async ({ token }) => await expectDone(call("POST", "/v1/auth/logout", { token })),
  },
  {
    what: "the member's password is changed in another login",
    ends: ["session"],
    revoke: async ({ member }) => {
      const login = await call("POST", "/v1/auth/login", { body: member });
      await expectDone(
        call("POST", "/v1/me/password", {
          token: String(login.body["token"]),
          body: { current_password: member.password, new_password: "another password" },
        }),
      );
    },
  },
  {
    what: "the member is deactivated",
    ends: ["key", "session"],
    revoke: async ({ member }) => await active(member, false),
  },
  {
    what: "the member deletes the account",
    ends: ["key", "session"],
    revoke: async ({ member }) =>
      await expectDone(
        call("DELETE", "/v1/me", { token: member.token, body: { confirmation: member.email } }),
      ),
  },
  {
    what: "a scope is taken from the key",
    ends: ["key"],
    revoke: async () => await sql`update api_keys set scopes = '{manage}'`.execute(platform.database.db),
  },
];

for (const { what, ends, revoke } of ways)
  test(`when ${what}, what was opened with it ends, and nothing else`, async () => {
    const here = await world();
    const capsule = await capsuleOf(here.owner.token);
    const at = { url: second.url, capsule };
    const byKey = await openAll({ ...at, headers: { "x-api-key": here.key.key } });
    const byToken = await openAll({ ...at, headers: { authorization: `Bearer ${here.token}` } });
    const sessions = (name: string): boolean => ["terminal", "command", "file watch"].includes(name);
    const byMessage = await openAll({ ...at, headers: {}, first: { token: here.token } }, sessions);
    const keyByMessage = await openAll({ ...at, headers: {}, first: { api_key: here.key.key } }, sessions);
    const ofOwner = await openAll({ ...at, headers: { authorization: `Bearer ${here.owner.token}` } });
    const of = { key: [...byKey, ...keyByMessage], session: [...byToken, ...byMessage] };
    await assertAllOpen([...of.key, ...of.session, ...ofOwner]);
    await revoke(here);
    try {
      for (const kind of ends) await assertAllEnd(of[kind]);
      for (const { connection } of [...of.key, ...of.session]) connection.type?.("after the end");
      const others = (["key", "session"] as const).filter((kind) => !ends.includes(kind));
      if (what !== "a scope is taken from the key")
        await assertAllOpen([...ofOwner, ...others.flatMap((kind) => of[kind])]);
    } finally {
      close([...byKey, ...byToken, ...byMessage, ...ofOwner]);
    }
  });

test("when a team is deleted, everything that was opened in it ends", async () => {
  const here = await world();
  const capsule = await capsuleOf(here.owner.token);
  const at = { url: second.url, capsule };
  const all = [
    // What works with a capsule may end with the capsule first.
    ...(await openAll({ ...at, headers: { "x-api-key": here.key.key } }, (name) => name === "events")),
    ...(await openAll(
      { ...at, headers: { authorization: `Bearer ${here.token}` } },
      (name) => name === "events",
    )),
  ];
  await assertAllOpen(all);
  await expectDone(call("DELETE", `/v1/teams/${here.owner.teamId}`, { token: here.owner.token }));
  await assertAllEnd(all);
  close(all);
});

test("administrators lose what they opened in capsules of the platform with their right", async () => {
  const person = await somebody();
  const right = `/v1/admin/users/${person.userId}/admin`;
  await expectDone(call("PUT", right, { token: await adminToken(), body: { admin: true } }));
  const capsule = await capsuleOf(person.token, "/v1/admin");
  const opening = {
    url: second.url,
    capsule,
    headers: { authorization: `Bearer ${person.token}` },
    base: "/v1/admin",
  };
  const all = await openAll(opening, (name) => ["terminal", "command", "process output"].includes(name));
  await assertAllOpen(all);
  await expectDone(call("PUT", right, { token: await adminToken(), body: { admin: false } }));
  await assertAllEnd(all);
  close(all);
});

test("a revocation whose notification is lost counts within 10 s, on HTTP/2 as well", async () => {
  const here = await world();
  const capsule = await capsuleOf(here.owner.token);
  const all = await openAll({ url: second.url, capsule, headers: { "x-api-key": here.key.key } });
  const http2 = await openHttp2Events(await platform.serveHttp2(), { "x-api-key": here.key.key });
  const watched = [...all, { connection: http2, ended: "destroyed" }];
  await assertAllOpen(watched);
  const { db } = platform.database;
  await sql`alter table api_keys disable trigger key_revocations`.execute(db);
  const revoked = performance.now();
  try {
    await expectDone(call("DELETE", `/v1/api-keys/${here.key.id}`, { token: here.owner.token }));
    await assertAllEnd(watched);
    assert.ok(performance.now() - revoked < PROMISED_MS);
  } finally {
    await sql`alter table api_keys enable trigger key_revocations`.execute(db);
    close(watched);
  }
});

test("a create that waits ends with its key, and leaves no capsule", async () => {
  const here = await world();
  host.isSlow = true;
  try {
    const created = call("POST", "/v1/capsules", { key: here.key.key, body: {}, url: second.url });
    created.catch(() => undefined);
    await eventually("the host is asked", () => host.waiting === 1);
    await expectDone(call("DELETE", `/v1/api-keys/${here.key.id}`, { token: here.owner.token }));
    await assert.rejects(created);
    await eventually("the create is given up", () => host.waiting === 0);
    await eventually("no capsule is left", async () => {
      const left = await call("GET", "/v1/capsules", { token: here.owner.token });
      return listOf(left).length === 0;
    });
  } finally {
    host.isSlow = false;
  }
});

test("requests that end the access of their own caller are answered", async () => {
  for (let round = 0; round < 5; round += 1) {
    const { owner, token, member } = await world();
    await expectDone(call("POST", `/v1/teams/${owner.teamId}/leave`, { token }));
    await expectDone(call("POST", "/v1/auth/logout", { token: member.token }));
    await expectDone(call("DELETE", `/v1/teams/${owner.teamId}`, { token: owner.token }));
  }
});

test("a pipelined request ends with its own access, although its turn has not come", async () => {
  const here = await world();
  const capsule = await capsuleOf(here.owner.token);
  const url = new URL(second.url);
  const socket = connect(Number(url.port), url.hostname);
  let isClosed = false;
  socket.on("error", () => undefined);
  socket.resume().on("close", () => (isClosed = true));
  const body = JSON.stringify({ cmd: "sleep", args: ["600"], timeout_sec: 600 });
  socket.write(
    [
      `GET /v1/events HTTP/1.1\r\nHost: test\r\nX-API-Key: ${here.ownersKey}\r\n\r\n`,
      `POST /v1/capsules/${capsule}/exec HTTP/1.1\r\nHost: test\r\nX-API-Key: ${here.key.key}\r\n`,
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ].join(""),
  );
  const running = async (): Promise<number> =>
    (await host.processes(capsule).list(AbortSignal.timeout(1000))).length;
  const before = await running();
  await eventually("the command runs", async () => (await running()) > before);
  await expectDone(call("DELETE", `/v1/api-keys/${here.key.id}`, { token: here.owner.token }));
  await eventually("the connection is destroyed", () => isClosed, { timeoutMs: PROMISED_MS });
  await eventually("the command is ended", async () => (await running()) === before);
});

test("what is typed after the end of the access never reaches the program, whatever the client does", async () => {
  const here = await world();
  const capsule = await capsuleOf(here.owner.token);
  const { open } = kinds[0] ?? assert.fail();
  const terminal = await open({ url: second.url, capsule, headers: { "x-api-key": here.key.key } });
  terminal.type?.("before");
  await eventually("input arrives", () => host.typed.includes("before"));
  const typing = setInterval(() => terminal.type?.("still typing"), 5);
  try {
    await expectDone(call("DELETE", `/v1/api-keys/${here.key.id}`, { token: here.owner.token }));
    await assertAllEnd([{ connection: terminal, ended: "1008 access_ended" }]);
    const reached = host.typed.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(host.typed.length, reached);
  } finally {
    clearInterval(typing);
    terminal.close();
  }
});

for (const reads of [true, false])
  test(`a client that ignores the end of its terminal and ${reads ? "reads" : "reads nothing"} is cut off, and types no more`, async () => {
    const here = await world();
    const capsule = await capsuleOf(here.owner.token);
    const opening = { url: second.url, capsule, headers: { "x-api-key": here.key.key } };
    const { socket, type } = await openRawTerminal(opening);
    if (reads) socket.resume();
    const mark = `mark of ${reads ? "a reader" : "nobody"}`;
    type(mark);
    await eventually("input arrives", () => host.typed.includes(mark));
    // The echo fills the connection of one that does not read.
    const block = "x".repeat(40_000);
    const blocks = reads ? 0 : 400;
    for (let sent = 0; sent < blocks; sent += 1) type(block);
    const typing = setInterval(() => type("still typing"), 5);
    const closings = (): number =>
      platform.logged.filter(
        ({ event, fields }) => event === "websocket" && /access.*has ended/.test(String(fields["outcome"])),
      ).length;
    const before = closings();
    try {
      await expectDone(call("DELETE", `/v1/api-keys/${here.key.id}`, { token: here.owner.token }));
      await eventually("the session is over", () => closings() > before, { timeoutMs: PROMISED_MS });
      const reached = host.typed.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(host.typed.length, reached);
      socket.resume();
      await eventually("the connection is gone", () => socket.closed, { timeoutMs: PROMISED_MS });
    } finally {
      clearInterval(typing);
      socket.destroy();
    }
  });

test("what a key or a login opened ends when its time is over", async () => {
  const here = await world();
  const capsule = await capsuleOf(here.owner.token);
  const at = { url: second.url, capsule };
  const shortKey = await keyOf(here.owner.token, { expires_in_sec: 60 });
  const byKey = await openAll({ ...at, headers: { "x-api-key": shortKey.key } });
  const byToken = await openAll({ ...at, headers: { authorization: `Bearer ${here.token}` } });
  await assertAllOpen([...byKey, ...byToken]);
  platform.clock.advance(61_000);
  await assertAllEnd(byKey);
  await assertAllOpen(byToken);
  // An access token is over after 15 minutes; what it opened lasts as long as the login.
  platform.clock.advance(20 * 60_000);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await assertAllOpen(byToken);
  platform.clock.advance(31 * 86_400_000);
  await assertAllEnd(byToken);
  close([...byKey, ...byToken]);
});
