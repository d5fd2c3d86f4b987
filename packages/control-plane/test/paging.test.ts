import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isContractRoute } from "../src/http/contract-routes.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { apiKey: key } = platform;

type Entry = Readonly<Record<string, unknown>>;
interface Auth {
  readonly key?: string;
  readonly token?: string;
}

interface Page {
  readonly entries: readonly Entry[];
  readonly next: string | null;
  readonly link: string | null;
}

async function page(path: string, auth: Auth): Promise<Page> {
  const { status, body, headers } = await platform.call("GET", path, auth);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(Array.isArray(body), "the body of a list is a bare array");
  return { entries: body as Entry[], next: headers.get("x-next-cursor"), link: headers.get("link") };
}

/** Every page of a list; `between` runs after each. */
async function walk(
  path: string,
  limit: number,
  auth: Auth,
  between: (page: Page) => Promise<unknown> = async () => undefined,
): Promise<Entry[]> {
  const all: Entry[] = [];
  let url = `${path}?limit=${limit}`;
  for (;;) {
    const one = await page(url, auth);
    all.push(...one.entries);
    await between(one);
    if (one.next === null) return all;
    assert.equal(one.entries.length, limit);
    assert.equal(one.link, `<${path}?limit=${limit}&cursor=${one.next}>; rel="next"`);
    url = /<(.*)>/.exec(one.link ?? "")?.[1] ?? "";
  }
}

const createCapsule = async (): Promise<string> => {
  const { status, body } = await platform.call("POST", "/v1/capsules", { key, body: {} });
  assert.equal(status, 201, JSON.stringify(body));
  return String(body["id"]);
};

test("capsules come page by page, exactly once each, in the order of the whole list", async () => {
  for (let made = 0; made < 7; made++) await createCapsule();
  const whole = await page("/v1/capsules", { key });
  assert.equal(whole.next, null);
  for (const limit of [1, 3, 7, 100]) {
    const walked = await walk("/v1/capsules", limit, { key });
    assert.deepEqual(walked, whole.entries, `pages of ${limit}`);
  }
});

test("capsules that come, go or are the cursor's own move no other between pages", async () => {
  const before = (await page("/v1/capsules", { key })).entries.map(({ id }) => id);
  const gone = before.at(-1);
  let first = true;
  const walked = await walk("/v1/capsules", 2, { key }, async ({ entries }) => {
    if (!first) return;
    first = false;
    await createCapsule();
    for (const id of [gone, entries.at(-1)?.["id"]]) {
      const { status } = await platform.call("DELETE", `/v1/capsules/${String(id)}`, { key });
      assert.equal(status, 204);
    }
  });
  assert.deepEqual(
    walked.map(({ id }) => id),
    before.filter((id) => id !== gone),
  );
});

test("capsules of one and the same microsecond are told apart by their ids", async () => {
  const at = new Date("2026-01-02T03:04:05.678Z");
  await platform.database.db.updateTable("sandboxes").set({ created_at: at }).execute();
  const whole = await page("/v1/capsules", { key });
  assert.ok(whole.entries.length > 4);
  assert.deepEqual(await walk("/v1/capsules", 2, { key }), whole.entries);
});

test("short lists have pages too, and a key that is revoked between two of them hides no other", async () => {
  const { token } = await platform.person("pager");
  for (let made = 0; made < 5; made++)
    await platform.call("POST", "/v1/api-keys", { token, body: { name: `key ${made}` } });
  const whole = (await page("/v1/api-keys", { token })).entries;
  assert.deepEqual(await walk("/v1/api-keys", 2, { token }), whole);
  let first = true;
  const walked = await walk("/v1/api-keys", 2, { token }, async ({ entries }) => {
    if (!first) return;
    first = false;
    await platform.call("DELETE", `/v1/api-keys/${String(entries.at(-1)?.["id"])}`, { token });
  });
  assert.deepEqual(walked, whole);

  for (const name of ["one", "two", "three"])
    await platform.call("POST", "/v1/teams", { token, body: { name } });
  const teams = (await page("/v1/teams", { token })).entries;
  assert.equal(teams.length, 4);
  assert.deepEqual(await walk("/v1/teams", 3, { token }), teams);
  const templates = (await page("/v1/snapshots", { token })).entries;
  assert.deepEqual(await walk("/v1/snapshots", 1, { token }), templates);
});

