import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { tryCommand } from "@wrenn/system";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";
import { trafficService, trafficServiceIsUp } from "../support/traffic-service.ts";

const DOMAIN = "wrenn.test";

let server: TestServer;
let port: string;
let authority: string;
before(async () => {
  server = await startTestServer({
    config: { domain: DOMAIN, tls: { host: "127.0.0.1", port: 0 }, dns: { host: "127.0.0.1", port: 0 } },
  });
  const { secure } = server.server;
  assert.ok(secure?.authorityFile !== undefined);
  port = new URL(secure.url).port;
  authority = secure.authorityFile;
});
after(() => server.close());

/** curl, which verifies the certificate against our CA and finds the name without DNS. */
const curl = (name: string, path: string, ...more: string[]) =>
  tryCommand([
    "curl",
    "-sS",
    "--cacert",
    authority,
    "--resolve",
    `${name}:${port}:127.0.0.1`,
    "-w",
    "\n%{http_version} %{http_code}",
    ...more,
    `https://${name}:${port}${path}`,
  ]);

test("clients are told where ports are", async () => {
  const { body } = await server.call<{ readonly ports: object }>("GET", "/v1/info");
  assert.deepEqual(body.ports, { scheme: "https", domain: DOMAIN, port: Number(port) });
});

test("the API answers over TLS with the own CA's certificate, by HTTP/2 and HTTP/1.1", async () => {
  for (const [flag, version] of [
    ["--http2", "2"],
    ["--http1.1", "1.1"],
  ] as const) {
    const { stdout, stderr } = await curl(DOMAIN, "/health", flag);
    assert.match(stdout, /"status":"ok"/, stderr);
    assert.match(stdout, new RegExp(`\n${version} 200$`));
  }
  const created = await curl(
    DOMAIN,
    "/v1/capsules",
    "--http2",
    "-H",
    `X-API-Key: ${server.apiKey}`,
    "-H",
    "Content-Type: application/json",
    "-d",
    '{"vcpus":"x"}',
  );
  assert.match(created.stdout, /invalid_field/, created.stderr);
});

test("another CA does not vouch for it", async () => {
  const result = await tryCommand([
    "curl",
    "-sS",
    "--resolve",
    `${DOMAIN}:${port}:127.0.0.1`,
    `https://${DOMAIN}:${port}/health`,
  ]);
  assert.equal(result.code, 60, result.stderr);
});

test("ports of capsules are served under the wildcard, and their addresses say so", async () => {
  const id = await server.capsule(undefined);
  await server.exec(id, "python3", ["-m", "http.server", "8000", "--directory", "/etc"], {
    background: true,
  });
  const { body } = await server.call<{ url: string }>("PUT", `/v1/capsules/${id}/ports/8000`, {
    access: "public",
  });
  assert.equal(body.url, `https://8000-${id}.${DOMAIN}:${port}/`);
  const { stdout, stderr } = await curl(
    `8000-${id}.${DOMAIN}`,
    "/hostname",
    "--http2",
    "--retry",
    "5",
    "--retry-all-errors",
  );
  assert.match(stdout, new RegExp(`${id}\\s*2 200$`), stderr);
});

test("a WebSocket over HTTP/2 reaches a service in a capsule, and the platform's own terminals", async () => {
  const id = await server.capsule(undefined);
  await server.exec(id, "python3", ["-c", trafficService], { background: true });
  assert.equal((await server.shell(id, trafficServiceIsUp, { timeout_sec: 120 })).exit_code, 0);
  const ca = await readFile(authority);
  const open = (name: string, path: string): { session: ClientHttp2Session; stream: ClientHttp2Stream } => {
    const session = connect(`https://${name}`, {
      createConnection: () =>
        connectTls({ host: "127.0.0.1", port: Number(port), servername: name, ca, ALPNProtocols: ["h2"] }),
    });
    const stream = session.request(
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":path": path,
        "sec-websocket-version": "13",
        "x-api-key": server.apiKey,
      },
      { endStream: false },
    );
    return { session, stream };
  };
  const service = open(`8000-${id}.${DOMAIN}`, "/echo");
  const [echoing] = (await once(service.stream, "response")) as [{ ":status": number }];
  assert.equal(echoing[":status"], 200);
  service.stream.end("bytes of any protocol");
  assert.equal(await text(service.stream), "bytes of any protocol");
  const platform = open(DOMAIN, `/v1/capsules/${id}/pty`);
  const [opened] = (await once(platform.stream, "response")) as [{ ":status": number }];
  assert.equal(opened[":status"], 200);
  const missing = platform.session.request(
    { ":method": "CONNECT", ":protocol": "websocket", ":path": "/v1/nothing", "sec-websocket-version": "13" },
    { endStream: false },
  );
  const [refused] = (await once(missing, "response")) as [{ ":status": number }];
  assert.equal(refused[":status"], 404);
  for (const { session } of [service, platform]) session.destroy();
});
