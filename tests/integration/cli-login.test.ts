import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, test } from "node:test";
import { CommandLine } from "../support/command-line.ts";
import { ConnectProxy } from "../support/connect-proxy.ts";
import { TestAuthority } from "../support/test-authority.ts";

/* Logins where the server is reached by a proxy only, which knows its name, and its authority by a file only. */

const URL_OF_SERVER = "https://wrenn.test";
const PROFILES = "wrenn/profiles.json";

let home: string;
let authority: TestAuthority;
let server: Server;
let proxy: ConnectProxy;
let wrenn: CommandLine;
/** Routes that were called, with the credentials. */
let calls: string[] = [];
/** Answers of the token route, the last of them again and again. */
let tokens: ((response: ServerResponse) => void)[] = [];
before(async () => {
  home = await mkdtemp("/tmp/wrenn-cli-login-");
  authority = await TestAuthority.make(home);
  server = createServer(await authority.issue("wrenn.test"), (...all) => void answer(...all));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const names = { "wrenn.test:443": `127.0.0.1:${(server.address() as AddressInfo).port}` };
  proxy = await ConnectProxy.start({ names, credentials: "user:word" });
  wrenn = new CommandLine(home, { HTTPS_PROXY: proxy.url, WRENN_CA_FILE: authority.caFile });
});
after(async () => {
  await proxy?.[Symbol.asyncDispose]();
  server?.close().closeAllConnections();
  await rm(home, { recursive: true, force: true });
});
beforeEach(async () => {
  calls = [];
  tokens = [];
  await rm(join(home, "wrenn"), { recursive: true, force: true });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = "", headers } = request;
  const body = await text(request);
  const key = headers["x-api-key"] ?? headers.authorization ?? "nothing";
  calls.push(`${method} ${url.replace(/\?.*/, "")} with ${String(key)}`);
  switch (url) {
    case "/v1/auth/device":
      return json(response, 200, {
        device_code: "d".repeat(64),
        user_code: "BCDF-GHJK",
        verification_uri: `${URL_OF_SERVER}/device`,
        verification_uri_complete: `${URL_OF_SERVER}/device?user_code=BCDF-GHJK`,
        expires_in: 600,
        interval: 0,
      });
    case "/v1/auth/token": {
      const asked = JSON.parse(body) as { grant_type: string };
      if (asked.grant_type === "refresh_token") return grant(2, 900)(response);
      const [next] = tokens.length > 1 ? tokens.splice(0, 1) : tokens;
      return next?.(response);
    }
    case "/v1/auth/logout":
      return void response.writeHead(204).end();
    default:
      return json(response, 200, url.startsWith("/v1/capsules") ? [] : { items: {} });
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const refuse =
  (code: string, status = 400) =>
  (response: ServerResponse): void =>
    json(response, status, {
      error: { code, reason: code, message: `no: ${code}`, remedy: "Do.", request_id: "req-1" },
    });

const grant =
  (number: number, expires_in: number) =>
  (response: ServerResponse): void =>
    json(response, 200, {
      token_type: "Bearer",
      access_token: `access-${number}`,
      refresh_token: String(number).repeat(64),
      expires_in,
    });

test("a login by code, its renewal and its end go through the proxy, and wait for the person", async () => {
  tokens = [refuse("authorization_pending"), refuse("authorization_pending"), grant(1, 1)];
  const login = await wrenn.try(["login", "--url", URL_OF_SERVER]);
  assert.equal(login.code, 0, login.stderr);
  assert.match(login.stderr, /enter the code BCDF-GHJK/);
  assert.deepEqual(calls, [
    "POST /v1/auth/device with nothing",
    ...Array<string>(3).fill("POST /v1/auth/token with nothing"),
  ]);
  calls = [];
  await wrenn.run(["ps"]);
  assert.deepEqual(calls, ["POST /v1/auth/token with nothing", "GET /v1/capsules with Bearer access-2"]);
  calls = [];
  await wrenn.run(["logout"]);
  assert.deepEqual(calls, ["POST /v1/auth/logout with Bearer access-2"]);
  assert.ok(proxy.tunnels.length > 0 && proxy.tunnels.every((target) => target === "wrenn.test:443"));
});

test("a login by key goes through the proxy, and a key of the environment is not sent by a login by code", async () => {
  await wrenn.run(["login", "--key", "--url", URL_OF_SERVER], "wrn_typed\n");
  assert.deepEqual(calls, ["GET /v1/quota with wrn_typed"]);
  calls = [];
  tokens = [grant(1, 900)];
  const other = { HTTPS_PROXY: proxy.url, WRENN_CA_FILE: authority.caFile, WRENN_API_KEY: "wrn_other" };
  await new CommandLine(home, other).run(["login", "--url", URL_OF_SERVER]);
  assert.ok(calls.length === 2 && calls.every((call) => call.endsWith("with nothing")), calls.join());
});

test("a login goes on when the server was away for a moment", async () => {
  tokens = [refuse("server_closing", 503), grant(1, 900)];
  await wrenn.run(["login", "--url", URL_OF_SERVER]);
  assert.equal(calls.filter((call) => call.includes("/v1/auth/token")).length, 2);
});

test("logout ends a login on the server also when its access token is over", async () => {
  tokens = [grant(1, 900)];
  await wrenn.run(["login", "--url", URL_OF_SERVER]);
  const path = join(home, PROFILES);
  const stored = (await readFile(path, "utf8")).replace(/"expiresAt": \d+/, '"expiresAt": 1');
  await writeFile(path, stored, { mode: 0o600 });
  calls = [];
  await wrenn.run(["logout"]);
  assert.deepEqual(calls, ["POST /v1/auth/token with nothing", "POST /v1/auth/logout with Bearer access-2"]);
});

test("a login that fails has the error, the exit code and the remedy of every call", async () => {
  const login = ["login", "--url", URL_OF_SERVER] as const;
  for (const [code, exit, reported] of [
    ["access_denied", 3, "login_denied"],
    ["expired_token", 3, "login_expired"],
  ] as const) {
    tokens = [refuse(code)];
    const { code: got, stderr } = await wrenn.try(login);
    assert.equal(got, exit, `${reported}: ${stderr}`);
    assert.match(stderr, /Run `wrenn login` again/);
  }
  const away = await wrenn.try(["login", "--url", "https://elsewhere.test"]);
  assert.equal(away.code, 5, away.stderr);
  assert.match(away.stderr, /did not reach https:\/\/elsewhere\.test: .*502\n +\S/);
  const untrusted = new CommandLine(home, { HTTPS_PROXY: proxy.url });
  const { code, stderr } = await untrusted.try(login);
  assert.equal(code, 5, stderr);
  assert.match(stderr, /WRENN_CA_FILE/);
});
