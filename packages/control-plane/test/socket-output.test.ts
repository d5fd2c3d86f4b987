import assert from "node:assert/strict";
import { test } from "node:test";
import { SocketOutput } from "../src/processes/socket-output.ts";

/** Takes messages as a client does. */
function client() {
  const messages: unknown[] = [];
  return {
    messages,
    send: async (message: object) => void messages.push(JSON.parse(JSON.stringify(message))),
    sendText: async (utf8: Buffer) => void messages.push(JSON.parse(utf8.toString("utf8"))),
  };
}

/** Each value of a byte, at every place of a group of three. */
const everyByte = Uint8Array.from({ length: 3 * 257 }, (_, at) => at % 256);

test("bytes of every kind and length come as Base64, a view of larger memory too", async () => {
  const socket = client();
  const output = new SocketOutput(socket, { encoding: "base64", offsets: false });
  for (const length of [1, 2, 3, 255, everyByte.length - 1])
    await output.data("stdout", 0, everyByte.subarray(1, 1 + length));
  await output.data("stderr", 0, everyByte);
  const expected = [1, 2, 3, 255, everyByte.length - 1].map((length) => ({
    type: "stdout",
    data: Buffer.from(everyByte.slice(1, 1 + length)).toString("base64"),
  }));
  assert.deepEqual(socket.messages, [
    ...expected,
    { type: "stderr", data: Buffer.from(everyByte).toString("base64") },
  ]);
});

test("Base64 has the offsets of its bytes where they are asked for", async () => {
  const socket = client();
  const output = new SocketOutput(socket, { encoding: "base64", offsets: true });
  await output.data("stdout", 2 ** 52, everyByte.subarray(0, 5));
  assert.deepEqual(socket.messages, [
    { type: "stdout", data: "AAECAwQ=", offset: 2 ** 52, next: 2 ** 52 + 5 },
  ]);
});
