import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { downloadNpmPackage } from "../src/template-context/npm-downloads.ts";

const signal = AbortSignal.timeout(120_000);
const root = await mkdtemp("/tmp/wrenn-npm-");
const integrityOf = (bytes: Uint8Array): string =>
  `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
let archive: Buffer;
let asked = 0;

/* A registry with one package. What it says of its bytes is true; what the caller expects may differ. */
const registry = createServer((request, response) => {
  asked += 1;
  if (request.url?.endsWith(".tgz")) return void response.end(archive);
  if (request.url !== "/greeting") return void response.writeHead(404).end("{}");
  const { port } = registry.address() as AddressInfo;
  const dist = {
    tarball: `http://127.0.0.1:${port}/greeting/-/greeting-1.0.0.tgz`,
    integrity: integrityOf(archive),
  };
  const version = { name: "greeting", version: "1.0.0", dist };
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({ name: "greeting", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version } }),
  );
});

before(async () => {
  await mkdir(join(root, "package"));
  await writeFile(join(root, "package/package.json"), '{"name":"greeting","version":"1.0.0"}');
  await runCommand(["tar", "-czf", join(root, "greeting.tgz"), `--directory=${root}`, "package"]);
  archive = await readFile(join(root, "greeting.tgz"));
  registry.listen(0, "127.0.0.1");
  await once(registry, "listening");
  const { port } = registry.address() as AddressInfo;
  process.env["npm_config_registry"] = `http://127.0.0.1:${port}/`;
  process.env["npm_config_cache"] = join(root, "cache");
  process.env["npm_config_fetch_retries"] = "0";
});
after(async () => {
  registry.closeAllConnections();
  registry.close();
  await rm(root, { recursive: true, force: true });
});

test("a package comes from the host's registry, and is downloaded once", async () => {
  const wanted = { name: "greeting", version: "1.0.0", integrity: integrityOf(archive) };
  const path = await downloadNpmPackage(join(root, "kept"), wanted, signal);
  assert.deepEqual(await readFile(path), archive);
  const before = asked;
  assert.equal(await downloadNpmPackage(join(root, "kept"), wanted, signal), path);
  assert.equal(asked, before);
  await writeFile(path, "spoilt");
  assert.deepEqual(await readFile(await downloadNpmPackage(join(root, "kept"), wanted, signal)), archive);
});

test("a package with other bytes than expected is refused, and one that is missing is named; nothing is left", async () => {
  const directory = join(root, "refused");
  const other = { name: "greeting", version: "1.0.0", integrity: integrityOf(Buffer.from("other")) };
  await assert.rejects(downloadNpmPackage(directory, other, signal), {
    reason: "npm_package_unavailable",
    message: /greeting@1\.0\.0.*its bytes are not those/,
  });
  await assert.rejects(downloadNpmPackage(directory, { ...other, name: "absent" }, signal), {
    reason: "npm_package_unavailable",
    message: /absent@1\.0\.0/,
  });
  assert.deepEqual(await readdir(directory), []);
});