test("a cursor that the list did not give out is refused", async () => {
  const { next } = await page("/v1/capsules?limit=1", { key });
  const encoded = (text: string): string => Buffer.from(text).toString("base64url");
  const bad = [
    `${next ?? ""}A`,
    "%00",
    "",
    encoded("templates:1.minimal"),
    encoded("capsules:"),
    encoded("capsules:1.2"),
    encoded("capsules:99999999999999999.aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
    encoded("capsules:1'; drop table sandboxes --"),
  ];
  for (const cursor of bad) {
    const refused = await platform.call("GET", `/v1/capsules?cursor=${cursor}`, { key });
    assert.deepEqual([cursor, refused.status, reasonOf(refused)], [cursor, 400, "invalid_field"]);
  }
  for (const limit of ["0", "1001", "-1", "x"]) {
    const refused = await platform.call("GET", `/v1/capsules?limit=${limit}`, { key });
    assert.deepEqual([limit, refused.status], [limit, 400]);
  }
  // The largest that has the right form lies in the far future: everything is older, and nothing breaks.
  const late = encoded("capsules:9999999999999999.ffffffff-ffff-4fff-8fff-ffffffffffff");
  assert.equal((await platform.call("GET", `/v1/capsules?cursor=${late}`, { key })).status, 200);
});

/**
 * A bounded log of this moment, a search that gives the first ten, the logins of one person that were used last, in an order that
 * each use changes, and providers, of which there are two at most.
 */
const withoutPages = new Set([
  "/v1/capsules/{id}/network/decisions",
  "/v1/users/search",
  "/v1/me/sessions",
  "/v1/auth/providers",
  "/v1/me/providers",
]);

test("every list of the API has pages", async () => {
  const { body } = await platform.call("GET", "/openapi.json");
  type Operation = {
    parameters?: { in: string; name: string }[];
    responses?: Record<string, { content?: Record<string, { schema?: { type?: string } }> }>;
  };
  const paths = body["paths"] as Record<string, { get?: Operation }>;
  const lists = Object.entries(paths).filter(
    ([path, { get }]) =>
      !withoutPages.has(path) &&
      get?.responses?.["200"]?.content?.["application/json"]?.schema?.type === "array",
  );
  assert.ok(lists.length >= 10, `${lists.length} lists`);
  for (const [path, { get }] of lists) {
    const names = get?.parameters?.filter((one) => one.in === "query").map(({ name }) => name) ?? [];
    assert.ok(names.includes("limit") && names.includes("cursor"), `${path} has no pages`);
  }
});

/** Things with parts that are objects, and parts of a log with their place in it: not lists. */
const withParts = new Set([
  "/v1/admin/teams/{id}",
  "/v1/templates/{name}",
  "/v1/builds/{id}",
  "/v1/builds/{id}/logs",
  "/v1/admin/builds/{id}/logs",
  "/v1/capsules/{id}/logs",
  // What listens at one moment, with the number of those that are left out.
  "/v1/capsules/{id}/ports/listening",
]);

test("lists that the contract does not have are bare arrays, each with the same pages", async () => {
  const { body } = await platform.call("GET", "/openapi.json");
  type Schema = { type?: string; $ref?: string; properties?: Record<string, Schema>; items?: Schema };
  type Answers = { responses?: Record<string, { content?: Record<string, { schema?: Schema }> }> };
  const paths = body["paths"] as Record<string, { get?: Answers }>;
  const wrapped: string[] = [];
  for (const [path, { get }] of Object.entries(paths)) {
    if (withParts.has(path) || isContractRoute("GET", path.replaceAll(/\{(\w+)\}/g, ":$1"))) continue;
    const { properties = {} } = get?.responses?.["200"]?.content?.["application/json"]?.schema ?? {};
    const isWrapped = Object.values(properties).some(
      ({ type, items }) => type === "array" && (items?.properties ?? items?.$ref) !== undefined,
    );
    if (isWrapped) wrapped.push(path);
  }
  assert.deepEqual(wrapped, []);
});
