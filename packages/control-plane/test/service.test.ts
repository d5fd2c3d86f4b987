import assert from "node:assert/strict";
import { after, test } from "node:test";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("the server is ready while its host answers, and names the host when it does not", async () => {
  assert.deepEqual((await platform.call("GET", "/ready")).body, { status: "ready" });
  platform.host.cut = true;
  // An answer counts for a second.
  assert.equal((await platform.call("GET", "/ready")).status, 200);
  platform.clock.advance(1000);
  try {
    const answer = await platform.call("GET", "/ready");
    assert.deepEqual([answer.status, reasonOf(answer)], [503, "not_ready"]);
    assert.match(JSON.stringify(answer.body), /the host does not answer"/);
  } finally {
    platform.host.cut = false;
    platform.clock.advance(1000);
  }
});

test("every route of accounts and teams stands in the API description with a summary", async () => {
  const { body } = await platform.call("GET", "/openapi.json");
  const paths = body["paths"] as Record<string, Record<string, { summary?: string }>>;
  for (const path of ["/v1/auth/login", "/v1/me", "/v1/teams/{id}/members", "/v1/api-keys", "/v1/audit-logs"])
    for (const [method, route] of Object.entries(paths[path] ?? { missing: {} }))
      assert.ok(route.summary, `${method} ${path}`);
});
