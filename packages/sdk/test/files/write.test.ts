import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { after, beforeEach, test } from "node:test";
import type { FileData } from "../../src/files/file-data.ts";
import { Files } from "../../src/files/files.ts";
import type { Respond } from "../support/scripted-server.ts";
import { bodyOf, refuse, ScriptedServer } from "../support/scripted-server.ts";

const server = await ScriptedServer.start();
after(() => server.close());
const files = new Files(server.http({ retries: 2 }), "cl-1");

let written: Buffer | undefined;
let headers: IncomingHttpHeaders = {};
const take: Respond = async (request, response) => {
  ({ headers } = request);
  written = await bodyOf(request);
  response.end('{"entry":{"path":"/a","modified_at":1}}');
};
beforeEach(() => {
  server.requests.length = 0;
  [written, headers] = [undefined, {}];
  server.respond = take;
});

/** Larger than what is sent at once, in pieces that differ. */
const large = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => index % 251));
async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < large.length; at += 1_000_000) yield large.subarray(at, at + 1_000_000);
}
const streamOf = (iterable: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> =>
  Readable.toWeb(Readable.from(iterable, { objectMode: false })) as ReadableStream<Uint8Array>;

test("text, bytes, Blobs, streams, iterables and functions are written as they are", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set([1, 2, 3]);
  const cases: readonly (readonly [FileData | (() => FileData | Promise<FileData>), Uint8Array])[] = [
    ["tëxt", Buffer.from("tëxt")],
    ["", Buffer.of()],
    [Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
    [large.subarray(1, 5), large.subarray(1, 5)],
    [Uint8Array.of(7).buffer, Uint8Array.of(7)],
    [shared, Uint8Array.of(1, 2, 3)],
    [large, large],
    [new Blob([large]), large],
    [new Blob(["x"]), Buffer.from("x")],
    [streamOf(pieces()), large],
    [pieces(), large],
    [Readable.from(pieces()), large],
    [Readable.from(["a", "", "ü"]), Buffer.from("aü")],
    [() => pieces(), large],
    [async () => "later", Buffer.from("later")],
  ];
  for (const [data, expected] of cases) {
    assert.equal((await files.write("/a", data)).path, "/a");
    assert.ok(written?.equals(expected), `${typeof data}: ${written?.length} of ${expected.length} bytes`);
  }
});

test("bytes in memory carry their digest", async () => {
  for (const data of ["text", large]) {
    await files.write("/a", data);
    const digest = createHash("sha256").update(data).digest("base64");
    assert.equal(headers["content-digest"], `sha-256=:${digest}:`);
  }
  await files.write("/a", pieces());
  assert.equal(headers["content-digest"], undefined);
});

test("mode, user and the refusal to replace reach the server", async () => {
  await files.write("/a b", "", { mode: 0o600, user: "user", overwrite: false });
  assert.equal(headers["if-none-match"], "*");
  assert.deepEqual(server.requests, ["PUT /v1/capsules/cl-1/files/content?path=%2Fa%20b&user=user&mode=600"]);
});

test("what can be read again is sent again after a break, a new file only if it may replace one", async () => {
  const failing: Respond = async (request, response) => {
    if (server.requests.length < 3) return request.socket.destroy();
    return await take(request, response);
  };
  for (const data of ["text", large, new Blob([large]), () => pieces()]) {
    server.requests.length = 0;
    server.respond = failing;
    await files.write("/a", data);
    assert.equal(server.requests.length, 3);
    assert.equal(written?.length, data === "text" ? 4 : large.length);
  }
  server.requests.length = 0;
  await assert.rejects(files.write("/a", "text", { overwrite: false }), { code: "connection_failed" });
  assert.equal(server.requests.length, 1);
});

test("a one-shot stream is never sent twice, nor read by two calls", async () => {
  for (const data of [streamOf(pieces()), pieces()]) {
    server.requests.length = 0;
    server.respond = (request) => request.once("data", () => request.socket.destroy());
    await assert.rejects(files.write("/a", data), {
      code: "body_spent",
      isRetryable: false,
      remedy: /function/,
    });
    assert.equal(server.requests.length, 1);
    server.respond = take;
    await assert.rejects(files.write("/a", data), { code: "body_spent" });
    assert.equal(server.requests.length, 1);
  }
});

test("progress is reported as the connection takes bytes", async () => {
  for (const [data, total] of [
    ["text", 4],
    [large, large.length],
    [new Blob([large]), large.length],
    [pieces(), undefined],
  ] as const) {
    const seen: number[] = [];
    await files.write("/a", data, {
      onProgress: ({ transferredBytes, totalBytes }) => {
        assert.equal(totalBytes, total);
        seen.push(transferredBytes);
      },
    });
    assert.deepEqual(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
    );
    assert.equal(seen.at(-1), total ?? large.length);
    assert.equal(seen.length > 1, data !== "text");
  }
});

test("errors of data and callbacks reject the call as they are, and break off the request", async () => {
  const problem = new Error("mine");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield large.subarray(0, 10);
    throw problem;
  }
  const throwing = (): never => {
    throw problem;
  };
  let whole = 0;
  server.respond = async (request, response) => {
    if (await bodyOf(request)) whole++;
    response.end("{}");
  };
  await assert.rejects(files.write("/a", failing()), problem);
  await assert.rejects(
    files.write("/a", () => failing()),
    problem,
  );
  await assert.rejects(files.write("/a", throwing), problem);
  await assert.rejects(files.write("/a", large, { onProgress: throwing }), problem);
  const number = files.write("/a", Readable.from([1]) as AsyncIterable<string>);
  await assert.rejects(number, { code: "invalid_option", message: /number/ });
  await assert.rejects(files.write("/a", 5 as unknown as string), { code: "invalid_option" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(whole, 0);
});

test("an abort ends a write whose data waits, and gives the data up", async () => {
  let isClosed = false;
  const never = new ReadableStream<Uint8Array>({ cancel: () => void (isClosed = true) });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 30);
  await assert.rejects(files.write("/a", never, { signal: controller.signal }), /enough/);
  assert.equal(isClosed, true);
  assert.equal(server.requests.length <= 1, true);
});

test("a refusal in the middle ends an endless stream, and frees its connection", async () => {
  let isGone = false;
  server.respond = (request, response) => {
    request.once("data", () => refuse(response, 403, "permission_denied"));
    request.on("error", () => undefined).socket.once("close", () => (isGone = true));
  };
  let isEnded = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield large;
    } finally {
      isEnded = true;
    }
  }
  await assert.rejects(files.write("/a", endless()), { reason: "permission_denied" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([isEnded, isGone], [true, true]);
});

test("a connection that takes no bytes, or does not answer, is given up; data may take its time", async () => {
  const slow = new Files(server.http({ retries: 0, requestTimeoutMs: 60 }), "cl-1");
  async function* hesitant(): AsyncGenerator<Uint8Array> {
    yield large.subarray(0, 10);
    await new Promise((resolve) => setTimeout(resolve, 300));
    yield large.subarray(10, 20);
  }
  await slow.write("/a", hesitant());
  assert.equal(written?.length, 20);
  server.respond = () => undefined;
  await assert.rejects(
    slow.write("/a", () => hesitant()),
    { code: "request_timed_out" },
  );
  async function* much(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 100; count++) yield large;
  }
  await assert.rejects(
    slow.write("/a", () => much()),
    { code: "request_timed_out" },
  );
});
