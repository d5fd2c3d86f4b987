import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ClientHelloReader, MAX_HELLO_BYTES } from "../src/client-hello.ts";
import type { HelloResult } from "../src/client-hello.ts";
import { clientHelloOf } from "./support/client-hello-of.ts";

const hello = await clientHelloOf("www.example.com");

/** What comes of bytes that come in pieces of at most `size`. */
function readClientHello(bytes: Buffer, size = bytes.length): HelloResult {
  const reader = new ClientHelloReader();
  let result: HelloResult = { state: "incomplete" };
  for (let at = 0; at < bytes.length && result.state === "incomplete"; at += size)
    result = reader.push(bytes.subarray(at, at + size));
  return result;
}

/** The same handshake message in records of at most `size` bytes. */
function inRecords(size: number): Buffer {
  const message = hello.subarray(5, 5 + hello.readUInt16BE(3));
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

test("the server name of a real client is read", () => {
  assert.deepEqual(readClientHello(hello), { state: "complete", serverName: "www.example.com" });
});

test("a client that names no server has none", async () => {
  assert.deepEqual(readClientHello(await clientHelloOf(undefined)), {
    state: "complete",
    serverName: undefined,
  });
});

test("the name does not depend on how the hello is cut into records, and bytes after it do not matter", () => {
  for (const size of [1, 7, 64, 512])
    assert.deepEqual(readClientHello(Buffer.concat([inRecords(size), Buffer.from("early data")])), {
      state: "complete",
      serverName: "www.example.com",
    });
});

test("the name does not depend on the pieces that the hello comes in", () => {
  for (const bytes of [hello, inRecords(1), inRecords(100)])
    for (const size of [1, 3, 64, 1000])
      assert.deepEqual(readClientHello(bytes, size), { state: "complete", serverName: "www.example.com" });
});

test("a long hello in the smallest records and many pieces costs hardly any processor time, empty records are refused", () => {
  const bytes = Buffer.alloc(MAX_HELLO_BYTES - (MAX_HELLO_BYTES % 6));
  const start = [1, 0, 255, 255];
  for (let at = 0, n = 0; at + 6 <= bytes.length; at += 6, n += 1)
    bytes.set([22, 3, 1, 0, 1, start[n] ?? 0], at);
  const cost = (): number => {
    const before = process.cpuUsage();
    assert.equal(readClientHello(bytes, 256).state, "incomplete");
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  for (let n = 0; n < 5; n += 1) cost();
  const best = Math.min(...Array.from({ length: 5 }, cost));
  assert.ok(best < 5, `${best} ms`);
  assert.deepEqual(readClientHello(Buffer.from([22, 3, 1, 0, 0, 22, 3, 1, 0, 0])), {
    state: "invalid",
    problem: "a record is empty",
  });
});

test("every prefix of a hello is incomplete", () => {
  for (const whole of [hello, inRecords(10)])
    for (let length = 0; length < whole.length; length += 1)
      assert.equal(readClientHello(whole.subarray(0, length)).state, "incomplete", `${length}`);
});

test("what is not TLS is refused at its first byte, and endless hellos at their limit", () => {
  assert.equal(readClientHello(Buffer.from("GET / HTTP/1.1\r\n")).state, "invalid");
  assert.equal(readClientHello(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])).state, "invalid", "a ServerHello");
  const endless = Buffer.alloc(MAX_HELLO_BYTES);
  for (let at = 0; at + 5 + 100 <= endless.length; at += 105) endless.set([22, 3, 1, 0, 100], at);
  endless.set([1, 255, 255, 255], 5);
  assert.equal(readClientHello(endless).state, "invalid");
});

test("names with other bytes than those of a host name are refused", () => {
  const forged = Buffer.from(hello);
  forged.write("www\0example.com", hello.indexOf("www.example.com"), "latin1");
  assert.equal(readClientHello(forged).state, "invalid");
});

test("no bytes make the parser throw, and a changed hello never gives a name that is none", () => {
  const check = (bytes: Buffer): void => {
    const result = readClientHello(bytes);
    if (result.state === "complete") assert.match(result.serverName ?? "x", /^[a-z0-9_.-]{1,255}$/);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => check(Buffer.from(bytes))));
  const at = fc.nat({ max: hello.length - 1 });
  fc.assert(
    fc.property(fc.array(fc.tuple(at, fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Buffer.from(hello);
      for (const [offset, value] of changes) bytes[offset] = value;
      check(bytes);
    }),
    { numRuns: 2000 },
  );
});
