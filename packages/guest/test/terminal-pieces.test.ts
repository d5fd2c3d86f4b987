import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const LINES = 4000;
const signal = AbortSignal.timeout(60_000);

test("many short lines of a program in a terminal arrive whole, and in few pieces", async (t) => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  // One write for each line, and time in between in which each could be read by itself.
  const script = `import os, time
for n in range(${LINES}):
  os.write(1, b"line %d of a program\\n" % n)
  time.sleep(0.0001)`;
  const terminal = { cols: 80, rows: 24 };
  const process = await link.processes.start(request("python3", ["-c", script], { terminal }), signal);
  const pieces: Uint8Array[] = [];
  for await (const event of process.output("oldest", signal))
    if (event.type === "data") pieces.push(event.bytes);
  const lines = Array.from({ length: LINES }, (_, n) => `line ${n} of a program\r\n`);
  assert.equal(Buffer.concat(pieces).toString(), lines.join(""));
  t.diagnostic(`${pieces.length} pieces`);
  assert.ok(pieces.length <= LINES / 2, `${pieces.length} pieces`);
  await link.detach();
});
