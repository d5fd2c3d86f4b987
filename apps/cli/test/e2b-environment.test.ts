import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { checkE2bEnvironment } from "../src/client/check-e2b-environment.ts";
import { e2bVariables } from "../src/client/e2b-variables.ts";

const KEY = "e2b_0123456789abcdef";
let server: Server;
let url = "";

before(async () => {
  const answer = (response: ServerResponse, status: number, body: unknown): void =>
    void response.writeHead(status).end(JSON.stringify(body));
  server = createServer(({ headers, url: path = "" }, response) => {
    if (headers["e2b-sandbox-id"] !== undefined)
      answer(response, 502, { sandboxId: headers["e2b-sandbox-id"], code: 502 });
    else if (!path.startsWith("/v2/sandboxes")) answer(response, 404, {});
    else if (headers["x-api-key"] === KEY) answer(response, 200, []);
    else answer(response, 401, { code: 401, message: "no" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => void server.close());

test("variables that work have no problems", async () => {
  const env = { E2B_API_KEY: KEY, E2B_API_URL: url, E2B_SANDBOX_URL: `${url}/` };
  assert.deepEqual(await checkE2bEnvironment(env), []);
});

test("each problem is named", async () => {
  const works = { E2B_API_KEY: KEY, E2B_API_URL: url, E2B_SANDBOX_URL: url };
  const cases: readonly (readonly [Readonly<Record<string, string | undefined>>, RegExp])[] = [
    [{ E2B_API_KEY: undefined }, /^E2B_API_KEY is not set/],
    [{ E2B_API_KEY: "wrn_00" }, /^E2B_API_KEY is not e2b_/],
    [{ E2B_API_KEY: "e2b_ff" }, /does not know E2B_API_KEY/],
    [{ E2B_API_URL: undefined }, /^Neither E2B_API_URL nor E2B_DOMAIN/],
    [{ E2B_API_URL: "localhost:8080" }, /^E2B_API_URL is not an http or https URL/],
    [{ E2B_API_URL: "http://127.0.0.1:1" }, /cannot be reached/],
    [{ E2B_API_URL: `${url}/other` }, /is not the API of E2B/],
    [{ E2B_SANDBOX_URL: undefined }, /^E2B_SANDBOX_URL is not set/],
    [{ E2B_SANDBOX_URL: "http://name.invalid:1" }, /cannot be reached/],
    [
      { E2B_SANDBOX_URL: undefined, E2B_DOMAIN: "name.invalid:1" },
      /^https:\/\/49983-0{25}\.name\.invalid:1 cannot be reached/,
    ],
    [{ E2B_DEBUG: "true" }, /^E2B_DEBUG is true/],
  ];
  for (const [change, expected] of cases) {
    const problems = await checkE2bEnvironment({ ...works, ...change });
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${JSON.stringify(change)}: ${problems.join("; ")}`,
    );
  }
});

test("the variables are a URL, or the domain and the CA of a server with TLS", async () => {
  const before = { E2B_API_URL: "old", E2B_SANDBOX_URL: "old", E2B_DOMAIN: "old" };
  const evaluated = async (server: Parameters<typeof e2bVariables>[0]) => {
    const directory = await mkdtemp(join(tmpdir(), "wrenn-e2b's-"));
    try {
      const file = join(directory, "e2b-key");
      await writeFile(file, `${KEY}\n`);
      const script = `${e2bVariables(server, file)}env`;
      const { stdout } = await runCommand(["sh", "-c", script], {
        env: { ...before, PATH: process.env["PATH"] ?? "" },
      });
      return Object.fromEntries(
        stdout
          .split("\n")
          .filter((line) => /^(?:E2B_|NODE_EXTRA|SSL_CERT)/.test(line))
          .map((line) => line.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>;
    } finally {
      await rm(directory, { recursive: true });
    }
  };
  assert.deepEqual(await evaluated({ url }), { E2B_API_KEY: KEY, E2B_API_URL: url, E2B_SANDBOX_URL: url });
  const domain = "wrenn.test:8443";
  assert.deepEqual(await evaluated({ url, secureDomain: { domain } }), {
    E2B_API_KEY: KEY,
    E2B_DOMAIN: domain,
  });
  const authorityFile = "/var/lib/o'wrenn/tls/ca.pem";
  assert.deepEqual(await evaluated({ url, secureDomain: { domain, authorityFile } }), {
    E2B_API_KEY: KEY,
    E2B_DOMAIN: domain,
    NODE_EXTRA_CA_CERTS: authorityFile,
    SSL_CERT_FILE: authorityFile,
  });
});
