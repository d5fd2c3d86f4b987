import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { CommandLine } from "../support/command-line.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
const home = await mkdtemp("/tmp/wrenn-manage-");
after(() => rm(home, { recursive: true, force: true }));

const WRENN_API_KEY = server.apiKey;
/** By an API key of the environment. */
const byKey = new CommandLine(home, { WRENN_URL: server.url, WRENN_API_KEY });
/** By the profiles in its home. */
const byProfile = new CommandLine(home, {});
const profilesPath = join(home, "wrenn/profiles.json");

interface Named {
  readonly id: string;
}

test("a capsule is shown, changed, extended, kept in checkpoints and taken back", async () => {
  const { id } = await byKey.json<Named>("create", "--name", "web", "-m", "256M", "--max-lifetime", "1h");
  const seen = await byKey.json<{ lifetimeEndsAt: string; envNames: string[] }>("inspect", "web");
  assert.equal(await byKey.run(["__complete", "--", "pause", "we"]), "web\trunning, minimal\n");
  assert.match(await byKey.run(["inspect", "web"]), /^id +cl-\w+\nname +web\nstatus +running\n/);
  const change = ["--name", "api", "--idle-timeout", "10m", "-l", "stage=test"];
  const changed = await byKey.json<object>("update", "web", ...change);
  assert.partialDeepStrictEqual(changed, {
    name: "api",
    idleTimeoutMs: 600_000,
    metadata: { stage: "test" },
  });
  const undo = ["--no-name", "--remove-label", "stage"];
  const bare = await byKey.json<{ name?: string; metadata: object }>("update", id, ...undo);
  assert.deepEqual([bare.name, "stage" in bare.metadata], [undefined, false]);
  const ends = (await byKey.run(["extend", id, "--by", "1h"])).trim();
  assert.equal(Date.parse(ends) - Date.parse(seen.lifetimeEndsAt), 3_600_000);
  assert.equal((await byKey.failure("extend", id))[1].code, "option_missing");
  assert.equal((await byKey.failure("update", id))[1].code, "nothing_to_change");

  await server.shell(id, "echo before > /root/state");
  const checkpoint = await byKey.json<Named>("checkpoint create", id, "--name", "before");
  await server.shell(id, "echo after > /root/state");
  await byKey.json("restore", id, "before");
  assert.equal((await server.shell(id, "cat /root/state")).stdout, "before\n");
  assert.ok((await byKey.json<Named[]>("checkpoint ls", id)).some((one) => one.id === checkpoint.id));
  const [code, error] = await byKey.failure("checkpoint", "rm", id, "befroe");
  assert.deepEqual([code, error.code, error.remedy], [4, "checkpoint_unknown", "Did you mean 'before'?"]);
  assert.equal(await byKey.run(["checkpoint", "rm", id, "before"]), `${checkpoint.id}\n`);

  // The capsule is paused by the snapshot.
  const made = await byKey.json<{ tags: string[] }>("snapshot create", id, "kept:one");
  assert.deepEqual(made.tags, ["one"]);
  const [paused, refusal] = await byKey.failure("checkpoint", "create", id);
  assert.deepEqual([paused, refusal.code], [6, "invalid_state"]);
  assert.match(`${refusal.message} ${refusal.remedy}`, /paused.*resume/i);
  await byKey.run(["rm", id]);
  // What is gone is known for a while.
  assert.equal((await byKey.json<{ status: string }>("inspect", id)).status, "stopped");
  const [gone, ended] = await byKey.failure("pause", id);
  assert.deepEqual([gone, ended.code], [6, "invalid_state"]);
  const [none, unknown] = await byKey.failure("inspect", "web");
  assert.deepEqual([none, unknown.code], [4, "capsule_unknown"]);
});

