import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeServerRecord } from "@wrenn/system";
import { readMetrics } from "../src/client/read-metrics.ts";

test("metrics come from the server that is recorded, with the token of its directory", async () => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-metrics-"));
  const files = {
    serverRecord: join(directory, "server.json"),
    metricsToken: join(directory, "metrics-token"),
  };
  const server = createServer((request, response) => {
    const isRight = request.url === "/metrics" && request.headers.authorization === "Bearer 00ff";
    response.writeHead(isRight ? 200 : 404).end("wrenn_info 1\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { signal } = new AbortController();
  try {
    assert.equal(await readMetrics(files, signal), undefined);
    await writeServerRecord(files.serverRecord, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await assert.rejects(readMetrics(files, signal), /answers 404/);
    await writeFile(files.metricsToken, "00ff\n");
    assert.equal(await readMetrics(files, signal), "wrenn_info 1\n");
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  }
});
