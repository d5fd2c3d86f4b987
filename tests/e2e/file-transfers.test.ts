import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const ROUNDS = process.env["WRENN_TEST_LONG"] === "1" ? 40 : 15;
let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const send = async (
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Buffer | string,
): Promise<Response> =>
  await fetch(new URL(`/v1/capsules/${id}/files/${path}`, server.server.url), {
    method,
    headers: { "x-api-key": server.server.apiKey, ...headers },
    ...(body === undefined ? {} : { body }),
  });

test("downloads during uploads of one path are each one version, whole", async () => {
  const path = "content?path=/root/replaced";
  const versions = [Buffer.alloc(100_000, "a"), Buffer.alloc(200_000, "b")];
  const tags = new Map<string, Buffer>();
  const put = async (content: Buffer): Promise<void> => {
    const answer = await send("PUT", path, { "content-type": "application/octet-stream" }, content);
    assert.equal(answer.status, 200, await answer.text());
    tags.set(answer.headers.get("etag") ?? "", content);
  };
  await put(versions[0] ?? Buffer.of());
  const seen: { readonly answer: Response; readonly body: Buffer }[] = [];
  const writers = [0, 1].map(async (writer) => {
    for (let round = 0; round < 4 * ROUNDS; round++) await put(versions[(round + writer) % 2] ?? Buffer.of());
  });
  const readers = [0, 1].map(async (reader) => {
    let tag = "";
    for (let round = 0; round < 3 * ROUNDS; round++) {
      const range = { range: "bytes=50000-150000", ...(tag === "" ? {} : { "if-range": tag }) };
      const answer = await send("GET", path, (round + reader) % 2 === 0 ? {} : range);
      seen.push({ answer, body: Buffer.from(await answer.arrayBuffer()) });
      tag = answer.headers.get("etag") ?? "";
    }
  });
  await Promise.all([...writers, ...readers]);
  for (const { answer, body } of seen) {
    const content = tags.get(answer.headers.get("etag") ?? "") ?? assert.fail("a tag of no version");
    const whole = answer.status === 200;
    const part = content.subarray(50_000, 150_001);
    const end = 50_000 + part.length - 1;
    assert.equal(answer.headers.get("content-length"), String(body.length));
    assert.equal(answer.headers.get("content-range"), whole ? null : `bytes 50000-${end}/${content.length}`);
    assert.ok(body.equals(whole ? content : part), `${body.length} of ${content.length} bytes`);
  }
  assert.equal(seen.length, 6 * ROUNDS);
});

interface Upload {
  readonly id: string;
  readonly offset: number;
}

const json = { "content-type": "application/json" };
const begin = async (path: string, size: number): Promise<string> => {
  const answer = await send("POST", "uploads", json, JSON.stringify({ path, size }));
  assert.equal(answer.status, 201);
  return `uploads/${((await answer.json()) as Upload).id}`;
};
const patch = async (upload: string, offset: number, body: Buffer | string): Promise<Response> =>
  await send(
    "PATCH",
    upload,
    { "upload-offset": String(offset), "content-type": "application/offset+octet-stream" },
    body,
  );
const offsetOf = async (upload: string): Promise<string | null> =>
  (await send("HEAD", upload)).headers.get("upload-offset");

test("an upload is continued after a pause and after a fork, whose capsule has none of it", async () => {
  const free = async (capsule: string): Promise<number> =>
    Number((await server.shell(capsule, "df --output=avail -k / | tail -1")).stdout);
  const content = randomBytes(40_000_000);
  const upload = await begin("/root/up/loaded", content.length);
  assert.equal((await patch(upload, 0, content.subarray(0, 30_000_000))).status, 204);
  assert.equal((await server.shell(id, "ls -A /root/up")).stdout, "");
  const { body } = await server.call<readonly { id: string }[]>("POST", `/v1/capsules/${id}/fork`, {
    count: 1,
  });
  const child = body[0] ?? assert.fail(JSON.stringify(body));
  const inChild = await fetch(new URL(`/v1/capsules/${child.id}/files/${upload}`, server.server.url), {
    headers: { "x-api-key": server.server.apiKey },
  });
  assert.equal(inChild.status, 404);
  const [ours, theirs] = [await free(id), await free(child.id)];
  assert.ok(theirs - ours > 25_000, `the child has ${theirs - ours} KiB more`);
  await server.call("DELETE", `/v1/capsules/${child.id}`);

  await server.call("POST", `/v1/capsules/${id}/pause`);
  assert.equal((await patch(upload, 30_000_000, content.subarray(30_000_000))).status, 409);
  await server.call("POST", `/v1/capsules/${id}/resume`);
  assert.equal(await offsetOf(upload), "30000000");
  const last = await patch(upload, 30_000_000, content.subarray(30_000_000));
  assert.equal(last.status, 200, await last.clone().text());
  const down = await send("GET", "content?path=/root/up/loaded");
  assert.equal(down.headers.get("etag"), last.headers.get("etag"));
  assert.ok(Buffer.from(await down.arrayBuffer()).equals(content));
});

test("an upload vanishes a day after its last byte, by the clock of the capsule", async () => {
  const upload = await begin("/root/late", 10);
  assert.equal((await patch(upload, 0, "abc")).status, 204);
  await server.shell(id, "date -s '+23 hours'");
  assert.equal(await offsetOf(upload), "3");
  assert.equal((await patch(upload, 3, "d")).status, 204);
  await server.shell(id, "date -s '+23 hours'");
  assert.equal(await offsetOf(upload), "4");
  // Again and again: the host may set the clock right in between.
  await eventually("it is gone", async () => {
    await server.shell(id, "date -s '+2 hours'");
    return (await send("HEAD", upload)).status === 404;
  });
});
