import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustedProxies, WrennError } from "@wrenn/core";
import { ask } from "./support/http-client.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";
import { goodKey, TestGrants } from "./support/test-grants.ts";

const wrongKey = "wrn_ffffffffffffffffffffffffffffffff";

test("wrong keys, tokens, links and cookies at a private port are counted by client, and good keys are let in", async (t) => {
  const { port } = await startService(t, (_request, response) => response.end("served"));
  const failures: string[] = [];
  const { checks } = new TestGrants();
  let looked = 0;
  const edge = await startTestEdge(t, {
    access: "private",
    credentials: {
      ...checks,
      apiKey: async (...asked) => {
        looked += 1;
        return await checks.apiKey(...asked);
      },
    },
    attempts: {
      require: async (_address, headers) => {
        if (failures.length >= 5 && headers["x-api-key"] !== goodKey)
          throw new WrennError("rate_limited", { retry_after: 7 });
      },
      failed: (address) => void failures.push(address),
    },
  });
  const call = async (headers: Record<string, string>, path = "/") =>
    await ask({ port: edge.server.port, host: edge.host(port), path, headers });
  const shown: readonly (readonly [Record<string, string>, string?])[] = [
    [{ "x-api-key": wrongKey }],
    [{ authorization: "Bearer nonsense" }],
    [{ cookie: "a=1; wrenn_session=nonsense" }],
    [{}, "/?wrenn_token=nonsense"],
    [{}, "/?wrenn_ticket=nonsense"],
  ];
  assert.equal((await call({})).status, 401);
  assert.deepEqual(failures, [], "a request without credentials is not an attempt");
  for (const [headers, path] of shown) assert.equal((await call(headers, path)).status, 401);
  assert.deepEqual(
    failures,
    Array.from({ length: 5 }, () => "127.0.0.1"),
  );
  const before = looked;
  const refused = await call({ "x-api-key": wrongKey });
  assert.deepEqual([refused.status, refused.headers["retry-after"]], [429, "7"]);
  assert.equal(looked, before, "no key is looked up");
  assert.equal((await call({ "x-api-key": goodKey })).body, "served");
});

test("behind a trusted proxy the client is its own address, host and protocol; behind another one it is not", async (t) => {
  const { port } = await startService(t, (request, response) => {
    response.end(JSON.stringify(request.headers));
  });
  const failures: string[] = [];
  const edge = await startTestEdge(t, {
    proxies: TrustedProxies.parse("proxies", "127.0.0.1"),
    attempts: { require: async () => undefined, failed: (address) => void failures.push(address) },
  });
  const headers = {
    "x-forwarded-for": "10.9.9.9, 198.51.100.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": edge.host(port),
  };
  const answer = await ask({ port: edge.server.port, host: "internal", headers });
  const seen = JSON.parse(answer.body) as Record<string, string>;
  assert.equal(seen["x-forwarded-for"], "198.51.100.1");
  assert.equal(seen["x-forwarded-proto"], "https");
  assert.equal(seen["x-forwarded-host"], edge.host(port));
  const unknown = await startTestEdge(t);
  const direct = await ask({ port: unknown.server.port, host: unknown.host(port), headers });
  const believed = JSON.parse(direct.body) as Record<string, string>;
  assert.equal(believed["x-forwarded-for"], "127.0.0.1");
  assert.equal(believed["x-forwarded-proto"], "http");
});

test("cookies of a browser behind a trusted proxy that speaks HTTPS are Secure and of the host alone", async (t) => {
  const edge = await startTestEdge(t, {
    access: "private",
    proxies: TrustedProxies.parse("proxies", "127.0.0.1"),
    signIn: () => "https://wrenn.example.org/sign-in",
  });
  const answer = await ask({
    port: edge.server.port,
    host: edge.host(1),
    headers: { accept: "text/html", "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.1" },
  });
  assert.match(String(answer.headers["set-cookie"]), /^__Host-wrenn_hop=.*; Secure$/);
});
