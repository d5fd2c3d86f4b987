import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { judgeConditions, writeConditions } from "../src/files/conditions.ts";
import { entityTag, readTags, versionOf } from "../src/files/entity-tags.ts";
import { readHttpDate } from "../src/files/http-date.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Conditions of RFC 9110 §13 on uploads; those of downloads are in downloads.test.ts. */

let platform: TestPlatform;
let capsule: string;
before(async () => {
  platform = await TestPlatform.start();
  const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  capsule = `${platform.url}/v1/capsules/${String(made.body["id"])}`;
});
after(() => platform[Symbol.asyncDispose]());

type Headers = Record<string, string>;
const key = (): Headers => ({ "x-api-key": platform.apiKey });
const content = (path: string): string => `${capsule}/files/content?path=${path}`;
const put = async (path: string, body: string, headers: Headers = {}): Promise<Response> =>
  await fetch(content(path), { method: "PUT", headers: { ...key(), ...headers }, body });
const get = async (path: string, headers: Headers = {}, method = "GET"): Promise<Response> =>
  await fetch(content(path), { method, headers: { ...key(), ...headers } });
async function reason(answer: Response): Promise<string> {
  return ((await answer.json()) as { readonly error: { readonly reason: string } }).error.reason;
}

const PAST = "Thu, 01 Jan 2015 00:00:00 GMT";
const FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT";

test("PUT obeys each condition; a failure changes nothing and has the current tag", async () => {
  const tag = (await put("/root/f", "old")).headers.get("etag") ?? "";
  for (const headers of [
    { "if-match": '"other"' },
    { "if-match": `W/${tag}` },
    { "if-match": '"a", "b"' },
    { "if-none-match": tag },
    { "if-none-match": `W/${tag}` },
    { "if-none-match": `"other", ${tag}` },
    { "if-unmodified-since": PAST },
    { "if-match": '"other"', "if-unmodified-since": FUTURE },
    { "if-match": tag, "if-none-match": tag },
  ]) {
    const answer = await put("/root/f", "lost", headers);
    assert.deepEqual([answer.status, answer.headers.get("etag")], [412, tag], JSON.stringify(headers));
    assert.equal(await reason(answer), "precondition_failed");
    assert.equal(await (await get("/root/f")).text(), "old");
  }
  const exclusive = await put("/root/f", "lost", { "if-none-match": "*" });
  assert.deepEqual([exclusive.status, await reason(exclusive)], [409, "path_exists"]);
});

test("PUT goes on where its conditions hold, and each write has a new tag", async () => {
  let tag = (await put("/root/g", "0")).headers.get("etag") ?? "";
  const holding: readonly ((tag: string) => Headers)[] = [
    (current) => ({ "if-match": current }),
    (current) => ({ "if-match": `"a,b", W/${current}, ${current}` }),
    () => ({ "if-match": "*" }),
    () => ({ "if-none-match": '"other", W/"more"' }),
    () => ({ "if-unmodified-since": FUTURE }),
    () => ({ "if-unmodified-since": "yesterday" }),
    (current) => ({ "if-match": current, "if-unmodified-since": PAST }),
    () => ({ "if-modified-since": FUTURE }),
  ];
  for (const [at, headersFor] of holding.entries()) {
    const headers = headersFor(tag);
    const answer = await put("/root/g", String(at), headers);
    assert.equal(answer.status, 200, JSON.stringify(headers));
    assert.notEqual(answer.headers.get("etag"), tag);
    tag = answer.headers.get("etag") ?? "";
  }
});

test("without a file If-Match fails and the others hold", async () => {
  for (const value of ["*", '"other"']) {
    const answer = await put("/root/none", "x", { "if-match": value });
    assert.deepEqual([answer.status, answer.headers.get("etag")], [412, null]);
    assert.equal((await get("/root/none")).status, 404);
  }
  for (const headers of [
    { "if-none-match": "*" },
    { "if-none-match": '"x"' },
    { "if-unmodified-since": PAST },
  ])
    assert.equal(
      (await put(`/root/new-${Object.values(headers).join("").length}`, "x", headers as Headers)).status,
      200,
    );
});

test("malformed and too many tags of a write are 400", async () => {
  await put("/root/h", "old");
  const many = Array.from({ length: 33 }, (_, at) => `"${at}-1-1"`).join(", ");
  for (const field of ["if-match", "if-none-match"])
    for (const value of ["abc", '"open', "", ",", '"a" "b"', '*, "a"', 'w/"a"', many]) {
      const answer = await put("/root/h", "lost", { [field]: value });
      assert.deepEqual([answer.status, await reason(answer)], [400, "invalid_field"], `${field}: ${value}`);
    }
  assert.equal(await (await get("/root/h")).text(), "old");
});

