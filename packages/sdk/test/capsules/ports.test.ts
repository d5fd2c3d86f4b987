import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Capsule } from "../../src/capsules/capsule.ts";
import { ScriptedApi, wireCapsule } from "../support/scripted-api.ts";

const { id } = wireCapsule();
const path = `/v1/capsules/${id}`;
const link = {
  id: "link-1",
  port: 8000,
  created_by: "key-1",
  created_at: "2026-03-01T09:30:00Z",
  expires_at: "2026-03-01T10:30:00Z",
};

let api: ScriptedApi;
let capsule: Capsule;
before(async () => {
  api = await ScriptedApi.start();
  api.on(`GET ${path}`, { body: wireCapsule() });
});
after(() => api[Symbol.asyncDispose]());
beforeEach(async () => {
  capsule = await api.client().capsules.get(id);
  api.calls.length = 0;
});

const servedAt = (scheme: string, domain: string, port: number): unknown =>
  api.on("GET /v1/info", { body: { limits: {}, ports: { scheme, domain, port } } });

test("the address of a port has the server's scheme, domain and port", async () => {
  servedAt("http", "localhost", 8080);
  assert.equal(await capsule.getUrl(8000), `http://8000-${id}.localhost:8080/`);
  assert.equal(await capsule.getUrl(1, { path: "/a b?c=1#d" }), `http://1-${id}.localhost:8080/a%20b?c=1#d`);
  assert.equal(
    await capsule.getUrl(8000, { scheme: "ws", path: "/ws" }),
    `ws://8000-${id}.localhost:8080/ws`,
  );
  assert.deepEqual(api.asked, ["GET /v1/info"], "it is asked once");
});

test("under TLS at the usual port the address has none", async () => {
  servedAt("https", "wrenn.test", 443);
  assert.equal(await capsule.getUrl(8000), `https://8000-${id}.wrenn.test/`);
  assert.equal(await capsule.getUrl(8000, { scheme: "ws" }), `wss://8000-${id}.wrenn.test/`);
});

test("a path leads nowhere else", async () => {
  servedAt("http", "localhost", 8080);
  for (const bad of ["x", "", "//example.org/", "http://example.org/", String.raw`/\example.org`])
    await assert.rejects(capsule.getUrl(8000, { path: bad }), { code: "invalid_option" }, bad);
  await assert.rejects(capsule.getUrl(8000, { scheme: "ftp" as "http" }), { code: "invalid_option" });
});

test("a signed address has a time to live, a path, and the token of the link behind the path's own query", async () => {
  const url = `http://8000-${id}.localhost:8080/?wrenn_token=a%2Bb`;
  api.on(`POST ${path}/ports/8000/link`, { status: 201, body: { ...link, url } });
  assert.equal(await capsule.signedUrl(8000), url);
  assert.deepEqual(api.calls[0]?.body, {});
  assert.equal(
    await capsule.signedUrl(8000, { ttlMs: 90_500, path: "/docs?x=1" }),
    `http://8000-${id}.localhost:8080/docs?x=1&wrenn_token=a%2Bb`,
  );
  assert.deepEqual(api.calls[1]?.body, { expires_in_sec: 91 });
});

test("links are listed and revoked", async () => {
  api
    .on(`GET ${path}/ports/links`, { body: [link] })
    .on(`DELETE ${path}/ports/8000/links/link-1`, { status: 204 });
  const [one = assert.fail()] = await capsule.links({ port: 8000 });
  assert.deepEqual(one, {
    id: "link-1",
    port: 8000,
    createdBy: "key-1",
    createdAt: new Date("2026-03-01T09:30:00Z"),
    expiresAt: new Date("2026-03-01T10:30:00Z"),
  });
  await capsule.revokeLink(one);
  assert.deepEqual(api.asked, [
    `GET ${path}/ports/links?port=8000&limit=100`,
    `DELETE ${path}/ports/8000/links/link-1`,
  ]);
});

test("listening ports have their access and address, and settings are listed by themselves", async () => {
  const listening = { protocol: "tcp", port: 8000, address: "0.0.0.0", uid: 0, access: "private" };
  api.on(`GET ${path}/ports/listening`, {
    body: { ports: [{ ...listening, reachable: true, url: "http://x/" }], unlisted: 2, seen_at: null },
  });
  assert.deepEqual(await capsule.ports(), {
    ports: [{ ...listening, isReachable: true, url: "http://x/" }],
    unlisted: 2,
  });
  const setting = { port: 8000, access: "public", url: "http://x/" };
  api.on(`GET ${path}/ports`, { body: [setting] });
  assert.deepEqual(await capsule.portSettings(), [setting]);
});
