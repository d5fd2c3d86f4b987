import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { runCommand } from "@wrenn/system";

/**
 * A registry with images of 200 MB in a process of its own: each tag is another image of the same layers. The files do not compress, so
 * that an image is as long on its way as it is on the disk. Prints its port when it is ready, and ends at SIGTERM.
 */
const LAYERS = 4;
const FILES = 500;
const FILE_BYTES = 100_000;
const TYPES = "application/vnd.oci.image";

interface Layer {
  readonly digest: string;
  readonly diffId: string;
  readonly path: string;
  readonly size: number;
}

const root = await mkdtemp(join(tmpdir(), "wrenn-bench-registry-"));
const layers: Layer[] = [];
for (let at = 0; at < LAYERS; at++) layers.push(await makeLayer(join(root, String(at)), `opt/${at}`));
const configs = new Map<string, Buffer>();

const server = createServer((request, response) => {
  const [, tag] = /\/manifests\/(\S+)$/.exec(request.url ?? "") ?? [];
  const [, digest = ""] = /\/blobs\/(\S+)$/.exec(request.url ?? "") ?? [];
  const layer = layers.find((one) => one.digest === digest);
  if (tag !== undefined) send(response, `${TYPES}.manifest.v1+json`, manifestOf(tag));
  else if (layer) {
    response.writeHead(200, { "content-length": layer.size });
    // A client that leaves breaks it off.
    pipeline(createReadStream(layer.path), response).catch(() => {});
  } else send(response, "application/octet-stream", configs.get(digest));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.once("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  void rm(root, { recursive: true });
});

function send(response: ServerResponse, type: string, body: Buffer | undefined): void {
  response.writeHead(body ? 200 : 404, { "content-type": type });
  response.end(body);
}

function manifestOf(tag: string): Buffer {
  const config = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      config: { Labels: { tag } },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  const digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
  configs.set(digest, config);
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${TYPES}.manifest.v1+json`,
      config: { mediaType: `${TYPES}.config.v1+json`, digest, size: config.length },
      layers: layers.map(({ digest, size }) => ({
        mediaType: `${TYPES}.layer.v1.tar+gzip`,
        digest,
        size,
      })),
    }),
  );
}

/** @param below - where its files are in the image. */
async function makeLayer(directory: string, below: string): Promise<Layer> {
  const tree = join(directory, "tree");
  await mkdir(join(tree, below), { recursive: true });
  for (let at = 0; at < FILES; at++) await writeFile(join(tree, below, String(at)), randomBytes(FILE_BYTES));
  const tar = join(directory, "layer.tar");
  const path = `${tar}.gz`;
  await runCommand(["tar", "--create", "--file", tar, "--directory", tree, "opt"]);
  await pipeline(createReadStream(tar), createGzip({ level: 1 }), createWriteStream(path));
  const layer = { diffId: await digestOf(tar), digest: await digestOf(path), path };
  for (const done of [tar, tree]) await rm(done, { recursive: true });
  return { ...layer, size: (await stat(path)).size };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest("hex")}`;
}
