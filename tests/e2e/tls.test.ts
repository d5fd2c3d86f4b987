import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { makeAuthority } from "@wrenn/certificates";
import { DAY_MS, systemClock, systemRandom } from "@wrenn/core";
import { findServer, tryCommand } from "@wrenn/system";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";
import { trafficService, trafficServiceIsUp } from "../support/traffic-service.ts";

const DOMAIN = "wrenn.test";
const e2bProgram = fileURLToPath(new URL("../support/e2b-domain-process.ts", import.meta.url));

let server: TestServer;
let port: string;
let authority: string;
let dnsPort: number;
/** Of the published client; its services are those of `e2b-domain-process.ts`. */
let sandboxId = "";
before(async () => {
  dnsPort = await freePort();
  server = await startTestServer({
    config: {
      domain: DOMAIN,
      tls: { host: "127.0.0.1", port: 0 },
      dns: { host: "127.0.0.1", port: dnsPort },
    },
  });
  const { secure } = server.server;
  assert.ok(secure?.authorityFile !== undefined);
  port = new URL(secure.url).port;
  authority = secure.authorityFile;
});
after(() => server.close());

/** Of UDP; the name server does not say which one it has taken. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port: found } = socket.address();
  socket.close();
  return found;
}

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
  const service = await openWebSocket(`8000-${id}.${DOMAIN}`, "/echo", server.apiKey);
  assert.equal(await echoed(service), "bytes of any protocol");
  const platform = await openWebSocket(DOMAIN, `/v1/capsules/${id}/pty`, server.apiKey);
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

test("the published client of E2B needs no more than the domain, the key and the CA", async (t) => {
  const e2bDomain = `${DOMAIN}:${port}`;
  const record = await findServer(join(server.dataDirectory, "server.json"));
  // What `wrenn e2b env` prints.
  assert.deepEqual(record?.secureDomain, { domain: e2bDomain, authorityFile: authority });
  const certificate = join(server.dataDirectory, "service.pem");
  const own = await makeAuthority(
    { name: "a service of its own", days: 1, clockSkewMs: DAY_MS },
    { clock: systemClock, random: systemRandom },
  );
  await writeFile(certificate, `${own.cert}\n${own.key}`);
  const { stdout, stderr, code } = await tryCommand(
    [process.execPath, e2bProgram, `127.0.0.1:${dnsPort}`, server.server.url, certificate],
    {
      env: {
        PATH: process.env["PATH"] ?? "",
        E2B_API_KEY: server.apiKey,
        E2B_DOMAIN: e2bDomain,
        NODE_EXTRA_CA_CERTS: authority,
      },
    },
  );
  assert.equal(code, 0, stderr);
  const { id, closedPort, ...seen } = JSON.parse(stdout) as {
    readonly id: string;
    readonly closedPort: Record<string, unknown>;
  };
  sandboxId = id;
  const host = `8000-${id}.${DOMAIN}`;
  assert.deepEqual(seen, {
    host: `${host}:${port}`,
    page: "ok",
    securePage: "ok",
    fork: ["ok", false, "killed"],
    httpsPorts: [8443],
    isSameFile: true,
    otherHost: `${host}:${port}`,
    user: "user",
    simultaneous: 300,
  });
  const { message, ...fields } = closedPort;
  assert.deepEqual(fields, { sandboxId: id, port: 8001, code: 502 });
  assert.match(String(message), /nothing listens on port 8001/);
  const http2 = await curl(host, "/", "--http2");
  assert.match(http2.stdout, /^ok\n2 200$/, http2.stderr);
  // By 8443 the service speaks TLS, with a certificate that it signed itself.
  for (const name of [host, `8443-${id}.${DOMAIN}`]) {
    const service = await openWebSocket(name, "/echo", undefined);
    t.after(() => service.session.destroy());
    assert.equal(await echoed(service), "bytes of any protocol");
    const socket = connectTls({ host: "127.0.0.1", port: Number(port), servername: name, ca: service.ca });
    t.after(() => socket.destroy());
    socket.write(
      `GET /echo HTTP/1.1\r\nHost: ${name}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 101 [^]*\r\n\r\n$/);
    socket.write("bytes of any protocol");
    const [bytes] = (await once(socket, "data")) as [Buffer];
    assert.equal(bytes.toString(), "bytes of any protocol");
  }
  const refused = await openWebSocket(`8000-${"0".repeat(25)}.${DOMAIN}`, "/echo", undefined);
  t.after(() => refused.session.destroy());
  const [{ ":status": status }] = (await once(refused.stream, "response")) as [{ ":status": number }];
  assert.equal(status, 502);
});

test("a pause and a kill end what clients have open, and kept connections get 502 at once", async (t) => {
  assert.notEqual(sandboxId, "");
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const ca = await readFile(authority);
  const session = connect(`https://${DOMAIN}`, {
    createConnection: () =>
      connectTls({ host: "127.0.0.1", port: Number(port), servername: DOMAIN, ca, ALPNProtocols: ["h2"] }),
  });
  t.after(() => session.destroy());
  /** By one connection of HTTP/2, by one of HTTP/1.1, and by fields that name the port. */
  const ask = async (to: number, path = "/"): Promise<readonly number[]> => {
    const name = `${to}-${sandboxId}.${DOMAIN}`;
    const stream = session.request({ ":authority": `${name}:${port}`, ":path": path });
    const [{ ":status": byHttp2 }] = (await once(stream, "response")) as [{ ":status": number }];
    await text(stream);
    const sent = request({
      agent,
      host: "127.0.0.1",
      port,
      path,
      ca,
      servername: DOMAIN,
      headers: { host: name },
    });
    const [byHttp1] = (await once(sent.end(), "response")) as [IncomingMessage];
    await text(byHttp1);
    const headers = { "e2b-sandbox-id": sandboxId, "e2b-sandbox-port": String(to) };
    const byFields = await fetch(server.server.url + path, { headers });
    await byFields.text();
    return [byHttp2, byHttp1.statusCode ?? 0, byFields.status];
  };
  const askAll = async (): Promise<readonly (readonly number[])[]> => [
    await ask(8000),
    await ask(8443),
    await ask(49_983, "/health"),
  ];
  const api = async (method: string, path: string): Promise<number> => {
    const headers = { "x-api-key": server.apiKey };
    const answer = await fetch(`${server.server.url}/sandboxes/${sandboxId}${path}`, { method, headers });
    await answer.text();
    return answer.status;
  };
  const running = [
    [200, 200, 200],
    [200, 200, 200],
    [204, 204, 204],
  ];
  const gone = running.map(() => [502, 502, 502]);
  assert.deepEqual(await askAll(), running);
  assert.equal(await api("POST", "/pause"), 204);
  const pausedAt = performance.now();
  assert.deepEqual(await askAll(), gone);
  assert.ok(performance.now() - pausedAt < 2000, "at once");
  assert.equal(await api("POST", "/connect"), 201);
  assert.deepEqual(await askAll(), running);

  const streams = [8000, 8443].map((to) =>
    session.request({ ":authority": `${to}-${sandboxId}.${DOMAIN}:${port}`, ":path": "/chunked" }),
  );
  await Promise.all(streams.map(async (stream) => await once(stream, "response")));
  // Rejects with the error that the reset is.
  const resets = streams.map(async (stream) => await once(stream.resume(), "close"));
  for (const reset of resets) reset.catch(() => undefined);
  const host = `8000-${sandboxId}.${DOMAIN}`;
  const plain = request({
    agent: false,
    host: "127.0.0.1",
    port,
    path: "/length",
    ca,
    servername: host,
    headers: { host },
  });
  const [body] = (await once(plain.end(), "response")) as [IncomingMessage];
  const broken = finished(body.resume());
  broken.catch(() => undefined);
  assert.equal(await api("DELETE", ""), 204);
  await assert.rejects(broken, "a body that breaks does not end in order");
  for (const reset of resets) await assert.rejects(reset, { code: "ERR_HTTP2_STREAM_ERROR" });
  assert.deepEqual(await askAll(), gone);
});

interface OpenedWebSocket {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly ca: Buffer;
}

/** A WebSocket of HTTP/2 (RFC 8441). */
async function openWebSocket(name: string, path: string, key: string | undefined): Promise<OpenedWebSocket> {
  const ca = await readFile(authority);
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
      ...(key === undefined ? {} : { "x-api-key": key }),
    },
    { endStream: false },
  );
  return { session, stream, ca };
}

/** What a service that echoes sends back. */
async function echoed({ stream }: OpenedWebSocket): Promise<string> {
  const [{ ":status": status }] = (await once(stream, "response")) as [{ ":status": number }];
  assert.equal(status, 200);
  stream.end("bytes of any protocol");
  return await text(stream);
}
