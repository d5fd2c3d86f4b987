import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defined, silentLogger } from "@wrenn/core";
import { createLog, readConfig, startServer } from "@wrenn/server";
import { chosenAccelerator } from "./chosen-accelerator.ts";
import { writeHeldMemory } from "./held-memory.ts";

/**
 * A server as a process of its own that kills itself, as `kill -9` would, before the step that the file `crash-at` in its
 * data directory names ("pause:memory"). Prints its address and key when it is ready, and writes how much memory it holds at SIGUSR2
 * (see `heldMib`).
 */
const dataDirectory = process.argv[2] ?? "";
const createWait = process.env["WRENN_CREATE_WAIT"];
const server = await startServer({
  config: {
    dataDirectory,
    cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
    host: "127.0.0.1",
    port: 0,
    domain: "localhost",
    databaseUrl: undefined,
    accelerator: await chosenAccelerator(),
    createAnswerMs: createWait === undefined ? undefined : 1000 * Number(createWait),
    warmMachines: Number(process.env["WRENN_WARM_MACHINES"] ?? 0),
    parkedMachines: Number(process.env["WRENN_PARKED_MACHINES"] ?? 0),
    ...defined({ registries: readConfig(process.env, "127.0.0.1:0").registries }),
    packAfterSec: Number(process.env["WRENN_PACK_AFTER_SEC"] ?? 0),
  },
  logger: process.env["WRENN_TEST_LOG"] === undefined ? silentLogger : createLog("text", "warn"),
  progress: () => {},
  signal: new AbortController().signal,
  onStep: async (_capsule, operation, step) => {
    const armed = await readFile(join(dataDirectory, "crash-at"), "utf8").catch(() => "");
    if (armed.trim() === `${operation}:${step}`) process.kill(process.pid, "SIGKILL");
  },
});
process.on("SIGUSR2", () => writeHeldMemory(dataDirectory));
process.once("SIGTERM", () => {
  void server.close("destroy").then(() => process.exit(0));
});
process.stdout.write(`${JSON.stringify({ url: server.url, apiKey: server.apiKey })}\n`);
