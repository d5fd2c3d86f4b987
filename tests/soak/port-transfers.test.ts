import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { copyServices, startService } from "../support/guest-services.ts";
import { watchGrowth } from "../support/resident-memory.ts";
import { ServerProcess } from "../support/server-process.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const BYTES = LONG ? 2 * 2 ** 30 : 64 << 20;
/** As for streams (stream-memory.test.ts): the short form ends before V8 has settled. */
const GROWTH_MIB = LONG ? 64 : 128;
const PORT = 8000;
const PIECE = 1 << 20;
const timeout = LONG ? 30 * 60_000 : 5 * 60_000;

let server: ServerProcess;
let id: string;
before(async () => {
  server = await ServerProcess.start();
  id = await server.api.capsule(undefined);
  await copyServices(server.api, id);
  await startService(server.api, id, { name: "transfer", port: PORT });
  // What the first transfer loads is not what a long one keeps.
  await download(8 * PIECE);
  await upload(8 * PIECE);
});
after(() => server?.close());

/** A request to the service by the name of its port. */
function ask(method: string, path: string, headers: Record<string, string | number> = {}): ClientRequest {
  const { hostname, port } = new URL(server.api.url);
  const host = `${PORT}-${id}.localhost`;
  return httpRequest({
    host: hostname,
    port,
    method,
    path,
    headers: { host, "x-api-key": server.api.apiKey, ...headers },
  });
}

async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  return response;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of response.setEncoding("utf8")) text += String(part);
  return text;
}

interface Transfer {
  readonly bytes: number;
  readonly here: string;
  readonly there: string;
}

async function download(size: number): Promise<Transfer> {
  const response = await answerTo(ask("GET", `/${size}`).end());
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const part of response) {
    hash.update(part as Buffer);
    bytes += (part as Buffer).length;
  }
  return {
    bytes,
    here: hash.digest("hex"),
    there: await textOf(await answerTo(ask("GET", "/digest").end())),
  };
}

async function upload(size: number): Promise<Transfer> {
  const request = ask("PUT", "/", { "content-length": size });
  const answer = answerTo(request);
  const hash = createHash("sha256");
  const block = randomBytes(PIECE);
  for (let bytes = 0; bytes < size; bytes += PIECE) {
    const piece = Buffer.from(block);
    piece.writeDoubleBE(bytes, 0);
    hash.update(piece);
    if (!request.write(piece)) await once(request, "drain");
  }
  request.end();
  return { bytes: size, here: hash.digest("hex"), there: await textOf(await answer) };
}

async function measured(t: TestContext, transfer: (size: number) => Promise<Transfer>): Promise<void> {
  const started = performance.now();
  const growthSoFar = await watchGrowth(server.pid);
  const { bytes, here, there } = await transfer(BYTES);
  const growth = growthSoFar();
  const seconds = (performance.now() - started) / 1000;
  t.diagnostic(`${(bytes / 1e6 / seconds).toFixed(0)} MB/s, the server grew by ${growth.toFixed(0)} MiB`);
  assert.equal(bytes, BYTES);
  assert.equal(here, there);
  assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
}

test(`a download of ${BYTES} bytes is exact, and does not grow the server`, { timeout }, (t) =>
  measured(t, download),
);

test(`an upload of ${BYTES} bytes is exact, and does not grow the server`, { timeout }, (t) =>
  measured(t, upload),
);
