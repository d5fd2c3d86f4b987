import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { silentLogger } from "@wrenn/core";
import { createArtifactStore } from "../../src/index.ts";

/** Builds one artifact in a process of its own: `builder-process.ts <store> <log> <crash|finish>`. */
const [directory = "", log = "", fate = ""] = process.argv.slice(2);
const store = createArtifactStore(directory, silentLogger);
await store.buildOnce(
  "kind",
  "key",
  async (building) => {
    await appendFile(log, "begin\n");
    await writeFile(join(building, "part"), "half");
    await delay(20);
    if (fate === "crash") process.kill(process.pid, "SIGKILL");
    await writeFile(join(building, "whole"), "content");
    await appendFile(log, "end\n");
  },
  AbortSignal.timeout(60_000),
);