test("templates are listed, inspected, tagged, published and deleted", async () => {
  const names = await byKey.json<{ name: string }[]>("template ls");
  assert.ok(["minimal", "kept"].every((name) => names.some((one) => one.name === name)));
  assert.deepEqual(
    (await byKey.json<{ name: string }[]>("snapshot ls")).map(({ name }) => name),
    ["kept"],
  );
  await byKey.json("template tag", "kept", "stable", "--version", "1");
  const { tags } = await byKey.json<{ tags: { tag: string }[] }>("template inspect", "kept");
  assert.deepEqual(tags.map(({ tag }) => tag).sort(), ["one", "stable"]);
  await byKey.json("template tag", "kept", "stable", "--remove");
  assert.match(await byKey.run(["template", "ls"]), /^kept .* team /m);
  const published = await byKey.try(["template", "publish", "kept"]);
  assert.deepEqual([published.code, published.stdout], [0, "kept\n"]);
  assert.match(published.stderr, /every team.*memory and files/i);
  assert.match(await byKey.run(["template", "ls"]), /^kept .* public /m);
  const offered = await byKey.json<{ reference: string }[]>("template ls", "--scope", "public");
  assert.deepEqual(
    offered.map(({ reference }) => reference.replace(/^.*\//, "")),
    ["kept"],
  );
  const hidden = await byKey.json<{ isPublic: boolean }>("template unpublish", "kept");
  assert.equal(hidden.isPublic, false);
  assert.match(await byKey.run(["template", "ls"]), /^kept .* team /m);
  const [unknown, refusal] = await byKey.failure("template", "publish", "nothing");
  assert.deepEqual([unknown, refusal.code], [4, "not_found"]);
  await byKey.json("template rm", "kept");
  const [code] = await byKey.failure("template", "inspect", "kept");
  assert.equal(code, 4);
});

test("teams, keys and hosts need a login, and the refusal under a key says where the key comes from", async () => {
  for (const words of [
    ["team", "ls"],
    ["key", "create"],
    ["host", "ls"],
  ]) {
    const [code, error] = await byKey.failure(...words);
    assert.deepEqual([code, error.code], [3, "login_required"], words.join(" "));
    assert.match(error.message, /from WRENN_URL and WRENN_API_KEY/);
    assert.match(error.remedy, /wrenn login/);
  }
});

test("a login manages teams, keys and hosts", async () => {
  await logIn();
  const [own] = await byProfile.json<{ id: string; isCurrent: boolean }[]>("team ls");
  assert.equal(own?.isCurrent, true);
  assert.equal((await byProfile.json<Named>("team show")).id, own.id);
  assert.equal((await byProfile.json<{ email: string }[]>("team members"))[0]?.email, "root@example.org");
  const { body: other } = await asPerson("POST", "/v1/teams", { name: "Research" });
  assert.equal((await byProfile.json<Named>("team switch", "research")).id, other.id);
  assert.equal((await byProfile.json<Named>("team show")).id, other.id);
  await byProfile.run(["team", "switch", own.id]);

  const made = await byProfile.try(["key", "create", "--name", "ci", "--scope", "read", "--expires", "1h"]);
  assert.match(made.stdout, /^wrn_\w+\n$/);
  assert.ok(!made.stderr.includes(made.stdout.trim()));
  const reader = new CommandLine(home, { WRENN_URL: server.url, WRENN_API_KEY: made.stdout.trim() });
  assert.equal((await reader.try(["ps"])).code, 0);
  assert.equal((await reader.failure("create"))[0], 3);
  const { key } = await byProfile.json<{ key: string }>("key create", "--name", "second");
  const listed = await byProfile.json<object[]>("key ls");
  assert.ok(listed.length >= 2 && !JSON.stringify(listed).includes(key));
  await byProfile.json("key rm", "ci", key.slice(0, 10));
  assert.equal((await reader.failure("ps"))[0], 3);

  const announced = await byProfile.json<{ id: string; registrationToken: string }>("host register");
  assert.notEqual(announced.registrationToken, "");
  const hosts = await byProfile.json<{ id: string; status: string }[]>("host ls");
  const here = hosts.find(({ status }) => status === "online")?.id ?? assert.fail(JSON.stringify(hosts));
  assert.equal(await byProfile.run(["host", "drain", here]), `${here} draining\n`);
  assert.equal(await byProfile.run(["host", "undrain", here]), `${here} online\n`);
  assert.deepEqual(await byProfile.json<Named[]>("host rm", announced.id), [{ id: announced.id }]);
  assert.equal((await byProfile.failure("host", "rm", announced.id))[1].code, "host_unknown");
});

test("a login that is over is renewed once and stored; a refused renewal asks for a new login", async () => {
  await changeLogin({ accessToken: "over", expiresAt: 1 });
  await Promise.all([byProfile.run(["team", "ls"]), byProfile.run(["ps"]), byProfile.run(["whoami"])]);
  const { accessToken, expiresAt } = await readLogin();
  assert.ok(accessToken !== "over" && expiresAt > Date.now());
  await changeLogin({ refreshToken: "0".repeat(64), expiresAt: 1 });
  const [code, error] = await byProfile.failure("ps");
  assert.deepEqual([code, error.code], [3, "not_logged_in"]);
  assert.match(error.remedy, /wrenn login/);
  const refused = new CommandLine(home, { WRENN_URL: server.url, WRENN_API_KEY: "wrn_wrong" });
  assert.equal((await refused.failure("inspect", "web"))[0], 3);
});

test("profiles are listed without credentials, chosen and forgotten", async () => {
  await byProfile.run(["login", "--key", "--url", server.url, "--profile", "second"], WRENN_API_KEY);
  const listed = await byProfile.json<{ name: string; isCurrent: boolean }[]>("config ls");
  assert.deepEqual(
    listed.map(({ name, isCurrent }) => [name, isCurrent]),
    [
      ["default", false],
      ["second", true],
    ],
  );
  const { stderr } = await byProfile.try(["config", "use", "defualt"]);
  assert.match(stderr, /Did you mean 'default'/);
  await byProfile.run(["config", "use", "default"]);
  const keysOf = async (): Promise<readonly unknown[]> =>
    (await byProfile.json<{ detachKeys: string | null }[]>("config ls")).map(({ detachKeys }) => detachKeys);
  await byProfile.run(["config", "set", "detach_keys", "none", "--profile", "second"]);
  await byProfile.run(["config", "set", "detach_keys", "ctrl-a,d"]);
  assert.deepEqual(await keysOf(), ["ctrl-a,d", "none"]);
  assert.match((await byProfile.try(["config", "set", "detach_keys", "ab"])).stderr, /not a sequence/);
  await byProfile.run(["login", "--key", "--url", server.url, "--profile", "second"], WRENN_API_KEY);
  await byProfile.run(["config", "use", "default"]);
  assert.deepEqual(await keysOf(), ["ctrl-a,d", "none"], "another login keeps what was set");
  await byProfile.run(["config", "set", "detach_keys"]);
  assert.deepEqual(await keysOf(), [null, "none"]);
  await byProfile.run(["config", "rm", "second"]);
  assert.deepEqual(
    (await byProfile.json<{ name: string }[]>("config ls")).map(({ name }) => name),
    ["default"],
  );
});

test("what is no server, no Wrenn, or an older one is told apart, with what to do", async (t) => {
  const at = (WRENN_URL: string): CommandLine => new CommandLine(home, { WRENN_URL, WRENN_API_KEY });
  const [none, unreached] = await at("http://127.0.0.1:9").failure("inspect", "web");
  assert.deepEqual([none, unreached.code], [5, "connection_failed"]);

  for (const [status, type] of [
    [404, "text/html"],
    [200, "text/html"],
    [200, "application/json"],
    [401, "text/plain"],
  ] as const) {
    const page = await serve(t, (_request, response) =>
      response.writeHead(status, { "content-type": type }).end(type === "text/html" ? "<p>hello" : "{}"),
    );
    const [code, error] = await at(page).failure("ps");
    assert.deepEqual([code, error.code], [5, "invalid_answer"], `${status} ${type}: ${error.message}`);
    assert.match(error.remedy, /URL/);
  }

  const old = await serve(t, ({ url, method }, response) => {
    response.setHeader("content-type", "application/json");
    if (url === "/v1/info") return response.end(JSON.stringify({ version: "0.0.9", limits: {}, ports: {} }));
    const message = `no route ${method} ${url}`;
    const error = {
      code: "not_found",
      reason: "route_not_found",
      message,
      remedy: "See /docs.",
      request_id: "r",
    };
    return response.writeHead(404).end(JSON.stringify({ error }));
  });
  const [code, error] = await at(old).failure("template", "inspect", "web");
  assert.deepEqual([code, error.code], [1, "server_too_old"]);
  assert.match(error.message, /version 0\.0\.9.*GET \/v1\/templates\/web/);
});

test("mistyped commands and options get the near ones", async () => {
  for (const [words, near] of [
    [["inspcet", "web"], "inspect"],
    [["checkpoint", "creat", "web"], "create"],
    [["host", "drian"], "drain"],
    [["update", "web", "--idle-timout", "1h"], "--idle-timeout"],
  ] as const) {
    const { code, stdout, stderr } = await byKey.try(words);
    assert.deepEqual([code, stdout, stderr.includes(near)], [2, "", true], stderr);
  }
  const { code, stdout } = await byKey.try(["update", "--json"]);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  assert.deepEqual([code, error.code], [2, "usage"]);
  assert.match(error.message, /missing required argument 'capsule'/);
});

interface StoredLogin {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAt: number;
}

/** Logs the first administrator in, as a device whose code is approved. */
async function logIn(): Promise<void> {
  const token = (await readFile(join(server.dataDirectory, "first-admin-token"), "utf8")).trim();
  const root = { token, email: "root@example.org", password: "correct horse", name: "Root" };
  person = (await server.call<{ token: string }>("POST", "/v1/auth/bootstrap", root)).body.token;
  let said = "";
  const approve = async (text: string): Promise<void> => {
    said += text;
    const [, code] = /enter the code ([\w-]+),/.exec(said) ?? [];
    if (code === undefined || approved !== undefined) return;
    approved = code;
    const { status } = await asPerson("POST", "/v1/auth/device/approve", { user_code: code });
    assert.equal(status, 204);
  };
  let approved: string | undefined;
  const { code, stderr } = await byProfile.try(
    ["login", "--url", server.url],
    "",
    (text) => void approve(text),
  );
  assert.equal(code, 0, stderr);
}

let person = "";
async function asPerson(
  method: string,
  path: string,
  body: object,
): Promise<{ readonly status: number; readonly body: Named }> {
  const answer = await fetch(new URL(path, server.url), {
    method,
    headers: { authorization: `Bearer ${person}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === "" ? undefined : JSON.parse(text)) as Named };
}

async function readLogin(): Promise<StoredLogin> {
  const stored = JSON.parse(await readFile(profilesPath, "utf8")) as {
    readonly profiles: { readonly default: { readonly login: StoredLogin } };
  };
  return stored.profiles.default.login;
}

async function changeLogin(change: Partial<StoredLogin>): Promise<void> {
  const login = { ...(await readLogin()), ...change };
  await writeFile(
    profilesPath,
    JSON.stringify({ current: "default", profiles: { default: { url: server.url, login } } }),
    { mode: 0o600 },
  );
}

async function serve(t: { after(end: () => void): void }, respond: RequestListener): Promise<string> {
  const other = createServer(respond);
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close().closeAllConnections());
  return `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
}
