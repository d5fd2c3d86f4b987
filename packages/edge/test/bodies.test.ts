import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import fc from "fast-check";
import { ask } from "./support/http-client.ts";
import { startService, startTestEdge } from "./support/test-edge.ts";

const LARGE = (process.env["WRENN_TEST_LONG"] === "1" ? 2048 : 64) << 20;

/** `size` bytes that are not all alike, in chunks of 64 KiB. */
function* bytes(size: number): Generator<Buffer> {
  const block = Buffer.alloc(64 << 10);
  for (let at = 0; at < block.length; at += 1) block[at] = (at * 31 + (at >> 8)) & 0xff;
  for (let left = size; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
}

function digestOf(size: number): string {
  const hash = createHash("sha256");
  for (const chunk of bytes(size)) hash.update(chunk);
  return hash.digest("hex");
}

test("large bodies pass both ways at once, unchanged and in bounded memory", async (t) => {
  const { port } = await startService(t, (incoming, response) => {
    const hash = createHash("sha256");
    incoming.on("data", (chunk: Buffer) => hash.update(chunk));
    incoming.on("end", () => response.setHeader("x-received", hash.digest("hex")));
    incoming.on("end", () => void pipeline(Readable.from(bytes(LARGE)), response));
  });
  const edge = await startTestEdge(t);
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  t.after(() => clearInterval(watch));
  const outgoing = request({
    port: edge.server.port,
    host: "127.0.0.1",
    method: "POST",
    agent: false,
    headers: { host: edge.host(port), "content-length": LARGE },
  });
  const answered = once(outgoing, "response");
  await pipeline(Readable.from(bytes(LARGE)), outgoing);
  const [incoming] = (await answered) as [IncomingMessage];
  const hash = createHash("sha256");
  for await (const chunk of incoming) hash.update(chunk as Buffer);
  assert.equal(incoming.headers["x-received"], digestOf(LARGE));
  assert.equal(hash.digest("hex"), digestOf(LARGE));
  assert.ok(peak - before < 192 << 20, `grew by ${(peak - before) >> 20} MiB`);
});

test("a client that does not read stops the service from sending", async (t) => {
  let sent = 0;
  const { port } = await startService(t, (_request, response) => {
    const more = (): void => {
      while (sent < LARGE) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536))) return;
      }
    };
    response.on("drain", more);
    more();
  });
  const edge = await startTestEdge(t);
  const outgoing = request({ port: edge.server.port, agent: false, headers: { host: edge.host(port) } });
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.pause();
  let before = -1;
  await eventually(
    "the service is held up",
    () => {
      const held = sent === before;
      before = sent;
      return held;
    },
    { intervalMs: 200 },
  );
  assert.ok(sent < 40 << 20, `${sent} bytes were taken from the service`);
  outgoing.destroy();
});

test("bodies in any chunks arrive as the same bytes", async (t) => {
  const { port } = await startService(t, (incoming, response) => {
    void pipeline(incoming, response);
  });
  const edge = await startTestEdge(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 90_000 }), { maxLength: 10 }),
      async (chunks) => {
        const outgoing = request({
          port: edge.server.port,
          agent: false,
          method: "PUT",
          headers: { host: edge.host(port) },
        });
        const answered = once(outgoing, "response");
        for (const chunk of chunks) outgoing.write(chunk);
        outgoing.end();
        const [incoming] = (await answered) as [IncomingMessage];
        const parts: Buffer[] = [];
        for await (const part of incoming) parts.push(part as Buffer);
        assert.ok(Buffer.concat(parts).equals(Buffer.concat(chunks)));
      },
    ),
    { numRuns: 40 },
  );
});

test("python's http.server works by name and by path, with its redirect of directories", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-edge-"));
  await mkdir(join(directory, "sub dir"));
  await writeFile(join(directory, "sub dir", "index.html"), "inside");
  const { port: free, server } = await startService(t, () => {});
  server.close();
  const python = spawn(
    "python3",
    ["-m", "http.server", String(free), "--bind", "127.0.0.1", "-d", directory],
    {
      stdio: "ignore",
    },
  );
  t.after(async () => {
    python.kill();
    await once(python, "exit");
    await rm(directory, { recursive: true, force: true });
  });
  const edge = await startTestEdge(t, { pathHost: "ports.wrenn.test", limits: { waitForPortMs: 20_000 } });
  const host = edge.host(free);
  const get = async (name: string, path: string) => ask({ port: edge.server.port, host: name, path });
  const byName = await get(host, "/sub%20dir");
  assert.equal(byName.status, 301);
  assert.equal(byName.headers.location, "/sub%20dir/");
  assert.equal((await get(host, "/sub%20dir/")).body, "inside");
  const prefix = `/proxy/${edge.capsuleId}/${free}`;
  const byPath = await get("ports.wrenn.test", `${prefix}/sub%20dir`);
  assert.equal(byPath.headers.location, `${prefix}/sub%20dir/`);
  assert.equal((await get("ports.wrenn.test", byPath.headers.location)).body, "inside");
});

test("curl reaches a service by the name of its port", async (t) => {
  const { port } = await startService(t, (incoming, response) => {
    void text(incoming).then((body) => response.end(`${incoming.method ?? ""} ${body.length}`));
  });
  const edge = await startTestEdge(t);
  const curl = spawn(
    "curl",
    [
      "-sS",
      "-H",
      `Host: ${edge.host(port)}`,
      "-H",
      "Expect: 100-continue",
      "--data-binary",
      "@-",
      `http://127.0.0.1:${edge.server.port}/`,
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  curl.stdin.end("x".repeat(2_000_000));
  assert.equal(await text(curl.stdout), "POST 2000000");
});
