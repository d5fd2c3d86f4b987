import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { buildDashboard } from "@wrenn/host-setup";
import { readFileIfPresent } from "@wrenn/system";
import { CommandLine } from "../support/command-line.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { PtySession } from "../support/pty-session.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

/* `wrenn open` at a real server: which address it prints, where, and what the address does. */

await buildDashboard({ projectRoot, progress: () => {} });
const server = await startTestServer();
after(() => server.close());
const home = await mkdtemp("/tmp/wrenn-open-");
after(() => rm(home, { recursive: true, force: true }));
const address = server.url.replace("127.0.0.1", "localhost");
const here = { WRENN_DATA_DIR: server.dataDirectory };
const quiet = new CommandLine(home, here);
const tokenFile = join(server.dataDirectory, "first-admin-token");
const person = { email: "ada@example.org", password: "a password of many words", name: "Ada" };

/** What the command shows on a terminal. */
async function onTerminal(...words: readonly string[]): Promise<string> {
  const env = programEnvironment(home, here);
  const session = new PtySession([join(projectRoot, "wrenn"), "open", ...words], { env, cols: 300 });
  const { code } = await session.ended;
  assert.equal(code, 0, session.output);
  return session.output;
}

test("without an administrator, a terminal gets a fresh link for the first one, and nothing else does", async () => {
  const before = (await readFile(tokenFile, "utf8")).trim();
  const plain = await quiet.json<{ url: string; kind: string; opened: boolean }>("open");
  assert.deepEqual(plain, { url: `${address}/`, kind: "plain", opened: false });
  assert.equal((await readFile(tokenFile, "utf8")).trim(), before, "it stays good");
  const shown = await onTerminal();
  const [, token = ""] = new RegExp(`${address}/welcome#([0-9a-f]{64})`).exec(shown) ?? [];
  assert.equal((await readFile(tokenFile, "utf8")).trim(), token, shown);
  const refused = await server.call("POST", "/v1/auth/bootstrap", { token: before, ...person });
  assert.equal(refused.status, 400, "the link before no longer works");
  assert.equal((await server.call("POST", "/v1/auth/bootstrap", { token, ...person })).status, 201);
  assert.equal(await readFileIfPresent(tokenFile), undefined);
  assert.match(await onTerminal(), new RegExp(`${address}/\r\n.*wrenn login`));
});

test("logged in as a person, it makes a link that logs in, which a desktop's browser gets without its being printed", async () => {
  const begun = await server.call<{ device_code: string; user_code: string }>("POST", "/v1/auth/device", {});
  const { email, password } = person;
  const { body } = await server.call<{ token: string }>("POST", "/v1/auth/login", { email, password });
  const bearer = { authorization: `Bearer ${body.token}`, "content-type": "application/json" };
  const code = JSON.stringify({ user_code: begun.body.user_code });
  const approve = new URL("/v1/auth/device/approve", server.url);
  assert.equal((await fetch(approve, { method: "POST", headers: bearer, body: code })).status, 204);
  const grant = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: begun.body.device_code,
  };
  const got = await server.call<{ access_token: string; refresh_token: string }>(
    "POST",
    "/v1/auth/token",
    grant,
  );
  const { access_token: accessToken, refresh_token: refreshToken } = got.body;
  const login = { accessToken, refreshToken, expiresAt: Date.now() + 600_000 };
  await mkdir(join(home, "wrenn"), { recursive: true });
  const profiles = { current: "default", profiles: { default: { url: server.url, login } } };
  await writeFile(join(home, "wrenn/profiles.json"), JSON.stringify(profiles), { mode: 0o600 });

  const shown = await onTerminal("--print");
  const [, token = ""] = new RegExp(`${address}/login#link=([0-9a-f]{64})`).exec(shown) ?? [];
  const followed = await server.call<{ email: string }>("POST", "/v1/auth/browser-links/follow", { token });
  assert.equal(followed.body.email, email, shown);

  const programs = join(home, "programs");
  await mkdir(programs);
  const opener = join(programs, "xdg-open");
  await writeFile(
    opener,
    `#!/bin/sh\nprintf '%s' "$1" > ${join(home, "opened.part")}\nmv ${join(home, "opened.part")} ${join(home, "opened")}\n`,
  );
  await chmod(opener, 0o755);
  const desktop = new CommandLine(home, {
    ...here,
    DISPLAY: ":9",
    PATH: `${programs}:${process.env["PATH"] ?? ""}`,
  });
  const opened = await desktop.json<{ url: string; kind: string; opened: boolean }>("open");
  assert.deepEqual(opened, { url: `${address}/`, kind: "login", opened: true });
  const got2 = await eventually(
    "the browser has it",
    async () => await readFileIfPresent(join(home, "opened")),
  );
  assert.match(got2, new RegExp(`^${address}/login#link=[0-9a-f]{64}$`));
  await rm(join(home, "opened"));
  const printed = await desktop.json<{ url: string; opened: boolean }>("open", "--print");
  assert.deepEqual([printed.url, printed.opened], [`${address}/`, false]);
  assert.equal(await readFileIfPresent(join(home, "opened")), undefined);
});

test("a server without a dashboard, and no server, say what to do", async (t) => {
  const empty = await mkdtemp("/tmp/wrenn-open-");
  t.after(() => rm(empty, { recursive: true, force: true }));
  const [code, error] = await new CommandLine(empty, {}).failure("open");
  assert.deepEqual([code, error.code], [3, "no_server"]);
  const old = createServer((_request, response) => {
    const info = {
      version: "0.1.0",
      api_versions: ["v1"],
      time: new Date().toISOString(),
      features: [],
      limits: {},
      ports: {},
    };
    response.setHeader("content-type", "application/json").end(JSON.stringify(info));
  }).listen(0, "127.0.0.1");
  t.after(() => old.close());
  await once(old, "listening");
  const url = `http://127.0.0.1:${(old.address() as AddressInfo).port}`;
  const without = new CommandLine(empty, { WRENN_URL: url, WRENN_API_KEY: "wrn_any" });
  const [exit, problem] = await without.failure("open");
  assert.deepEqual([exit, problem.code], [4, "no_dashboard"]);
  assert.match(problem.remedy, /--no-dashboard/);
});
