import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import type { ApiDocument } from "../src/openapi/api-document.ts";
import { BuiltDashboard } from "./support/built-dashboard.ts";
import { DescribedApi } from "./support/described-api.ts";
import { expectationOf } from "./support/authorisation-table.ts";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { requestsFor } from "./support/hostile-request.ts";
import { rawRequest } from "./support/raw-request.ts";
import type { RawAnswer } from "./support/raw-request.ts";
import { idSource } from "./support/route-ids.ts";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
/** Of each route. */
const RUNS = LONG ? 500 : 10;
/** Of HEAD, which is answered by the code of GET, and of what uses a whole team up. */
const FEW_RUNS = LONG ? 60 : 3;
/** Of a run that is to be repeated. */
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));

/** Failures that are not the client's and that requests of the right form may meet here: the host is small, and the network has no names. */
const excusable: Readonly<Record<string, readonly string[]>> = {
  "POST /v1/capsules": ["host_full"],
  "POST /v1/capsules/:id/fork": ["host_full"],
  "POST /v1/channels/test": ["delivery_failed"],
};

using list = new RouteList();
const dashboard = await BuiltDashboard.make({ "index.html": "<html></html>", "favicon.svg": "<svg/>" });
after(() => dashboard[Symbol.asyncDispose]());
const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  dashboard: dashboard.directory,
});
after(() => platform[Symbol.asyncDispose]());
const furnisher = await Furnisher.open(platform);
let ours = await furnisher.team("oursmarker");
const theirs = await furnisher.team("theirsmarker");

const api = new DescribedApi(JSON.parse(await platform.text("/openapi.json")) as ApiDocument);

let asked = 0;

/** Routes that anybody may call are limited by address. */
function address(): string {
  asked++;
  return `127.${1 + (Math.floor(asked / 62_500) % 250)}.${1 + (Math.floor(asked / 250) % 250)}.${1 + (asked % 250)}`;
}

/** What every answer must be like, whatever was asked. */
function checkAnswer(name: string, method: string, { status, headers, text }: RawAnswer): void {
  assert.ok(!`${text}${JSON.stringify(headers)}`.includes(theirs.marker), `${name} tells of others: ${text}`);
  if (status < 400 || method === "HEAD") {
    assert.ok(status < 500, `${name}: ${status}`);
    return;
  }
  // A browser is shown a page that says which address it was.
  if (name === "GET /docs/api/cli" && text === '<html data-outcome="address_refused"></html>') return;
  assert.match(String(headers["content-type"]), /^application\/json/, `${name}: ${status} ${text}`);
  const { error } = JSON.parse(text) as { readonly error: Readonly<Record<string, unknown>> };
  for (const field of ["code", "message", "reason", "remedy", "request_id"])
    assert.equal(typeof error[field], "string", `${name}: ${text}`);
  assert.equal(headers["x-request-id"], error["request_id"], name);
  assert.ok(status < 500 || excusable[name]?.includes(String(error["reason"])), `${name}: ${status} ${text}`);
}

for (const route of list.all()) {
  const name = `${route.method} ${route.url}`;
  test(`${name} takes whatever comes`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const { access, spends } = expectationOf(route) ?? assert.fail(`nothing of ${name}`);
    await furnisher.logInOwner(ours);
    const manyRequests = requestsFor(route, (parameter) => idSource(ours, route.url)(parameter));
    const property = fc.asyncProperty(manyRequests, async (request) => {
      const { token } = ours.people.owner;
      const headers = {
        ...request.headers,
        ...(access === "open" ? {} : { authorization: `Bearer ${token}` }),
      };
      const answer = await rawRequest(platform.url, { ...request, headers, from: address() });
      checkAnswer(name, route.method, answer);
      assert.deepEqual(api.undescribedOf(route, answer), [], `${name}: ${answer.status} ${answer.text}`);
      // The description of the API has these words as well.
      if (answer.status === 401)
        assert.doesNotMatch(
          answer.text,
          /"(token_invalid|credentials_missing)"/,
          `${name}: the token has ended`,
        );
      if (answer.status >= 300 || !spends) return;
      if (spends === "team") ours = await furnisher.team("oursmarker");
      else await furnisher.renew(ours, spends);
    });
    // What a request has changed is not undone: a smaller one would meet another server.
    await fc.assert(property, {
      seed,
      endOnFailure: true,
      numRuns: route.method === "HEAD" || spends === "team" ? FEW_RUNS : RUNS,
    });
    assert.equal((await rawRequest(platform.url, { method: "GET", path: "/health" })).status, 200);
  });
}
