import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

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

test("220 downloads during 320 uploads of one path are each one version, whole", async () => {
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
    for (let round = 0; round < 160; round++) await put(versions[(round + writer) % 2] ?? Buffer.of());
  });
  const readers = [0, 1].map(async (reader) => {
    let tag = "";
    for (let round = 0; round < 110; round++) {
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
  assert.equal(seen.length, 220);
});
