import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { WebSocketServer } from "ws";
import { ConnectProxy } from "../support/connect-proxy.ts";
import type { ConnectProxyOptions } from "../support/connect-proxy.ts";
import { bundle, installRuntimes } from "../support/runtimes.ts";
import { projectRoot } from "../support/sources.ts";
import { TestAuthority } from "../support/test-authority.ts";

/* The names that clients are given are known to the proxies only: what reaches the servers went through one. */

/** A process ends this soon after its last await. */
const EXIT_MS = 1000;
const REACHED = { request: "wrn_test", upload: "300000", body: "onetwo", events: "event", socket: "hello" };

let directory: string;
let program: string;
let authority: TestAuthority;
let plain: Server;
let secure: Server;
let nodes: readonly (readonly [string, string])[];
before(async () => {
  directory = await mkdtemp("/tmp/wrenn-sdk-proxies-");
  authority = await TestAuthority.make(directory);
  plain = await listening(createServer(onRequest));
  secure = await listening(createTlsServer(await authority.issue("wrenn.test", "127.0.0.1"), onRequest));
  const runtimes = await installRuntimes();
  nodes = [
    ["Node.js 20", runtimes.node20],
    ["newest Node.js", runtimes.nodeNewest],
  ];
  program = await bundle("esbuild", {
    entry: join(projectRoot, "tests/runtimes/programs/network.ts"),
    outdir: directory,
    external: ["undici", "node:*"],
    minify: false,
  });
  await symlink(join(projectRoot, "node_modules"), join(directory, "node_modules"));
});
after(async () => {
  for (const server of [plain, secure]) server?.close().closeAllConnections();
  await rm(directory, { recursive: true });
});

