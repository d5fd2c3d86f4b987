import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import fc from "fast-check";
import { WebSocket } from "ws";
import { processLogs } from "../src/processes/process-json.ts";
import { TextPieces } from "../src/processes/text-pieces.ts";
import type { TextPiece } from "../src/processes/text-pieces.ts";
import { TestPlatform } from "./support/test-platform.ts";

/* Offsets of text are where its bytes are, however they came: a reader that resumes where a text ended gets the rest exactly. */

const RUNS = process.env["WRENN_TEST_LONG"] === "1" ? 20_000 : 1000;

/** Output as programs print it: text with characters of every length, and at times bytes that are none. */
const output = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .constantFrom("a", "\n", "é", "€", "😀", "\ufeff", "\u0000", "\ufffd")
          .map((text) => Buffer.from(text)),
      },
      {
        weight: 1,
        arbitrary: fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
      },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom("e2", "e282", "f0", "f09f98", "c3", "80", "ff", "eda080", "c080", "f4908080")
          .map((hex) => Buffer.from(hex, "hex")),
      },
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

/** Sizes of the chunks in which it comes; the last one repeats. */
const chunking = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 });

function* chunksOf(bytes: Buffer, sizes: readonly number[], from = 0): Generator<readonly [number, Buffer]> {
  for (let [at, n] = [from, 0]; at < bytes.length; n++) {
    const size = sizes[Math.min(n, sizes.length - 1)] ?? 1;
    yield [at, bytes.subarray(at, at + size)];
    at += size;
  }
}

function piecesOf(bytes: Buffer, sizes: readonly number[], from = 0): readonly TextPiece[] {
  const pieces = new TextPieces();
  const texts: (TextPiece | undefined)[] = [];
  for (const [offset, chunk] of chunksOf(bytes, sizes, from))
    texts.push(pieces.next("stdout", offset, chunk));
  texts.push(pieces.rest("stdout"));
  return texts.filter((piece) => piece !== undefined);
}

const textOf = (pieces: readonly TextPiece[]): string => pieces.map(({ text }) => text).join("");
const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

test("texts of any chunks are the whole text, without gaps, and each is what its offsets say", () => {
  fc.assert(
    fc.property(output, chunking, (bytes, sizes) => {
      const pieces = piecesOf(bytes, sizes);
      assert.equal(textOf(pieces), decode(bytes));
      let end = 0;
      for (const { text, offset, next } of pieces) {
        assert.equal(offset, end);
        assert.equal(text, decode(bytes.subarray(offset, next)));
        end = next;
      }
      assert.equal(end, bytes.length);
    }),
    { numRuns: RUNS },
  );
});

test("a reader that resumes after any text gets the rest, in whatever chunks it comes then", () => {
  fc.assert(
    fc.property(output, chunking, chunking, fc.nat(), (bytes, sizes, others, choice) => {
      const pieces = piecesOf(bytes, sizes);
      const read = pieces.slice(0, choice % (pieces.length + 1));
      const resumed = piecesOf(bytes, others, read.at(-1)?.next ?? 0);
      assert.equal(textOf(read) + textOf(resumed), decode(bytes));
    }),
    { numRuns: RUNS },
  );
});

test("a gap ends the character before it, and the text behind it begins where it does", () => {
  const pieces = new TextPieces();
  assert.deepEqual(pieces.next("stdout", 0, Buffer.from("a\u00e9").subarray(0, 2)), {
    text: "a",
    offset: 0,
    next: 1,
  });
  assert.deepEqual(pieces.rest("stdout"), { text: "\ufffd", offset: 1, next: 2 });
  assert.equal(pieces.rest("stdout"), undefined);
  assert.deepEqual(pieces.next("stdout", 100, Buffer.from("b")), { text: "b", offset: 100, next: 101 });
  assert.equal(pieces.next("stderr", 0, Buffer.from([0xc3])), undefined);
});

interface LogPiece {
  readonly data: string;
  readonly encoding: string;
  readonly offset: number;
  readonly next: number;
}

const exit = { exitCode: 0 };
function logsOf(bytes: Buffer, from: number, isEnded: boolean, start = 0): LogPiece {
  const offset = Math.min(Math.max(from, start), bytes.length);
  const held = {
    stdout: { offset, bytes: bytes.subarray(offset) },
    stderr: { offset: 0, bytes: Buffer.alloc(0) },
  };
  return processLogs(held, { stdout: from, stderr: 0 }, isEnded ? exit : undefined).stdout;
}
const bytesOf = ({ data, encoding }: LogPiece): Buffer =>
  Buffer.from(data, encoding === "base64" ? "base64" : "utf8");

