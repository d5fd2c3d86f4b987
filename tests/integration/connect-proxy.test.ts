import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { ConnectProxy } from "../support/connect-proxy.ts";
import type { ConnectProxyOptions } from "../support/connect-proxy.ts";
import { TestAuthority } from "../support/test-authority.ts";

/* What it does is checked with curl, whose rules about proxies are the ones that users know. */

let directory: string;
let authority: TestAuthority;
let plain: Server;
let secure: Server;
before(async () => {
  directory = await mkdtemp("/tmp/wrenn-connect-proxy-");
  authority = await TestAuthority.make(directory);
  plain = await listening(createServer((_, response) => response.end("plain")));
  const pair = await authority.issue("secure.test");
  secure = await listening(createTlsServer(pair, (_, response) => response.end("secure")));
});
after(async () => {
  for (const server of [plain, secure]) server.close().closeAllConnections();
  await rm(directory, { recursive: true });
});

async function listening(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function startProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  return await ConnectProxy.start({
    names: {
      "secure.test:443": `127.0.0.1:${portOf(secure)}`,
      "plain.test:80": `127.0.0.1:${portOf(plain)}`,
    },
    ...options,
  });
}

async function curl(proxy: string, ...args: string[]): Promise<string> {
  const { code, stdout } = await tryCommand([
    "curl",
    "--silent",
    "--max-time",
    "10",
    "--proxy",
    proxy,
    "--write-out",
    " %{http_code} %{http_connect}",
    ...args,
  ]);
  return `${code} ${stdout}`;
}

test("makes tunnels to names that only it knows", async () => {
  await using proxy = await startProxy();
  const { url } = proxy;
  assert.equal(await curl(url, "--cacert", authority.caFile, "https://secure.test/"), "0 secure 200 200");
  assert.match(await curl(url, "https://secure.test/"), /^60 /, "the authority is known by its file only");
  assert.deepEqual(proxy.tunnels, ["secure.test:443", "secure.test:443"]);
  assert.match(await curl(url, "https://127.0.0.1:1/"), /^56  000 502$/);
  assert.deepEqual(proxy.requests.at(-1), { method: "CONNECT", target: "127.0.0.1:1", status: 502 });
});

test("forwards requests in absolute form", async () => {
  await using proxy = await startProxy();
  assert.equal(await curl(proxy.url, "http://plain.test/"), "0 plain 200 000");
  assert.deepEqual(proxy.requests, [{ method: "GET", target: "plain.test:80", status: 200 }]);
});

test("asks for its password", async () => {
  await using proxy = await startProxy({ credentials: "user:word" });
  assert.equal(
    await curl(proxy.url, "--cacert", authority.caFile, "https://secure.test/"),
    "0 secure 200 200",
  );
  const wrong = proxy.url.replace("word", "other");
  assert.match(await curl(wrong, "https://secure.test/"), / 000 407$/);
  assert.match(await curl(wrong, "http://plain.test/"), /^0 {2}407 000$/);
  assert.deepEqual(
    proxy.requests.map(({ status }) => status),
    [200, 407, 407],
  );
});

test("speaks TLS itself", async () => {
  await using proxy = await startProxy({ tls: await authority.issue("127.0.0.1") });
  assert.match(await readFile(authority.caFile, "utf8"), /BEGIN CERTIFICATE/);
  assert.equal(
    await curl(
      proxy.url,
      "--proxy-cacert",
      authority.caFile,
      "--cacert",
      authority.caFile,
      "https://secure.test/",
    ),
    "0 secure 200 200",
  );
});
