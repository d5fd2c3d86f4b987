import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ask, rawClient } from "./support/http-client.ts";
import { acceptField, startHttp2Lab } from "./support/http2-lab.ts";
import { startByteService, startTestEdge } from "./support/test-edge.ts";

/** What acts on a whole host name, on a site, or on a proxy in front of the edge. */
const dangerous: Readonly<Record<string, string>> = {
  "Clear-Site-Data": '"cookies", "storage"',
  NEL: '{"report_to":"evil","max_age":2592000,"include_subdomains":true}',
  "Report-To": '{"group":"evil","endpoints":[{"url":"https://evil.example"}],"max_age":2592000}',
  "Reporting-Endpoints": 'evil="https://evil.example"',
  "Strict-Transport-Security": "max-age=0; includeSubDomains",
  "Public-Key-Pins": 'pin-sha256="AAAA"; max-age=2592000',
  "Alt-Svc": 'h3="evil.example:443"; ma=2592000',
  "Service-Worker-Allowed": "/",
  "Origin-Agent-Cluster": "?0",
  "Set-Login": "logged-out",
  "Expect-CT": 'max-age=0, report-uri="https://evil.example"',
  "Activate-Storage-Access": "load",
  "Supports-Loading-Mode": "credentialed-prerender",
  "Secure-Session-Registration": '(ES256); path="/x"; challenge="c"',
  "Attribution-Reporting-Register-Source": "{}",
  "Set-Cookie2": "wrenn_refresh=planted",
  "X-Accel-Redirect": "/internal/secret",
  "X-Sendfile": "/etc/passwd",
  "X-Wrenn-Error": "port_private",
};
const onSharedHost = {
  "WWW-Authenticate": 'Basic realm="x"',
  "Accept-CH": "Sec-CH-UA-Arch",
  "Critical-CH": "Sec-CH-UA-Arch",
};
const fields = Object.entries({ ...dangerous, ...onSharedHost }).map(
  ([name, value]) => `${name}: ${value}\r\n`,
);
const plain = "X-Own: 1\r\nAccess-Control-Allow-Origin: *\r\nLink: </a.css>; rel=preload\r\n";
const pathHost = "ports.wrenn.test";

async function saying(t: TestContext, answer: string): Promise<number> {
  return await startByteService(t, (socket) => {
    socket.once("data", (head: Buffer) =>
      socket.end(answer.replace("{accept}\r\n", acceptField(head)), "latin1"),
    );
  });
}

function assertRefused(headers: Readonly<Record<string, unknown>>, alsoShared: boolean): void {
  const names = [...Object.keys(dangerous), ...(alsoShared ? Object.keys(onSharedHost) : [])];
  for (const name of names) assert.equal(headers[name.toLowerCase()], undefined, name);
  assert.equal(headers["x-own"], "1");
}

test("a service's response does not act beyond its own pages, by name and in the path form", async (t) => {
  const service = await saying(t, `HTTP/1.1 200 OK\r\n${plain}${fields.join("")}Content-Length: 2\r\n\r\nok`);
  const edge = await startTestEdge(t, { pathHost });
  const byName = await ask({ port: edge.server.port, host: edge.host(service) });
  assertRefused(byName.headers, false);
  assert.equal(
    byName.headers["www-authenticate"],
    'Basic realm="x"',
    "a host name to itself has realms to itself",
  );
  assert.equal(byName.headers["access-control-allow-origin"], "*");
  assert.equal(byName.headers["link"], "</a.css>; rel=preload");
  const path = `/proxy/${edge.capsuleId}/${service}/`;
  const byPath = await ask({ port: edge.server.port, host: pathHost, path });
  assertRefused(byPath.headers, true);
});

test("informational responses and trailers carry no such fields", async (t) => {
  const early = `HTTP/1.1 103 Early Hints\r\n${fields.join("")}Set-Cookie: wrenn_refresh=1\r\n\r\n`;
  const trailers = [...fields, "Set-Cookie: a=1\r\n", "Location: /x\r\n", "X-Sum: 5\r\n"].join("");
  const service = await saying(
    t,
    `${early}${early}HTTP/1.1 200 OK\r\n${plain}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`,
  );
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: ${edge.host(service)}\r\nTE: trailers\r\nConnection: close\r\n\r\n`,
  );
  const seen = await client.until(/X-Sum: 5/i);
  const hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
  assert.ok(seen.startsWith(`${hints}${hints}HTTP/1.1 200 `), seen);
  for (const name of [...Object.keys(dangerous), ...Object.keys(onSharedHost), "set-cookie", "location"])
    assert.doesNotMatch(seen, new RegExp(`^${name}:`, "im"));
});

test("answers to upgrades carry no such fields, whether the service agrees or not", async (t) => {
  const agrees = await saying(
    t,
    `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${plain}${fields.join("")}\r\n`,
  );
  const declines = await saying(t, `HTTP/1.1 403 No\r\n${plain}${fields.join("")}Content-Length: 0\r\n\r\n`);
  const edge = await startTestEdge(t);
  for (const service of [agrees, declines]) {
    const client = rawClient(t, edge.server.port);
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: ${edge.host(service)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    const seen = await client.until(/\r\n\r\n/);
    assert.match(seen, /x-own: 1/i);
    for (const name of Object.keys(dangerous)) assert.doesNotMatch(seen, new RegExp(`^${name}:`, "im"));
  }
});

test("HTTP/2 responses and WebSockets carry no such fields", async (t) => {
  const service = await saying(t, `HTTP/1.1 200 OK\r\n${plain}${fields.join("")}Content-Length: 2\r\n\r\nok`);
  const socket = await saying(
    t,
    `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\n${plain}${fields.join("")}\r\n`,
  );
  const lab = await startHttp2Lab(t);
  for (const stream of [lab.get(service, "/"), lab.open(socket)]) {
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    assertRefused(headers, false);
    stream.close();
  }
});

test("a guest sets no cookie for another host or under a name of the platform, however it is written", async (t) => {
  const cookies = [
    "a=1; Domain=wrenn.test",
    "b=1;DOMAIN = .wrenn.test ;Path=/",
    "c=1; domain; domain=",
    "wrenn_refresh=1",
    " WRENN_session=1",
    "=wrenn_refresh=1",
    '"wrenn_refresh"=1',
    "wrenn%5Frefresh=1",
    "__Host-wrenn_refresh=1; Secure; Path=/",
    "wrenn_refresh",
  ];
  const service = await saying(
    t,
    `HTTP/1.1 200 OK\r\n${cookies.map((each) => `Set-Cookie: ${each}\r\n`).join("")}Content-Length: 0\r\n\r\n`,
  );
  const edge = await startTestEdge(t);
  const { headers } = await ask({ port: edge.server.port, host: edge.host(service) });
  assert.deepEqual(headers["set-cookie"], ["a=1", "b=1;Path=/", "c=1"]);
});