test("logs that are polled by `next` while they grow are the output, byte for byte, to its true end", () => {
  fc.assert(
    fc.property(output, chunking, (bytes, sizes) => {
      const read: Buffer[] = [];
      let next = 0;
      const poll = (length: number, isEnded: boolean): void => {
        const piece = logsOf(bytes.subarray(0, length), next, isEnded);
        assert.equal(piece.offset, next);
        assert.deepEqual(bytesOf(piece), bytes.subarray(piece.offset, piece.next));
        read.push(bytesOf(piece));
        ({ next } = piece);
      };
      for (const [offset, chunk] of chunksOf(bytes, sizes)) poll(offset + chunk.length, false);
      assert.ok(bytes.length - next <= 3, "only an unfinished character is left out");
      poll(bytes.length, true);
      assert.deepEqual([next, Buffer.concat(read)], [bytes.length, bytes]);
    }),
    { numRuns: RUNS },
  );
});

test("logs can be read from any offset; of a character that dropped bytes cut, the rest is left out as text", () => {
  fc.assert(
    fc.property(output, fc.nat(40), fc.nat(40), (bytes, from, dropped) => {
      const start = Math.min(dropped, bytes.length);
      const piece = logsOf(bytes, from, true, start);
      const first = Math.min(Math.max(from, start), bytes.length);
      assert.ok(piece.offset - first <= (first > from ? 3 : 0), `${piece.offset} after ${first}`);
      assert.deepEqual(bytesOf(piece), bytes.subarray(piece.offset, piece.next));
      assert.equal(piece.next, bytes.length);
    }),
    { numRuns: RUNS },
  );
  assert.deepEqual(logsOf(Buffer.from("€x"), 0, true, 1), {
    data: "x",
    encoding: "utf-8",
    offset: 3,
    next: 4,
  });
  assert.deepEqual(logsOf(Buffer.from("€x"), 1, true), {
    data: "gqx4",
    encoding: "base64",
    offset: 1,
    next: 4,
  });
});

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const created = await platform.call("POST", "/v1/capsules", { body: {}, key: platform.apiKey });
const capsule = `/v1/capsules/${String(created.body["id"] ?? created.body["sandbox_id"])}`;

test("a stream and the logs of a process report the same offsets, and both can be resumed at each of them", async () => {
  const body = { cmd: "cat", background: true, stdin: true, tag: "text" };
  await platform.call("POST", `${capsule}/exec`, { body, key: platform.apiKey });
  const chunks = ["6162e2", "82ac64", "65f09f", "988066ff67c3", "a9680ac3"].map((hex) =>
    Buffer.from(hex, "hex"),
  );
  for (const chunk of chunks) {
    const input = { data: chunk.toString("base64"), encoding: "base64" };
    await platform.call("POST", `${capsule}/processes/text/input`, { body: input, key: platform.apiKey });
  }
  const whole = decode(Buffer.concat(chunks));
  const size = Buffer.concat(chunks).length;
  const running = await logs(0);
  assert.equal(running.next, size - 1);
  await platform.call("POST", `${capsule}/processes/text/input`, {
    body: { close: true },
    key: platform.apiKey,
  });
  await eventually("the end", async () => (await logs(0)).next === size);
  const pieces = await stream(0);
  assert.equal(pieces.map(({ data }) => data).join(""), whole);
  for (const { offset } of pieces) {
    const rest = decode(Buffer.concat(chunks).subarray(offset));
    assert.equal((await stream(offset)).map(({ data }) => data).join(""), rest);
    assert.deepEqual(bytesOf(await logs(offset)), Buffer.concat(chunks).subarray(offset));
  }
  assert.deepEqual([pieces[0]?.offset, pieces.at(-1)?.next], [0, size]);
});

async function logs(from: number): Promise<LogPiece> {
  const { body } = await platform.call("GET", `${capsule}/processes/text/logs?from=${from}`, {
    key: platform.apiKey,
  });
  return body["stdout"] as LogPiece;
}

async function stream(from: number): Promise<readonly LogPiece[]> {
  const url = `${platform.url.replace("http", "ws")}${capsule}/processes/text/stream?from=${from}`;
  const socket = new WebSocket(url, { headers: { "x-api-key": platform.apiKey } });
  const pieces: LogPiece[] = [];
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as LogPiece & { readonly type: string };
    if (message.type === "stdout") pieces.push(message);
  });
  await once(socket, "close");
  return pieces;
}
