import assert from "node:assert/strict";
import { test } from "node:test";
import { Output } from "../src/output/output.ts";
import { OutputWriter } from "../src/streams/output-writer.ts";

function lab({ isTTY = false, isJson = false, isRaw = false }) {
  const written = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const stream = (name: keyof typeof written) => ({
    isTTY,
    write: (data: string | Uint8Array) => written[name].push(Buffer.from(data)) > 0,
  });
  const terminal = { stdout: stream("stdout"), stderr: stream("stderr") };
  const output = new Output({ ...terminal, isJson, env: {} });
  const writer = new OutputWriter({ output, terminal }, isRaw);
  const text = (name: keyof typeof written): string => Buffer.concat(written[name]).toString("latin1");
  return { writer, text };
}

const HOSTILE = Buffer.from("a\u001b[2J\n");
const BINARY = Buffer.from([0, 255, 10]);

test("a pipe gets the exact bytes of each stream, and a terminal with --raw does, too", () => {
  for (const options of [{}, { isTTY: true, isRaw: true }]) {
    const { writer, text } = lab(options);
    writer.write("stdout", BINARY);
    writer.write("stderr", HOSTILE);
    writer.end();
    assert.deepEqual([text("stdout"), text("stderr")], ["\0\u00FF\n", "a\u001b[2J\n"]);
  }
});

test("a terminal gets no controls of a program, wherever its output is cut", () => {
  const { writer, text } = lab({ isTTY: true });
  for (const byte of Buffer.from("é\u001b[2J\u009bm\r\n50%\r")) writer.write("stdout", Uint8Array.of(byte));
  writer.end();
  assert.equal(Buffer.from(text("stdout"), "latin1").toString(), "é\\x1b[2J\\x9bm\r\n50%\\x0d");
});

test("under --json each piece is a line, and so are gaps and the exit", () => {
  const { writer, text } = lab({ isJson: true });
  writer.dropped("stdout", 5);
  writer.dropped("stderr", 0);
  writer.write("stdout", Buffer.from("é"));
  writer.write("stderr", Buffer.from("é").subarray(0, 1));
  writer.exit({ exitCode: 137, signal: 9 });
  assert.deepEqual(
    text("stdout")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(Buffer.from(line, "latin1").toString()) as unknown),
    [
      { stream: "stdout", droppedBytes: 5 },
      { stream: "stdout", text: "é" },
      { stream: "stderr", text: "\ufffd" },
      { exit: { exitCode: 137, signal: 9 } },
    ],
  );
});