test("forms and resumable uploads obey them too", async () => {
  const tag = (await put("/root/i", "old")).headers.get("etag") ?? "";
  const form = new FormData();
  form.set("path", "/root/i");
  form.set("file", new Blob(["new"]));
  const url = `${capsule}/files/write`;
  const wrong = await fetch(url, {
    method: "POST",
    headers: { ...key(), "if-match": '"other"' },
    body: form,
  });
  assert.deepEqual(
    [wrong.status, wrong.headers.get("etag"), await reason(wrong)],
    [412, tag, "precondition_failed"],
  );
  const begin = async (ifMatch: string): Promise<Response> =>
    await fetch(`${capsule}/files/uploads`, {
      method: "POST",
      headers: { ...key(), "content-type": "application/json", "if-match": ifMatch },
      body: JSON.stringify({ path: "/root/i", size: 1 }),
    });
  const refused = await begin('"other"');
  assert.deepEqual([refused.status, refused.headers.get("etag")], [412, tag]);
  const begun = await begin(tag);
  assert.equal(begun.status, 201);
  const right = await fetch(url, { method: "POST", headers: { ...key(), "if-match": tag }, body: form });
  assert.equal(right.status, 204);
  const last = await fetch(platform.url + (begun.headers.get("location") ?? ""), {
    method: "PATCH",
    headers: { ...key(), "upload-offset": "0", "content-type": "application/octet-stream" },
    body: "x",
  });
  assert.deepEqual([last.status, await reason(last)], [412, "precondition_failed"]);
  assert.equal(await (await get("/root/i")).text(), "new");
});

test("GET and HEAD judge them alike, HEAD ignores Range, and 412 has the current tag", async () => {
  const tag = (await put("/root/j", "content")).headers.get("etag") ?? "";
  for (const method of ["GET", "HEAD"])
    for (const [headers, status] of [
      [{ "if-none-match": `W/${tag}` }, 304],
      [{ "if-none-match": `"a,b",${tag}` }, 304],
      [{ "if-none-match": "malformed" }, 200],
      [{ "if-match": `W/${tag}` }, 412],
      [{ "if-match": "malformed" }, 412],
      [{ "if-match": "*" }, 200],
      [{ "if-modified-since": "2100" }, 200],
      [{ "if-modified-since": FUTURE }, 304],
      [{ "if-unmodified-since": PAST }, 412],
      [{ "if-unmodified-since": "1" }, 200],
      [{ range: "bytes=0-1" }, method === "GET" ? 206 : 200],
      [{ range: "bytes=0-1", "if-range": `W/${tag}` }, 200],
      [{ range: "bytes=99-", "if-match": '"other"' }, 412],
    ] as const) {
      const answer = await get("/root/j", headers, method);
      assert.equal(answer.status, status, `${method} ${JSON.stringify(headers)}`);
      if (status === 412) assert.equal(answer.headers.get("etag"), tag);
    }
});

test("dates are read in the three forms of HTTP, and in no other", () => {
  for (const date of [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ])
    assert.equal(readHttpDate(date), 784_111_777, date);
  for (const date of [
    "",
    "0",
    "2015",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 +0100",
    `${PAST}, ${PAST}`,
    "Sun, 99 Nov 1994 08:49:37 GMT",
  ])
    assert.equal(readHttpDate(date), undefined, date);
});

const version = fc.record({
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  size: fc.maxSafeNat(),
  modifiedNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
});

test("a tag is read back as its version, in any list, and lists are read or refused as a whole", () => {
  const opaque = fc.stringMatching(/^"[!#-~]{0,12}"$/);
  fc.assert(
    fc.property(
      version,
      fc.array(fc.tuple(fc.boolean(), opaque), { maxLength: 5 }),
      fc.boolean(),
      (one, others, isWeak) => {
        const tags = [...others, [isWeak, entityTag(one)] as const];
        const header = tags.map(([weak, tag]) => (weak ? `W/${tag}` : tag)).join(" , ");
        const read = readTags(header);
        assert.ok(Array.isArray(read) && read.length === tags.length, header);
        assert.deepEqual(versionOf({ isWeak, opaque: entityTag(one) }), { ...one });
        assert.equal(writeConditions({ "if-match": header }).condition?.exists, true);
      },
    ),
  );
  fc.assert(
    fc.property(fc.string(), (header) => {
      const read = readTags(header);
      assert.ok(read === undefined || read === "*" || read.length > 0);
      judgeConditions(
        { "if-match": header, "if-none-match": header, "if-modified-since": header },
        undefined,
      );
    }),
  );
  for (const tag of ['"--"', '"0-0-0-0"', '"00-0-0"', '"zzzzzzzzzzzzz-0-0"', '"0-0-zzzzzzzzzzzzz"'])
    assert.equal(versionOf({ isWeak: false, opaque: tag }), undefined, tag);
});
