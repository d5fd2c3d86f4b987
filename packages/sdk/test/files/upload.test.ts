import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { after, beforeEach, test } from "node:test";
import type { UploadProgress } from "../../src/files/file-options.ts";
import { Files } from "../../src/files/files.ts";
import type { UploadSource } from "../../src/files/upload-source.ts";
import type { ConnectionOptions } from "../../src/transport/connection.ts";
import { bodyOf, refuse, ScriptedServer } from "../support/scripted-server.ts";

const server = await ScriptedServer.start();
after(() => server.close());
const filesWith = (options: ConnectionOptions = {}): Files =>
  new Files(server.http({ retries: 0, resumeMs: 5000, ...options }), "cl-1");
const files = filesWith();

const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 241));
const chunkBytes = 30_000;

/** The one upload of the server: docs/reference/files.md#resumable-uploads. */
let upload: { size: number; bytes: Buffer; isOpen: boolean; body: object };
let file: Buffer | undefined;
/** What happens to the next PATCH requests. */
let faults: ((request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean)[] = [];

beforeEach(() => {
  server.requests.length = 0;
  [faults, file] = [[], undefined];
  upload = { size: 0, bytes: Buffer.of(), isOpen: false, body: {} };
  server.respond = async (request, response) => {
    const { method, url = "", headers } = request;
    if (url.endsWith("/uploads")) {
      upload.body = JSON.parse(String(await bodyOf(request))) as object;
      upload = { ...upload, ...(upload.body as { size: number }), isOpen: true };
      return response.writeHead(201).end(JSON.stringify(state()));
    }
    if (url.endsWith("/stat"))
      return response.end(JSON.stringify({ entry: { path: "/found", modified_at: 1 } }));
    if (url.includes("/content"))
      return file
        ? response.writeHead(200, { "content-length": file.length, etag: '"1"' }).end(file)
        : refuse(response, 404, "path_not_found");
    if (!upload.isOpen) return refuse(response, 404, "upload_not_found");
    if (method === "GET") return response.end(JSON.stringify(state()));
    if (method === "DELETE") {
      upload.isOpen = false;
      return response.writeHead(204).end();
    }
    const kept: Uint8Array[] = [];
    const body = await bodyOf(request, kept);
    const bytes = Buffer.concat(kept);
    if (faults.shift()?.(request, response, bytes) === true) return undefined;
    if (Number(headers["upload-offset"]) !== upload.bytes.length)
      return refuse(response, 409, "upload_offset_differs");
    if (body) {
      const digest = createHash("sha256").update(body).digest("base64");
      assert.equal(headers["content-digest"], `sha-256=:${digest}:`);
    }
    append(bytes);
    if (upload.isOpen) return response.writeHead(204).end();
    return response.end('{"entry":{"path":"/a","modified_at":1}}');
  };
});

const state = () => ({ id: "up-1", size: upload.size, offset: upload.bytes.length });

function append(bytes: Uint8Array): void {
  upload.bytes = Buffer.concat([upload.bytes, bytes]);
  if (upload.bytes.length < upload.size) return;
  file = upload.bytes;
  upload.isOpen = false;
}

async function* pieces(from = 0, size = 7001): AsyncGenerator<Uint8Array> {
  for (let at = from; at < content.length; at += size) yield content.subarray(at, at + size);
}

test("bytes, Blobs, streams and functions arrive whole, in pieces with their digests", async () => {
  const sources: readonly (readonly [UploadSource, number | undefined])[] = [
    [content, undefined],
    [content, content.length],
    [new Blob([content]), undefined],
    [pieces(), content.length],
    [pieces(0, 200_000), content.length],
    [Readable.toWeb(Readable.from(pieces(), { objectMode: false })) as ReadableStream, content.length],
    [(offset: number) => pieces(offset), content.length],
    [async () => new Blob([content]), content.length],
  ];
  for (const [source, size] of sources) {
    [server.requests.length, upload.bytes] = [0, Buffer.of()];
    const seen: UploadProgress[] = [];
    const onProgress = (progress: UploadProgress): number => seen.push(progress);
    const entry = await files.upload("/a", source, { size, chunkBytes, onProgress, mode: 0o700, user: "u" });
    assert.equal(entry.path, "/a");
    assert.ok(file?.equals(content));
    assert.deepEqual(upload.body, { path: "/a", size: content.length, mode: "700", user: "u" });
    assert.deepEqual(server.requests.length, 5);
    assert.deepEqual(
      seen,
      [0, 30_000, 60_000, 90_000, 100_000].map((transferredBytes) => ({
        transferredBytes,
        totalBytes: content.length,
        uploadId: "up-1",
      })),
    );
  }
  upload.bytes = Buffer.of();
  await files.upload("/empty", "");
  assert.equal(file?.length, 0);
});

/** Each kind of break: what arrived of the piece, and what became of the answer. */
const breaks: readonly (typeof faults)[number][] = [
  (request) => !!request.socket.destroy(),
  (request, _response, bytes) => {
    append(bytes.subarray(0, 1234));
    return !!request.socket.destroy();
  },
  (request, _response, bytes) => {
    append(bytes);
    return !!request.socket.destroy();
  },
  (_request, response) => (refuse(response, 409, "upload_in_use"), true),
  (_request, response) => (refuse(response, 400, "content_digest_mismatch"), true),
  (_request, response) => (refuse(response, 503, "host_unavailable"), true),
  (_request, _response, bytes) => {
    append(bytes.subarray(0, 10));
    return true;
  },
];

test("a piece that broke off continues where the upload stands, one-shot streams too", async () => {
  const retries: string[] = [];
  const patient = filesWith({ requestTimeoutMs: 500, onRetry: ({ path }) => retries.push(path) });
  for (const source of [() => pieces(), () => content, () => (offset: number) => pieces(offset)])
    for (const fault of breaks) {
      upload.bytes = Buffer.of();
      faults = [() => false, fault, () => false, fault];
      await patient.upload("/a", source(), { size: content.length, chunkBytes });
      assert.ok(file?.equals(content));
    }
  assert.deepEqual([...new Set(retries)], ["/v1/capsules/cl-1/files/uploads/up-1"]);
});

test("a completed upload whose answer was lost is found by its file", async () => {
  faults = [
    (request, _response, bytes) => {
      append(bytes);
      return !!request.socket.destroy();
    },
  ];
  assert.equal((await files.upload("/a", content)).path, "/found");
  upload.bytes = Buffer.of();
  faults = [
    (request) => {
      [upload.isOpen, file] = [false, Buffer.from("other")];
      return !!request.socket.destroy();
    },
  ];
  await assert.rejects(files.upload("/a", content), { reason: "upload_not_found" });
});

test("bytes that a one-shot stream has given are not asked for again", async () => {
  const goBack: (typeof faults)[number] = (request) => {
    upload.bytes = Buffer.of();
    return !!request.socket.destroy();
  };
  faults = [() => false, goBack];
  const options = { size: content.length, chunkBytes };
  await assert.rejects(files.upload("/a", pieces(), options), { code: "body_spent" });
  upload.bytes = Buffer.of();
  faults = [() => false, goBack];
  await files.upload("/a", (offset: number) => pieces(offset), options);
  assert.ok(file?.equals(content));
  upload.bytes = Buffer.of();
  const stream = pieces();
  await files.upload("/a", stream, options);
  upload.bytes = Buffer.of();
  await assert.rejects(files.upload("/a", stream, options), { code: "body_spent" });
});

test("data of another size than was said leaves no file and no upload", async () => {
  const cases: readonly (readonly [UploadSource, number | undefined])[] = [
    [content, 5],
    [pieces(), content.length - 1],
    [pieces(), content.length + 1],
    [(offset: number) => pieces(offset), 0],
    [pieces(), undefined],
    [pieces(), -1],
  ];
  for (const [source, size] of cases) {
    upload.bytes = Buffer.of();
    const uploading = files.upload("/a", source, { size, chunkBytes });
    await assert.rejects(uploading, { code: "invalid_option", message: /size/ });
    assert.deepEqual([file, upload.isOpen], [undefined, false]);
  }
  await assert.rejects(files.upload("/a", content, { chunkBytes: 0 }), { message: /chunkBytes/ });
});

test("an upload that was given up is continued by a later call", async () => {
  server.respond = wrapped(server.respond, () => upload.bytes.length > 30_000);
  const hasty = filesWith({ resumeMs: 100 });
  let lost: { details: { uploadId: string; offset: number } } | undefined;
  await assert.rejects(hasty.upload("/a", content, { chunkBytes }), (error: { code: string }) => {
    assert.equal(error.code, "stream_lost");
    lost = error as unknown as typeof lost;
    return true;
  });
  assert.deepEqual(lost?.details, { uploadId: "up-1", offset: 60_000 });
  server.respond = unwrapped;
  const resume = lost?.details.uploadId;
  await assert.rejects(files.upload("/a", "short", { resume, keepUnfinished: true }), {
    code: "invalid_option",
    message: /size/,
  });
  server.requests.length = 0;
  await files.upload("/a", content, { chunkBytes, resume });
  assert.ok(file?.equals(content));
  assert.equal(server.requests.length, 3);
});

let unwrapped = server.respond;
function wrapped(respond: typeof server.respond, isDown: () => boolean): typeof server.respond {
  unwrapped = respond;
  return (request, response) => (isDown() ? request.socket.destroy() : respond(request, response));
}

test("a call that fails frees its upload, unless it is to be kept", async () => {
  const reason = new Error("mine");
  for (const keepUnfinished of [false, true]) {
    const controller = new AbortController();
    const onProgress = ({ transferredBytes }: UploadProgress): void => {
      if (transferredBytes > 0) throw reason;
    };
    for (const options of [
      { onProgress },
      { signal: controller.signal, onProgress: () => controller.abort(reason) },
    ]) {
      upload.bytes = Buffer.of();
      await assert.rejects(files.upload("/a", content, { ...options, chunkBytes, keepUnfinished }), reason);
      assert.equal(upload.isOpen, keepUnfinished);
    }
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, 40_000);
      throw reason;
    }
    upload.bytes = Buffer.of();
    const options = { size: content.length, chunkBytes, keepUnfinished };
    await assert.rejects(files.upload("/a", failing(), options), reason);
    assert.equal(upload.isOpen, keepUnfinished);
    upload.bytes = Buffer.of();
    faults = [(_request, response) => (refuse(response, 507, "disk_full_in_capsule"), true)];
    await assert.rejects(files.upload("/a", content, options), { reason: "disk_full_in_capsule" });
    assert.equal(upload.isOpen, keepUnfinished);
  }
});

test("an abort ends an upload whose data waits, and gives the data up", async () => {
  let isClosed = false;
  const never = new ReadableStream<Uint8Array>({ cancel: () => void (isClosed = true) });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 30);
  await assert.rejects(files.upload("/a", never, { size: 5, signal: controller.signal }), /enough/);
  assert.deepEqual([isClosed, upload.isOpen], [true, false]);
});
