import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { UPLOAD_LIFETIME_MS } from "@wrenn/protocol";
import { withoutStalls } from "../src/http/stalls.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

let platform: TestPlatform;
let id: string;
before(async () => {
  platform = await TestPlatform.start();
  id = await capsule({});
});
after(() => platform[Symbol.asyncDispose]());

async function capsule(body: object): Promise<string> {
  const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body });
  assert.equal(made.status, 201);
  return String(made.body["id"]);
}

const begin = async (body: object, headers: Record<string, string> = {}, of = id): Promise<Answer> =>
  await platform.call("POST", `/v1/capsules/${of}/files/uploads`, { key: platform.apiKey, body, headers });

const started = async (path: string, size: number): Promise<string> =>
  (await begin({ path, size })).headers.get("location") ?? assert.fail("no location");

const state = async (location: string, method = "HEAD"): Promise<Answer> =>
  await platform.call(method, location, { key: platform.apiKey });

const offsetOf = async (location: string): Promise<string | null> =>
  (await state(location)).headers.get("upload-offset");

interface Part {
  readonly offset?: string | number;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

async function patch(location: string, body: Buffer | string, part: Part): Promise<Response> {
  const { offset, type = "application/offset+octet-stream", headers } = part;
  return await fetch(platform.url + location, {
    method: "PATCH",
    headers: {
      "x-api-key": platform.apiKey,
      "content-type": type,
      ...(offset === undefined ? {} : { "upload-offset": String(offset) }),
      ...headers,
    },
    body,
  });
}

async function read(path: string): Promise<Buffer> {
  const url = `${platform.url}/v1/capsules/${id}/files/content?path=${path}`;
  return Buffer.from(await (await fetch(url, { headers: { "x-api-key": platform.apiKey } })).arrayBuffer());
}

async function refused(answer: Response, status: number, reason: string): Promise<Response> {
  const { error } = (await answer.json()) as { readonly error: { readonly reason: string } };
  assert.deepEqual([answer.status, error.reason], [status, reason]);
  return answer;
}

test("an upload begins, is continued at its offset, and its last part answers with the file", async () => {
  const content = randomBytes(300_000);
  const made = await begin({ path: "/root/new/file", size: content.length, mode: "600" });
  const location = made.headers.get("location") ?? "";
  assert.equal(made.status, 201);
  assert.equal(location, `/v1/capsules/${id}/files/uploads/${String(made.body["id"])}`);
  const { path, size, offset } = made.body;
  assert.deepEqual([path, size, offset], ["/root/new/file", content.length, 0]);
  const first = await patch(location, content.subarray(0, 100_000), { offset: 0 });
  assert.deepEqual([first.status, first.headers.get("upload-offset")], [204, "100000"]);
  const head = await state(location);
  for (const [name, value] of [
    ["upload-offset", "100000"],
    ["upload-length", "300000"],
    ["tus-resumable", "1.0.0"],
    ["cache-control", "no-store"],
  ] as const)
    assert.equal(head.headers.get(name), value);
  const shown = await state(location, "GET");
  assert.deepEqual([shown.body["offset"], shown.body["size"]], [100_000, 300_000]);
  assert.match(String(shown.body["expires_at"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

  const wrong = await refused(await patch(location, "x", { offset: 5 }), 409, "upload_offset_differs");
  assert.equal(wrong.headers.get("upload-offset"), "100000");
  const rest = content.subarray(100_000);
  const last = await patch(location, rest, { offset: 100_000, type: "application/octet-stream" });
  const { entry } = (await last.json()) as {
    readonly entry: { readonly size: number; readonly mode: number };
  };
  assert.deepEqual([last.status, entry.size, entry.mode], [200, content.length, 0o600]);
  assert.match(last.headers.get("etag") ?? "", /^".+"$/);
  assert.ok((await read("/root/new/file")).equals(content));
  assert.equal((await state(location)).status, 404);
});

test("a body that breaks off keeps what arrived; a body past the size is answered, not cut off", async () => {
  const location = await started("/root/broken", 5_000_000);
  const breaking = httpRequest(platform.url + location, {
    method: "PATCH",
    headers: { "x-api-key": platform.apiKey, "upload-offset": 0, "content-length": 5_000_000 },
  });
  breaking.on("error", () => {});
  breaking.write(Buffer.alloc(1_000_000, "a"));
  await eventually("the first bytes arrive", async () => (await offsetOf(location)) === "1000000");
  await refused(await patch(location, "x", { offset: 1_000_000 }), 409, "upload_in_use");
  breaking.destroy();
  await eventually("the offset is free", async () => {
    const answer = await patch(location, "", { offset: 1_000_000 });
    return answer.status === 204;
  });
  const long = Buffer.alloc(8_000_000, "b");
  await refused(await patch(location, long, { offset: 1_000_000 }), 413, "upload_too_long");
  const offset = Number(await offsetOf(location));
  assert.ok(offset >= 1_000_000 && offset < 5_000_000);
  const last = await patch(location, Buffer.alloc(5_000_000 - offset, "b"), { offset });
  assert.equal(last.status, 200);
  const whole = Buffer.concat([Buffer.alloc(1_000_000, "a"), Buffer.alloc(4_000_000, "b")]);
  assert.ok((await read("/root/broken")).equals(whole));
});

test("what cannot be an upload is refused before anything is made", async () => {
  await platform.call("POST", `/v1/capsules/${id}/files/mkdir`, {
    key: platform.apiKey,
    body: { path: "/root/directory" },
  });
  const cases: readonly (readonly [object, Record<string, string>, number, string])[] = [
    [{ path: "/root/directory", size: 1 }, {}, 400, "is_a_directory"],
    [{ path: "/root/new/file", size: 1 }, { "if-none-match": "*" }, 409, "path_exists"],
    [{ path: "/root/x", size: -1 }, {}, 400, "invalid_field"],
    [{ path: "/root/x", size: 1e15 }, {}, 400, "invalid_field"],
    [{ path: "/root/x" }, {}, 400, "invalid_field"],
    [{ path: "/root/x", size: 1, mode: "rw" }, {}, 400, "invalid_field"],
    [{ path: "/root/x", size: 1, user: "no-such-user" }, {}, 400, "user_not_found"],
  ];
  for (const [body, headers, status, reason] of cases) {
    const answer = await begin(body, headers);
    assert.deepEqual([answer.status, reasonOf(answer)], [status, reason], JSON.stringify(body));
  }
  const location = await started("/root/strict", 3);
  await refused(await patch(location, "abc", {}), 400, "invalid_field");
  await refused(await patch(location, "abc", { offset: "-1" }), 400, "invalid_field");
  await refused(await patch(location, "abc", { offset: "1e1" }), 400, "invalid_field");
  await refused(
    await patch(location, "abc", { offset: 0, type: "text/plain" }),
    415,
    "unsupported_media_type",
  );
  const digest = createHash("sha256").update("abc").digest("base64");
  const headers = { "content-digest": `sha-256=:${digest}:` };
  await refused(await patch(location, "abd", { offset: 0, headers }), 400, "content_digest_mismatch");
  await refused(
    await patch(location, "abc", { offset: 0, headers: { "content-digest": "md5=:x:" } }),
    400,
    "invalid_field",
  );
  assert.equal(await offsetOf(location), "0");
  assert.equal((await patch(location, "abc", { offset: 0, headers })).status, 200);
  const malformed = `/v1/capsules/${id}/files/uploads/up-1`;
  assert.equal(reasonOf(await state(malformed, "GET")), "invalid_id");
});

test("an empty file is made by an empty part; an abandoned upload is gone", async () => {
  const empty = await started("/root/empty", 0);
  assert.equal((await patch(empty, "", { offset: 0 })).status, 200);
  assert.equal((await read("/root/empty")).length, 0);
  const location = await started("/root/abandoned", 3);
  assert.equal((await state(location, "DELETE")).status, 204);
  assert.equal((await state(location, "DELETE")).status, 404);
  await refused(await patch(location, "abc", { offset: 0 }), 404, "upload_not_found");
});

test("an upload vanishes a day after its last byte", async () => {
  const location = await started("/root/late", 6);
  await patch(location, "abc", { offset: 0 });
  const uploads = platform.host.uploadsOf(id);
  let passed = 0;
  uploads.now = () => Date.now() + passed;
  passed = UPLOAD_LIFETIME_MS - 60_000;
  assert.equal((await patch(location, "d", { offset: 3 })).status, 204);
  passed += UPLOAD_LIFETIME_MS - 60_000;
  assert.equal(await offsetOf(location), "4");
  passed += 60_000;
  assert.equal((await state(location)).status, 404);
});

test("a body that stands still is given up, a slow one is not", async () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  let returned = false;
  const slow = async function* (thenMs: number): AsyncGenerator<Uint8Array, void> {
    try {
      for (const text of ["a", "b", "c"]) {
        await wait(30);
        yield Buffer.from(text);
      }
      await wait(thenMs);
    } finally {
      returned = true;
    }
  };
  assert.equal(Buffer.concat(await Array.fromAsync(withoutStalls(slow(0), 200))).toString(), "abc");
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const part of withoutStalls(slow(400), 200)) {
        // The time that is taken to handle a part does not count.
        await wait(250);
        seen.push(Buffer.from(part).toString());
      }
    },
    (error) => WrennError.is(error, "body_stalled"),
  );
  assert.deepEqual(seen, ["a", "b", "c"]);
  await eventually("the source ends", async () => returned);
});

test("a paused capsule refuses its uploads, unless it resumes by itself", async () => {
  for (const auto_resume of [false, true]) {
    const paused = await capsule({ auto_resume });
    const made = await begin({ path: "/root/file", size: 6 }, {}, paused);
    const location = made.headers.get("location") ?? "";
    assert.equal((await patch(location, "abc", { offset: 0 })).status, 204);
    await platform.call("POST", `/v1/capsules/${paused}/pause`, { key: platform.apiKey });
    const answer = await patch(location, "def", { offset: 3 });
    if (auto_resume) assert.equal(answer.status, 200);
    else await refused(answer, 409, "capsule_not_running");
  }
});
