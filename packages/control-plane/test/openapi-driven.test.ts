import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import type { ApiDocument, ApiOperation } from "../src/openapi/api-document.ts";
import { expectationOf } from "./support/authorisation-table.ts";
import { DescribedApi } from "./support/described-api.ts";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { Furnisher } from "./support/furnished-teams.ts";
import { requestsFor } from "./support/hostile-request.ts";
import { administrators } from "./support/matrix-world.ts";
import { rawRequest } from "./support/raw-request.ts";
import { idSource } from "./support/route-ids.ts";
import { TestPlatform } from "./support/test-platform.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
/** Requests of each operation. */
const RUNS = LONG ? 400 : 4;
/** Of operations that use a whole team up. */
const FEW_RUNS = LONG ? 40 : 1;
/** Of a run that is to be repeated. */
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));

const platform = await TestPlatform.start({
  host: new FurnishedHostAgent(),
  rates: { perAddress: undefined, perKey: undefined },
});
after(() => platform[Symbol.asyncDispose]());
const furnisher = await Furnisher.open(platform);
let team = await furnisher.team("oursmarker");
const admin = await administrators(platform, furnisher);
const document = JSON.parse(await platform.text("/openapi.json")) as ApiDocument;
const api = new DescribedApi(document);

let asked = 0;

/** Operations that need no credentials are limited by address. */
function address(): string {
  asked++;
  return `127.${1 + (Math.floor(asked / 62_500) % 250)}.${1 + (Math.floor(asked / 250) % 250)}.${1 + (asked % 250)}`;
}

/** Whether an operation answers with a stream in any case. */
function isStream({ responses }: ApiOperation): boolean {
  const { 200: ok } = responses;
  const types = ok && "content" in ok ? Object.keys(ok.content ?? {}) : [];
  return types.length === 1 && types[0] === "text/event-stream";
}

for (const { route, operation } of api.routes()) {
  const name = `${route.method} ${route.url}`;
  // Streams have no end: one of them is read below.
  if (isStream(operation)) continue;
  test(`${name} answers only what is described`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const { spends } = expectationOf(route) ?? {};
    await furnisher.logInOwner(team);
    const schemes = (operation.security ?? []).flatMap((scheme) => Object.keys(scheme));
    const requests = requestsFor(route, (parameter) => idSource(team, route.url)(parameter));
    const property = fc.asyncProperty(requests, fc.boolean(), async (request, isKnown) => {
      const owner = schemes.length === 1 ? admin.people.owner : team.people.owner;
      const headers = {
        ...request.headers,
        ...(schemes.length > 0 && isKnown && { authorization: `Bearer ${owner.token}` }),
      };
      const answer = await rawRequest(platform.url, { ...request, headers, from: address() });
      assert.deepEqual(
        api.undescribedOf(route, answer),
        [],
        `${request.method} ${request.path}: ${answer.status} ${answer.text.slice(0, 300)}`,
      );
      if (answer.status >= 300 || !spends || !isKnown) return;
      if (spends === "team") team = await furnisher.team("oursmarker");
      else await furnisher.renew(team, spends);
    });
    await fc.assert(property, {
      seed,
      endOnFailure: true,
      numRuns: spends === "team" ? FEW_RUNS : RUNS,
    });
  });
}

test("every event of a stream is described", async () => {
  const { "200": ok } = api.find("GET", "/v1/events")?.responses ?? {};
  const schema = ok && "content" in ok ? ok.content?.["text/event-stream"]?.schema : undefined;
  assert.ok(schema);
  const response = await fetch(`${platform.url}/v1/events?after=0`, {
    headers: { authorization: `Bearer ${team.people.owner.token}` },
    signal: AbortSignal.timeout(10_000),
  });
  const kinds = new Set<string>();
  let text = "";
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = `${text}${piece}`.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const [, kind] = /^event: (.*)$/m.exec(block) ?? [];
      const [, data] = /^data: (.*)$/m.exec(block) ?? [];
      if (kind === undefined || data === undefined) continue;
      assert.deepEqual(api.problems(schema, JSON.parse(data)), [], data);
      kinds.add(kind);
    }
    if (kinds.has("capsule.created") && kinds.size > 1) break;
  }
  assert.ok(kinds.size > 1, [...kinds].join());
});
