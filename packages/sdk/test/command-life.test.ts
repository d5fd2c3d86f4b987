import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Commands } from "../src/commands/commands.ts";
import { connectionSettings } from "../src/transport/connection.ts";
import { HttpClient } from "../src/transport/http.ts";
import { frame, ScriptedCapsule } from "./support/scripted-capsule.ts";

const CALLS = 10_000;
/** Bytes that a call may leave on average: less than a listener, and more than the collector's noise. */
const LEFT_BYTES = 50;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** The heap in bytes, once what can be collected is. */
async function heap(): Promise<number> {
  for (let n = 0; n < 3; n++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return process.memoryUsage().heapUsed;
}

/** Answers as a server does, without a connection. */
const respond = (async (url: string, { body }: { readonly body?: string }) => {
  if (url.endsWith("/exec")) {
    const { wait_sec: waitSec } = JSON.parse(body ?? "") as { readonly wait_sec: number };
    const ended = { pid: 1, stdout: "x", stderr: "", encoding: "utf-8", exit_code: 0, duration_ms: 1 };
    return Response.json(waitSec === 0 ? { pid: 1 } : ended);
  }
  if (!url.includes("/output")) return new Response(null, { status: 204 });
  return new Response(Buffer.concat([frame("stdout", Buffer.from("x")), frame("exit", { exit_code: 0 })]));
}) as typeof fetch;

test(`${CALLS} commands with one signal leave no listener and no memory`, async () => {
  const http = new HttpClient(connectionSettings({ url: "http://localhost", apiKey: "k", fetch: respond }));
  const commands = new Commands(http, "cl-1");
  const { signal } = new AbortController();
  const calls = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 4) {
      await commands.run("x", { signal, timeoutMs: 60_000 });
      await commands.run("x", { signal, onStdout: () => undefined });
      const handle = await commands.run("x", { signal, background: true });
      await handle.wait({ signal });
      await commands.run("x", { signal, stdin: "y" });
    }
  };
  await calls(2000);
  const before = await heap();
  await calls(CALLS);
  const left = ((await heap()) - before) / CALLS;
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.ok(left < LEFT_BYTES, `${left.toFixed(0)} bytes a call`);
});

test("a script exits within a second after its last await, and not before", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("begun ");
    setTimeout(() => process.print("ended"), 300);
    setTimeout(() => process.end(), 310);
  });
  const source = join(import.meta.dirname, "../src");
  const script = `
    import { Commands } from ${JSON.stringify(join(source, "commands/commands.ts"))};
    import { connectionSettings } from ${JSON.stringify(join(source, "transport/connection.ts"))};
    import { HttpClient } from ${JSON.stringify(join(source, "transport/http.ts"))};
    const settings = connectionSettings({ url: ${JSON.stringify(capsule.url)}, apiKey: "key" });
    const commands = new Commands(new HttpClient(settings), "cl-1");
    const { stdout } = await commands.run("x", { timeoutMs: 60_000 });
    let seen = "";
    await commands.run("x", { onStdout: (text) => { seen += text; }, timeoutMs: 60_000 });
    const handle = await commands.run("x", { background: true, timeoutMs: 60_000 });
    for await (const { text } of handle) if (text.includes("begun")) break;
    const aborted = await commands.run("x", { signal: AbortSignal.timeout(100), stdin: "y" }).catch((e) => e.name);
    process.stdout.write(JSON.stringify([stdout, seen, aborted]));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  let printedAt = 0;
  child.stdout.on("data", (data: Buffer) => {
    printed += data.toString();
    printedAt = performance.now();
  });
  const [code] = (await once(child, "close")) as [number];
  assert.deepEqual([code, printed], [0, JSON.stringify(["begun ended", "begun ended", "TimeoutError"])]);
  assert.ok(performance.now() - printedAt < 1000, "exited late");
});
