import { createHash } from "node:crypto";
import { Files } from "../../packages/sdk/src/files/files.ts";
import { connectionSettings } from "../../packages/sdk/src/transport/connection.ts";
import { HttpClient } from "../../packages/sdk/src/transport/http.ts";

/*
 * Moves a file to a capsule and back by the SDK, each way that streams, and prints what it moved and how far its memory grew:
 * `node sdk-transfer-process.ts CAPSULE PATH BYTES`, with WRENN_URL and WRENN_API_KEY.
 */

const [capsule = "", path = "", bytes = ""] = process.argv.slice(2);
const size = Number(bytes);
const files = new Files(new HttpClient(connectionSettings({})), capsule);
const PIECE = 256 << 10;

/** Bytes that differ from piece to piece. */
async function* content(offset = 0): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < size;) {
    const piece = Buffer.alloc(Math.min(PIECE, size - at), at % 251);
    at += piece.length;
    yield piece;
  }
}

/** MiB of this process: the heap, and buffers outside of it. */
function memoryMib(): number {
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

/** The most that is in use at one time; what waits for the collector does not count. */
async function measured(
  work: () => Promise<unknown>,
): Promise<{ readonly ms: number; readonly growthMib: number }> {
  globalThis.gc?.();
  const beforeMib = memoryMib();
  let peakMib = beforeMib;
  const timer = setInterval(() => {
    globalThis.gc?.();
    peakMib = Math.max(peakMib, memoryMib());
  }, 100);
  const begun = performance.now();
  await work();
  clearInterval(timer);
  return { ms: Math.round(performance.now() - begun), growthMib: Math.round(peakMib - beforeMib) };
}

const sent = createHash("sha256");
for await (const piece of content()) sent.update(piece);
const received = createHash("sha256");
const written = await measured(() => files.write(path, () => content(Math.floor((size * 2) / 3))));
const uploaded = await measured(() => files.upload(path, content(), { size }));
const downloaded = await measured(async () => {
  for await (const chunk of await files.download(path)) received.update(chunk);
});
process.stdout.write(
  `${JSON.stringify({ written, uploaded, downloaded, sent: sent.digest("hex"), received: received.digest("hex") })}\n`,
);
