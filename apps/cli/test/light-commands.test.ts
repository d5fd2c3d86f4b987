import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { localServerFiles, tryCommand, writeLocalClient, writeServerRecord } from "@wrenn/system";

const projectRoot = join(import.meta.dirname, "../../..");
const home = await mkdtemp("/tmp/wrenn-light-");
const trace = join(home, "loaded");
/** Writes the URL of every module that a Node process loads. */
const recorder = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from "node:module";
import { appendFileSync } from "node:fs";
registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(trace)}, url + "\\n"); return next(url, context); } });
`)}`;
const SERVER_CODE =
  /\/(?:apps\/server|packages\/(?:control-plane|host-agent|vmm|database|network|edge|host-setup))\//;

/** Requests that reached the recorded server of this machine, which refuses all. */
const requests: string[] = [];
const server = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  response.writeHead(404, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { code: "not_found", message: "there is no such thing" } }));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const files = localServerFiles(home);
await writeServerRecord(files.serverRecord, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
await writeLocalClient(files.localClient, { apiKey: "key" });
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(home, { recursive: true, force: true });
});

/** Runs a command of the checkout. @returns the modules that it loaded. */
async function modulesOf(...args: readonly string[]): Promise<readonly string[]> {
  await rm(trace, { force: true });
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    XDG_CONFIG_HOME: home,
    WRENN_DATA_DIR: home,
    NODE_OPTIONS: `--import=${recorder}`,
    // Modules are told apart by the paths of their sources.
    WRENN_RUN_SOURCES: "1",
  };
  await tryCommand([join(projectRoot, "wrenn"), ...args], { env });
  return (await readFile(trace, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
}

test("commands for a running server load no code of the server", async () => {
  const commands: readonly (readonly [string, ...string[]])[] = [
    ["ps"],
    ["exec", "cl-1", "--", "true"],
    ["run", "--", "true"],
    ["shell", "cl-1"],
  ];
  for (const args of commands) {
    requests.length = 0;
    const modules = await modulesOf(...args);
    assert.ok(
      modules.some((url) => url.endsWith(`/apps/client/src/verbs/${args[0]}.ts`)),
      `${args[0]} was not loaded`,
    );
    assert.deepEqual(
      modules.filter((url) => SERVER_CODE.test(url)),
      [],
      args[0],
    );
    // Without a terminal, shell ends before it connects.
    if (args[0] !== "shell")
      assert.notEqual(requests.length, 0, `${args[0]} did not call the running server`);
  }
});

test("commands of operators load the server, so that the trace would show it", async () => {
  const modules = await modulesOf("db", "backup", join(home, "backup"));
  assert.ok(modules.some((url) => SERVER_CODE.test(url)));
});

test("help is printed without Node", async () => {
  assert.deepEqual(await modulesOf("--help"), []);
  assert.deepEqual(await modulesOf("exec", "--help"), []);
});