async function listening(server: Server): Promise<Server> {
  const sockets = new WebSocketServer({ server, path: "/socket" });
  sockets.on("connection", (socket, request) => {
    socket.on("message", (data: Buffer) => {
      socket.send(request.headers["x-api-key"] === "wrn_test" ? data.toString("utf8") : "no key");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
  void answer(request, response);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let length = 0;
  for await (const chunk of request) length += (chunk as Buffer).length;
  if (request.url === "/json") response.end(JSON.stringify({ key: request.headers["x-api-key"] }));
  else if (request.url === "/length") response.end(String(length));
  else if (request.url === "/body") {
    response.write("one");
    setTimeout(() => response.end("two"), 50);
  } else response.writeHead(200, { "content-type": "text/event-stream" }).write("data: event\n\n");
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function startProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  return await ConnectProxy.start({
    names: {
      "wrenn.test:443": `127.0.0.1:${portOf(secure)}`,
      "plain.test:80": `127.0.0.1:${portOf(plain)}`,
    },
    ...options,
  });
}

/** Runs the program on a Node.js without other variables than these. */
async function reach(
  node: string,
  env: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  let printedAt = 0;
  const { code, stdout, stderr } = await tryCommand([node, program], {
    env: { HOME: directory, ...env },
    signal: AbortSignal.timeout(30_000),
    onStdout: () => (printedAt = performance.now()),
  });
  assert.equal(code, 0, stderr);
  assert.ok(performance.now() - printedAt < EXIT_MS, "the process ends after its last await");
  return JSON.parse(stdout) as Readonly<Record<string, string>>;
}

/** A test on each Node.js. */
function onEachNode(name: string, run: (node: string) => Promise<void>): void {
  test(name, async (t) => {
    for (const [version, node] of nodes) await t.test(version, () => run(node));
  });
}

onEachNode("HTTPS_PROXY and a CA file work for requests, bodies, events and WebSockets", async (node) => {
  await using proxy = await startProxy();
  const env = { WRENN_URL: "https://wrenn.test", HTTPS_PROXY: proxy.url };
  assert.deepEqual(await reach(node, { ...env, WRENN_CA_FILE: authority.caFile }), REACHED);
  assert.deepEqual(new Set(proxy.tunnels), new Set(["wrenn.test:443"]));
  assert.deepEqual(await reach(node, { ...env, SSL_CERT_FILE: authority.caFile }), REACHED);
  assert.deepEqual(await reach(node, { ...env, NODE_EXTRA_CA_CERTS: authority.caFile }), REACHED);
});

onEachNode("a proxy that asks for a password and speaks TLS gets both", async (node) => {
  const tls = await authority.issue("127.0.0.1");
  await using proxy = await startProxy({ tls, credentials: "user:pass word" });
  const env = {
    WRENN_URL: "https://wrenn.test",
    WRENN_CA_FILE: authority.caFile,
    HTTPS_PROXY: proxy.url.replace(" ", "%20"),
  };
  assert.deepEqual(await reach(node, env), REACHED);
  const refused = await reach(node, { ...env, HTTPS_PROXY: proxy.url.replace("pass word", "x") });
  for (const outcome of Object.values(refused)) assert.match(outcome, /^connection_failed: .*407/);
});

onEachNode("plain requests go through HTTP_PROXY without a tunnel, WebSockets through one", async (node) => {
  await using proxy = await startProxy();
  assert.deepEqual(await reach(node, { WRENN_URL: "http://plain.test", http_proxy: proxy.url }), REACHED);
  const methods = proxy.requests.map(({ method, target }) => `${method} ${target}`);
  assert.deepEqual(methods, [
    "POST plain.test:80",
    "PUT plain.test:80",
    "GET plain.test:80",
    "GET plain.test:80",
    "CONNECT plain.test:80",
  ]);
});

onEachNode("NO_PROXY and this machine are reached directly", async (node) => {
  await using proxy = await startProxy();
  const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, WRENN_CA_FILE: authority.caFile };
  const [direct, local] = [`https://wrenn.test:${portOf(secure)}`, `http://127.0.0.1:${portOf(plain)}`];
  assert.deepEqual(await reach(node, { ...env, WRENN_URL: local }), REACHED);
  const url = `https://127.0.0.1:${portOf(secure)}`;
  assert.deepEqual(await reach(node, { ...env, WRENN_URL: url }), REACHED);
  const unknown = await reach(node, { ...env, WRENN_URL: direct, NO_PROXY: ".test" });
  for (const outcome of Object.values(unknown))
    assert.match(outcome, /^connection_failed: .*(ENOTFOUND|EAI_AGAIN|refused)/);
  assert.deepEqual(proxy.requests, []);
});

onEachNode("an unknown authority is named with its remedy, an unusable CA file by its name", async (node) => {
  const url = `https://127.0.0.1:${portOf(secure)}`;
  for (const [way, outcome] of Object.entries(await reach(node, { WRENN_URL: url }))) {
    assert.match(outcome, /^connection_failed: /, way);
    assert.match(outcome, /WRENN_CA_FILE/, way);
  }
  for (const [file, problem] of [
    ["/nonexistent.pem", /ENOENT/],
    [await noCertificate(), /no certificate/],
  ] as const)
    for (const outcome of Object.values(await reach(node, { WRENN_URL: url, WRENN_CA_FILE: file }))) {
      assert.match(outcome, /^invalid_option: /);
      assert.ok(outcome.includes(file));
      assert.match(outcome, problem);
    }
});

async function noCertificate(): Promise<string> {
  const file = join(directory, "text.pem");
  await writeFile(file, "not a certificate\n");
  return file;
}

onEachNode("a proxy that is not there, or refuses, is reported", async (node) => {
  const env = { WRENN_URL: "https://elsewhere.test", WRENN_CA_FILE: authority.caFile };
  await using proxy = await startProxy({ names: { "elsewhere.test:443": "127.0.0.1:1" } });
  for (const outcome of Object.values(await reach(node, { ...env, HTTPS_PROXY: proxy.url })))
    assert.match(outcome, /^connection_failed: .*502/);
  for (const outcome of Object.values(await reach(node, { ...env, HTTPS_PROXY: "127.0.0.1:1" })))
    assert.match(outcome, /^connection_failed: .*ECONNREFUSED/);
});
