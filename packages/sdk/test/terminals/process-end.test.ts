import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { ScriptedTerminalServer } from "../support/scripted-terminal-server.ts";

const source = join(import.meta.dirname, "../../src");
const program = (url: string, end: string): string => `
  import "${source}/node/index.ts";
  import { Terminals } from "${source}/terminals/terminals.ts";
  import { connectionSettings } from "${source}/transport/connection.ts";
  import { HttpClient } from "${source}/transport/http.ts";
  const http = new HttpClient(connectionSettings({ url: "${url}", apiKey: "wrn_test", silenceMs: 200 }));
  const terminal = await new Terminals(http, "cl-1").start();
  await terminal.readable.getReader().read();
  process.stdout.write("started ");
  ${end}
  process.stdout.write("last ");
`;

/** Runs a script, and resolves with how long it ran after its last await. */
async function lingersMs(script: string, onStarted: () => void): Promise<number> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let lastAt = NaN;
  child.stdout.on("data", (data: Buffer) => {
    if (data.includes("started")) onStarted();
    if (data.includes("last")) lastAt = performance.now();
  });
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 0);
  return performance.now() - lastAt;
}

test("a script ends within a second after it detached, also from a server that is gone", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  const detach = program(server.url, "await terminal.detach();");
  assert.ok((await lingersMs(detach, () => undefined)) < 1000);
  const late = program(
    server.url,
    "await new Promise((resolve) => setTimeout(resolve, 300)); await terminal.detach();",
  );
  assert.ok((await lingersMs(late, () => server.halt())) < 1000);
});

test("a script ends with its terminal, after silent connections were replaced", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  server.pingMs = 100;
  const script = program(server.url, "console.log((await terminal.exited).exitCode);");
  const lingered = await lingersMs(script, () => {
    server.halt();
    setTimeout(() => server.exit(3), 800);
  });
  assert.ok(lingered < 1000 && server.connections.length > 1, `${lingered} ms`);
});
