import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader, encodeRenewal, encodeRequest } from "../src/zygote/zygote-frames.ts";

test("a request is its length, its id and its words, each with a zero byte", () => {
  const bytes = encodeRequest(258, ["a", "", "ü"]);
  assert.deepEqual(bytes, Buffer.from([6, 0, 0, 0, 2, 1, 0, 0, 0x61, 0, 0, 0xc3, 0xbc, 0]));
  assert.deepEqual(encodeRenewal(), Buffer.alloc(8));
});

test("what the zygote would refuse for its size is not sent", () => {
  assert.equal(encodeRequest(1, ["with\0zero"]), undefined);
  assert.equal(
    encodeRequest(
      1,
      Array.from({ length: 513 }, () => "a"),
    ),
    undefined,
  );
  assert.equal(encodeRequest(1, ["a".repeat(65_536)]), undefined);
  assert.equal(encodeRequest(1, ["a".repeat(65_535)])?.length, 65_544);
  assert.equal(
    encodeRequest(
      1,
      Array.from({ length: 512 }, () => "a"),
    )?.length,
    8 + 1024,
  );
});

test("answers are read however their bytes arrive, and one that is longer than any is an error", () => {
  const bytes = Buffer.from([2, 0, 0, 0, 7, 0, 0, 0, 0x68, 0x69, 0, 0, 0, 0, 8, 0, 0, 0]);
  const expected = [
    { id: 7, text: "hi" },
    { id: 8, text: "" },
  ];
  const reader = new AnswerReader();
  const single = [...bytes].flatMap((byte) => [...reader.read(Buffer.from([byte]))]);
  assert.deepEqual(single, expected);
  assert.deepEqual(new AnswerReader().read(bytes), expected);
  assert.throws(
    () => new AnswerReader().read(Buffer.from([1, 16, 0, 0, 1, 0, 0, 0])),
    /answer of 4097 bytes/,
  );
});
