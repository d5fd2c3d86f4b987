import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, beforeEach, test } from "node:test";
import { Files } from "../../src/files/files.ts";
import type { ConnectionOptions } from "../../src/transport/connection.ts";
import { refuse, ScriptedServer } from "../support/scripted-server.ts";

const server = await ScriptedServer.start();
after(() => server.close());
const filesWith = (options: ConnectionOptions = {}): Files =>
  new Files(server.http({ retries: 0, resumeMs: 3000, ...options }), "cl-1");
const files = filesWith();

const content = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => index % 253));
/** `Range` and `If-Range` of each request. */
let asked: (string | undefined)[] = [];
let tag = '"1"';
/** Bytes after which an answer breaks, for each answer. */
let breaks: number[] = [];

function serve(request: IncomingMessage, response: ServerResponse): void {
  const range = request.headers.range;
  asked.push(range);
  const ifRange = request.headers["if-range"];
  const isPart = range !== undefined && (ifRange === undefined || ifRange === tag);
  const start = isPart ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0;
  if (isPart && start >= content.length)
    return refuse(response, 416, "range_not_satisfiable", {
      "content-range": `bytes */${content.length}`,
      etag: tag,
    });
  const part = content.subarray(start);
  response.writeHead(isPart ? 206 : 200, {
    etag: tag,
    "content-length": part.length,
    ...(isPart ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
  });
  const most = breaks.shift();
  if (most === undefined) response.end(part);
  else response.write(part.subarray(0, most), () => setTimeout(() => response.destroy(), 10));
}

beforeEach(() => {
  server.requests.length = 0;
  [asked, tag, breaks] = [[], '"1"', []];
  server.respond = serve;
});

test("a file is read as text, bytes and a stream, in one request each", async () => {
  assert.ok(content.equals(await files.readBytes("/a")));
  assert.ok(content.equals(await files.read("/a", { format: "bytes" })));
  const stream = await files.read("/a", { format: "stream" });
  assert.deepEqual([stream.size, stream.version], [content.length, '"1"']);
  assert.equal(await sizeOf(stream), content.length);
  assert.equal(server.requests.length, 3);
  const text = Buffer.from("\ufeffgrün \xff", "latin1");
  server.respond = (_request, response) => response.writeHead(200, { "content-length": 0 }).end();
  assert.equal(await files.readText("/a"), "");
  server.respond = (_request, response) =>
    response.end(Buffer.concat([Buffer.from("\ufeffü"), text.subarray(-1)]));
  assert.equal(await files.read("/a"), "\ufeffü\ufffd");
});

test("a download that breaks continues with the next byte of the same version", async () => {
  breaks = [300_000, 0, 400_000];
  const retries: string[] = [];
  const progress: number[] = [];
  const patient = filesWith({ onRetry: ({ path }) => retries.push(path) });
  const bytes = await patient.readBytes("/a", {
    onProgress: ({ transferredBytes, totalBytes }) => {
      assert.equal(totalBytes, content.length);
      progress.push(transferredBytes);
    },
  });
  assert.ok(content.equals(bytes));
  assert.deepEqual(asked, [undefined, "bytes=300000-", "bytes=300000-", "bytes=700000-"]);
  assert.deepEqual(retries, Array<string>(3).fill("/v1/capsules/cl-1/files/content"));
  assert.equal(progress.at(-1), content.length);
});

test("a file that was changed during its download fails typed, also when it became shorter", async () => {
  for (const change of [
    () => {
      tag = '"2"';
    },
    () => {
      server.respond = (_request, response) =>
        refuse(response, 416, "range_not_satisfiable", { etag: '"3"', "content-range": "bytes */5" });
    },
  ]) {
    server.respond = serve;
    [breaks, tag] = [[300_000], '"1"'];
    await assert.rejects(files.readBytes("/a", { onProgress: change }), { code: "file_changed" });
  }
});

test("a download never ends like a success when it was cut", async () => {
  server.respond = (request, response) => {
    // All of it ends in good order.
    if (request.headers.range === undefined) return response.writeHead(200).end(content);
    return response
      .writeHead(206, { etag: tag, "content-range": `bytes 0-9/${content.length}` })
      .end("0123456789");
  };
  const other = files.download("/a", { from: 10, version: tag });
  await assert.rejects(other, { code: "invalid_answer", message: /other bytes/ });
  await assert.rejects(files.download("/a", { version: tag }).then(sizeOf), { code: "file_changed" });
  breaks = [10];
  server.requests.length = 0;
  server.respond = (request, response) => {
    if (server.requests.length > 1) response.destroy();
    else serve(request, response);
  };
  const hasty = filesWith({ resumeMs: 100 });
  await assert.rejects(hasty.readBytes("/b"), {
    code: "stream_lost",
    details: { from: 10, version: '"1"' },
  });
});

test("a later download continues an earlier one, if the file is the same", async () => {
  const rest = await files.download("/a", { from: 999_000, version: '"1"' });
  assert.equal(rest.size, content.length);
  assert.equal(await sizeOf(rest), 1000);
  const nothing = await files.download("/a", { from: content.length, version: '"1"' });
  assert.equal(await sizeOf(nothing), 0);
  const other = files.download("/a", { from: 10, version: '"0"' });
  await assert.rejects(other, { code: "file_changed" });
  const whole = files.download("/a", { version: '"0"' });
  await assert.rejects(whole, { code: "file_changed" });
  const behind = files.download("/a", { from: content.length + 1 });
  await assert.rejects(behind, { code: "invalid_option", message: /1000001, but \/a has 1000000 bytes/ });
});

test("a file without a size is read to its end, and not continued", async () => {
  server.respond = (request, response) => {
    response.writeHead(200);
    response.write("abc", () =>
      request.url?.includes("broken") === true ? response.destroy() : response.end(),
    );
  };
  const stream = await files.download("/proc/x");
  assert.deepEqual([stream.size, stream.version, await sizeOf(stream)], [undefined, undefined, 3]);
  await assert.rejects(files.readBytes("/broken"), { code: "connection_lost" });
  await assert.rejects(files.archive("/broken").then(sizeOf), { code: "connection_lost" });
  const skipped = files.download("/proc/x", { from: 1 });
  await assert.rejects(skipped, { code: "invalid_option", message: /no size/ });
  assert.equal(server.requests.length, 4);
});

test("a silent connection counts as broken, a slow consumer does not", async () => {
  let count = 0;
  server.respond = (request, response) => {
    if (count++ > 0) return serve(request, response);
    response.writeHead(200, { etag: tag, "content-length": content.length });
    return response.write(content.subarray(0, 1000));
  };
  const watchful = filesWith({ silenceMs: 80 });
  assert.ok(content.equals(await watchful.readBytes("/a")));
  assert.deepEqual(asked, ["bytes=1000-"]);
  const stream = await watchful.download("/a");
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(await sizeOf(stream), content.length);
  assert.equal(asked.length, 2);
});

test("aborts, cancelled streams and callbacks that throw close the connection", async () => {
  let closed = 0;
  server.respond = (_request, response) => {
    response.writeHead(200, { etag: tag, "content-length": content.length });
    response.write(content.subarray(0, 1000));
    response.once("close", () => closed++);
  };
  const reason = new Error("mine");
  const controller = new AbortController();
  const reading = files.readBytes("/a", {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await assert.rejects(reading, reason);
  const onProgress = (): never => {
    throw reason;
  };
  await assert.rejects(files.readBytes("/a", { onProgress }), reason);
  const stream = await files.download("/a");
  await stream.cancel();
  for await (const chunk of await files.download("/a")) {
    assert.ok(chunk.length > 0);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(closed, 4);
});

test("refusals reject the call before there is a stream", async () => {
  server.respond = (_request, response) => refuse(response, 404, "path_not_found");
  await assert.rejects(files.download("/a"), { reason: "path_not_found", status: 404 });
  await assert.rejects(files.archive("/a"), { reason: "path_not_found" });
});

async function sizeOf(stream: ReadableStream<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of stream) size += chunk.length;
  return size;
}
