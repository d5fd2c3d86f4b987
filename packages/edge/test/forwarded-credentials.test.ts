import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ask, rawClient } from "./support/http-client.ts";
import { acceptWebSocket, startHttp2Lab } from "./support/http2-lab.ts";
import { startByteService, startService, startTestEdge } from "./support/test-edge.ts";
import { goodKey, goodLink } from "./support/test-grants.ts";

/** Expired long ago, signed with nothing that anyone knows. */
const ourToken = tokenOf({ iss: "wrenn", sub: "usr-x", exp: 1 });
const foreignToken = tokenOf({ iss: "https://login.example.org", sub: "wrenn" });
const secret = "f".repeat(64);
const pathHost = "ports.wrenn.test";

function tokenOf(claims: object): string {
  const [head, body] = [{ alg: "HS256", kid: "0011223344556677" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  return `${head}.${body}.${"A".repeat(43)}`;
}

/** Fields that a service must see nothing of, as name and value. */
const stolen: readonly (readonly [string, string])[] = [
  ["X-API-Key", goodKey],
  ["x-api-KEY", "wrn_of_another_installation"],
  ["Authorization", `Bearer ${goodKey}`],
  ["Authorization", `Bearer wrn_${"0".repeat(32)}`],
  ["Authorization", `bearer   ${ourToken}`],
  ["Authorization", `Token token="${goodKey}"`],
  ["Authorization", `Basic ${Buffer.from(`${goodKey}:`).toString("base64")}`],
  ["Authorization", `Basic ${Buffer.from(`user:${ourToken}`).toString("base64")}`],
  ["X-Wrenn-Key", goodKey],
  ["X-Forwarded-Authorization", `Bearer ${encodeURIComponent(` ${ourToken}`)}`],
  ["X-Original-Uri", `/v1?key=wrn%5F${"0".repeat(32)}`],
  ["Proxy-Authorization", `Bearer ${goodKey}`],
  ["Cookie", `wrenn_refresh=${secret}`],
  ["Cookie", `__Host-wrenn_refresh=${secret}`],
  ["Cookie", `__host-Wrenn_Refresh=${secret}`],
  ["Cookie", `__Secure-wrenn_session=${secret}`],
  ["Cookie", `__Http-wrenn_session=${secret}`],
  ["Cookie", `\twrenn_oauth_state\t=${secret}`],
  ["Cookie", `=wrenn_refresh=${secret}`],
  ["Cookie", `"wrenn_refresh"=${secret}`],
  ["Cookie", `wrenn%5Frefresh=${secret}`],
  ["Cookie", `%77renn_refresh=${secret}`],
  ["Cookie", `$Version=1; wrenn_refresh="${secret}"; $Path="/"`],
  ["Cookie", `a="b; wrenn_port=${secret}; c"`],
  ["Cookie", `,wrenn_hop=${secret}`],
  ["Cookie", `a=1;wrenn_refresh=${secret};b=2`],
  ["Cookie", `key=${goodKey}`],
  ["Cookie", `token=${ourToken}`],
  ["Sec-WebSocket-Protocol", goodKey],
];
const marks = [
  goodKey,
  "wrn_",
  ourToken,
  secret,
  "0".repeat(32),
  Buffer.from(goodKey).toString("base64").slice(0, 20),
];

function assertNothingOf(seen: string, what: string): void {
  for (const mark of marks) assert.ok(!seen.includes(mark), `${what}: the service saw ${mark}\n${seen}`);
}

async function echoing(t: TestContext, pathForm = false) {
  const { port } = await startService(t, (request, response) => {
    request.resume().on("end", () => {
      const { url, rawHeaders, rawTrailers } = request;
      response.end(JSON.stringify({ url, raw: [...rawHeaders, ...rawTrailers], headers: request.headers }));
    });
  });
  const edge = await startTestEdge(t, pathForm ? { pathHost } : {});
  return {
    edge,
    port,
    host: pathForm ? pathHost : edge.host(port),
    prefix: pathForm ? `/proxy/${edge.capsuleId}/${port}` : "",
  };
}

for (const pathForm of [false, true])
  test(`no credential of the platform reaches a service ${pathForm ? "in the path form" : "by name"}`, async (t) => {
    const { edge, host, prefix } = await echoing(t, pathForm);
    for (const [name, value] of stolen) {
      const { status, body } = await ask({
        port: edge.server.port,
        host,
        path: `${prefix}/`,
        headers: { [name]: value },
      });
      assert.equal(status, 200, body);
      assertNothingOf(body, `${name}: ${value}`);
    }
    const several = { cookie: ["own=1", `wrenn_refresh=${secret}`, `a=1; __Host-wrenn_refresh=${secret}`] };
    assertNothingOf(
      (await ask({ port: edge.server.port, host, path: `${prefix}/`, headers: several })).body,
      "several",
    );
  });

test("what belongs to the service itself passes", async (t) => {
  const { edge, host } = await echoing(t);
  const own = {
    authorization: `Bearer ${foreignToken}`,
    cookie: "oauth_state=1; my_wrenn_x=2; session=wrn; flag; e=mc%5E2",
    "x-secret": "wrn_",
    "sec-websocket-protocol": "chat, superchat",
  };
  const { body } = await ask({ port: edge.server.port, host, headers: own });
  const { headers } = JSON.parse(body) as { headers: IncomingHttpHeaders };
  for (const [name, value] of Object.entries(own)) assert.equal(headers[name], value);
});

test("trailers carry no credentials to a service", async (t) => {
  const { edge, host } = await echoing(t);
  const client = rawClient(t, edge.server.port);
  const trailers = [
    ...stolen.map(([name, value]) => `${name}: ${value}`),
    "Authorization: Bearer own",
    "X-Sum: 5",
  ];
  client.socket.write(
    `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailers.join("\r\n")}\r\n\r\n`,
  );
  const seen = await client.until(/"headers":/);
  assert.match(seen, /"X-Sum","5"/);
  assert.doesNotMatch(seen, /own/);
  assertNothingOf(seen, "trailers");
});

test("the token of a link reaches a service neither in the path nor in Referer", async (t) => {
  const { edge, host, port } = await echoing(t);
  const link = edge.edge.linkQuery(
    { capsuleId: edge.capsuleId, port },
    { id: goodLink, expiresAt: Date.now() + 60_000 },
  );
  const token = link.split("=")[1] ?? "?";
  for (const [query, kept] of [
    [link, "/app?"],
    [`x=1&${link}&y=2`, "/app?x=1&y=2"],
    [`${link}&wrenn_ticket=${token}#part`, "/app?#part"],
  ] as const) {
    const { body } = await ask({
      port: edge.server.port,
      host,
      path: "/app/data",
      headers: { referer: `http://${host}/app?${query}`, "x-original-url": `/app?${query}` },
    });
    assert.ok(!body.includes(token), body);
    const { headers } = JSON.parse(body) as { headers: IncomingHttpHeaders };
    assert.equal(headers.referer, `http://${host}${kept}`);
  }
});

test("an upgrade carries no credentials, and keeps the other sub-protocols", async (t) => {
  const heads: string[] = [];
  const service = await startByteService(t, (socket: Socket) => {
    socket.once("data", (head: Buffer) => {
      heads.push(head.toString("latin1"));
      socket.end("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nok");
    });
  });
  const edge = await startTestEdge(t);
  for (const [name, value] of [
    ...stolen,
    ["Sec-WebSocket-Protocol", `chat, ${goodKey}, ${ourToken}, v2`] as const,
  ]) {
    const client = rawClient(t, edge.server.port);
    const head = `GET / HTTP/1.1\r\nHost: ${edge.host(service)}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n`;
    client.socket.write(`${head}${name}: ${value}\r\n\r\n`);
    await client.until(/ok$/);
    assertNothingOf(heads.at(-1) ?? "", `${name}: ${value}`);
  }
  assert.match(heads.at(-1) ?? "", /^Sec-WebSocket-Protocol: chat, v2\r$/im);
});

test("HTTP/2 carries no credentials to a service, split cookies included", async (t) => {
  const lab = await startHttp2Lab(t);
  const { port } = await startService(t, (request, response) =>
    response.end(JSON.stringify(request.rawHeaders)),
  );
  for (const [name, value] of stolen.filter(([each]) => each !== "Proxy-Authorization")) {
    const stream = lab.session.request({
      ":authority": lab.edge.host(port),
      [name.toLowerCase()]: name === "Cookie" ? ["own=1", ...value.split("; ")] : value,
    });
    assertNothingOf(JSON.stringify(await json(stream)), `${name}: ${value}`);
  }
});

test("a WebSocket over HTTP/2 carries no credentials to a service", async (t) => {
  const heads: Promise<string>[] = [];
  const service = await startByteService(t, (socket) => void heads.push(acceptWebSocket(socket)));
  const lab = await startHttp2Lab(t);
  const stream = lab.open(service, {
    "x-api-key": goodKey,
    authorization: `Bearer ${ourToken}`,
    cookie: ["own=1", `wrenn_refresh=${secret}`, `__Host-wrenn_session=${secret}`],
    "sec-websocket-protocol": `chat, ${goodKey}`,
  });
  await once(stream, "response");
  const head = (await heads[0]) ?? "";
  assertNothingOf(head, "CONNECT");
  assert.match(head, /^cookie: own=1\r$/im);
});

test("in the path form a service gets the cookies that it set, under their names, and no others", async (t) => {
  const { port } = await startService(t, (request, response) => {
    response.setHeader("Set-Cookie", [
      "a=1; path=/app; Path = /x; HttpOnly",
      "b=2",
      "__Host-c=3; Path=/; Secure",
      "wrenn_refresh=planted; Path=/",
      "=wrenn_refresh=planted",
      "d=4; DOMAIN=wrenn.test; domain\t=.wrenn.test",
    ]);
    response.end(request.headers.cookie ?? "none");
  });
  const edge = await startTestEdge(t, { pathHost });
  const path = `/proxy/${edge.capsuleId}/${port}`;
  const get = async (cookie?: string) =>
    ask({
      port: edge.server.port,
      host: pathHost,
      path: `${path}/`,
      headers: cookie === undefined ? {} : { cookie },
    });
  const tag = `${port}-${edge.capsuleId}.`;
  const { headers } = await get();
  assert.deepEqual(headers["set-cookie"], [
    `${tag}a=1; HttpOnly; Path=${path}/x`,
    `${tag}b=2; Path=${path}/`,
    `${tag}__Host-c=3; Secure; Path=${path}/`,
    `${tag}d=4; Path=${path}/`,
  ]);
  assert.equal(
    (await get(`${tag}a=1; of_the_domain=1; 1${tag}x=2; ${tag}wrenn_port=3; ${tag}b=2`)).body,
    "a=1; b=2",
  );
  assert.equal((await get("of_the_domain=1")).body, "none");
});
