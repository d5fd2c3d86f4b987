import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { WebSocket } from "ws";
import { TestPlatform } from "./support/test-platform.ts";
import type { Person } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

interface Listed {
  readonly id: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly address: string;
  readonly program: string;
  readonly device?: string;
  readonly is_current: boolean;
}

async function sessionsOf(token: string): Promise<readonly Listed[]> {
  const { status, body } = await call("GET", "/v1/me/sessions", { token });
  assert.equal(status, 200, JSON.stringify(body));
  return body as unknown as readonly Listed[];
}

async function logIn({ email, password }: Person, program: string) {
  const opened = await call("POST", "/v1/auth/login", {
    body: { email, password },
    headers: { "user-agent": program },
  });
  assert.equal(opened.status, 200, JSON.stringify(opened.body));
  const cookie = (opened.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  return { token: String(opened.body["token"]), cookie };
}

async function statusOf(token: string): Promise<number> {
  return (await call("GET", "/v1/me", { token })).status;
}

test("a person sees where they are logged in, what was used last first, and nothing of others", async () => {
  const ada = await platform.person("ada");
  await platform.person("eve");
  platform.clock.advance(60_000);
  const laptop = await logIn(ada, `Firefox ${"x".repeat(500)}`);
  platform.clock.advance(60_000);
  const renewed = await call("POST", "/v1/auth/refresh", {
    cookie: ada.cookie,
    headers: { "user-agent": "Firefox 2" },
  });
  const [first, second, ...more] = await sessionsOf(laptop.token);
  assert.ok(first && second);
  assert.deepEqual(more, []);
  assert.equal(first.program, "Firefox 2", "it was renewed last");
  assert.deepEqual([first.is_current, second.is_current], [false, true]);
  assert.equal(second.program.length, 200);
  assert.equal(second.address, "127.0.0.1");
  // The clock goes on between the two, and times are in whole seconds.
  const apartMs = Date.parse(first.last_used_at) - Date.parse(second.last_used_at);
  assert.ok(apartMs >= 60_000 && apartMs <= 70_000, `${apartMs} ms`);
  assert.match(first.id, /^ses-[0-9a-z]{25}$/);
  assert.equal((await sessionsOf(String(renewed.body["token"])))[0]?.is_current, true);
});

test("a login from a device has the name that the person approved", async () => {
  const ada = await platform.person("device-owner");
  const begun = await call("POST", "/v1/auth/device", { body: { client_name: "wrenn on laptop" } });
  const approval = { token: ada.token, body: { user_code: begun.body["user_code"] } };
  assert.equal((await call("POST", "/v1/auth/device/approve", approval)).status, 204);
  const grant = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: begun.body["device_code"],
  };
  const headers = { "user-agent": "wrenn/0.1" };
  const got = await call("POST", "/v1/auth/token", { body: grant, headers });
  const listed = await sessionsOf(String(got.body["access_token"]));
  const device = listed.find(({ is_current: isCurrent }) => isCurrent);
  assert.deepEqual([device?.device, device?.program], ["wrenn on laptop", "wrenn/0.1"]);
  assert.equal(listed.filter(({ device: name }) => name !== undefined).length, 1);
});

test("a login that is ended works no longer, its connections close, and the log says who ended it", async () => {
  const ada = await platform.person("ending");
  const phone = await logIn(ada, "phone");
  const capsule = await call("POST", "/v1/capsules", { token: ada.token, body: {} });
  const address = `${platform.url.replace("http", "ws")}/v1/capsules/${String(capsule.body["id"])}/files/watch`;
  const socket = new WebSocket(address, { headers: { authorization: `Bearer ${phone.token}` } });
  await once(socket, "open");
  const closed = once(socket, "close");
  const id = (await sessionsOf(ada.token)).find(({ program }) => program === "phone")?.id ?? "";

  assert.equal((await call("DELETE", `/v1/me/sessions/${id}`, { token: ada.token })).status, 204);
  await closed;
  assert.equal(await statusOf(phone.token), 401);
  assert.equal((await call("POST", "/v1/auth/refresh", { cookie: phone.cookie })).status, 401);
  assert.equal(await statusOf(ada.token), 200);
  assert.equal((await call("DELETE", `/v1/me/sessions/${id}`, { token: ada.token })).status, 404);
  const log = await call("GET", "/v1/audit-logs?resource_type=user", { token: ada.token });
  const [entry] = log.body["items"] as { action: string; metadata: Record<string, string> }[];
  assert.deepEqual([entry?.action, entry?.metadata["session"]], ["logout", id]);
});

test("nobody ends a login of another person; ending the own one logs out", async () => {
  const [ada, eve] = [await platform.person("one"), await platform.person("other")];
  const [own] = await sessionsOf(ada.token);
  const path = `/v1/me/sessions/${own?.id ?? ""}`;
  assert.equal((await call("DELETE", path, { token: eve.token })).status, 404);
  assert.equal((await call("DELETE", path, { key: platform.apiKey })).status, 401);
  assert.equal(await statusOf(ada.token), 200);
  const ended = await call("DELETE", path, { token: ada.token });
  assert.equal(ended.status, 204);
  assert.match(ended.headers.get("set-cookie") ?? "", /wrenn_refresh=; Max-Age=0/);
  assert.equal(await statusOf(ada.token), 401);
});

test("a person logs out everywhere else at once", async () => {
  const ada = await platform.person("everywhere");
  const others = [await logIn(ada, "a"), await logIn(ada, "b")];
  const { status, body } = await call("DELETE", "/v1/me/sessions", { token: ada.token });
  assert.deepEqual([status, body], [200, { ended: 2 }]);
  for (const { token } of others)
    await eventually("it has ended", async () => (await statusOf(token)) === 401);
  assert.equal((await sessionsOf(ada.token)).length, 1);
});
