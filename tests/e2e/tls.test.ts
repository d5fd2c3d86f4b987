import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

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
