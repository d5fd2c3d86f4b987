import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { reservePort } from "@wrenn/system";
import { PackageIndex } from "../src/package-index.ts";

const signal = AbortSignal.timeout(120_000);
const root = await mkdtemp("/tmp/wrenn-index-");
after(() => rm(root, { recursive: true, force: true }));
const mirror = join(root, "mirror");
await mkdir(mirror);
const sources = [`deb [trusted=yes] copy:${mirror} ./`];
const options = { directory: join(root, "apt"), suite: "bookworm", sources };

const entry = (name: string, version: string, depends?: string): string =>
  [
    `Package: ${name}`,
    `Version: ${version}`,
    "Architecture: amd64",
    "Maintainer: Test <test@example.org>",
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    `Filename: ./${name}.deb`,
    "Size: 1",
    `SHA256: ${"0".repeat(64)}`,
    "Description: a package",
    "",
  ].join("\n");

/** What a mirror offers; nothing of it is downloaded. */
async function offer(...entries: readonly string[]): Promise<void> {
  await writeFile(join(mirror, "Packages"), entries.join("\n"));
}

const status = [entry("app", "1.0-1", "libold"), entry("libold", "1.0-1")]
  .map((text) => text.replace("Version:", "Status: install ok installed\nVersion:"))
  .join("\n");
const kernel = [
  entry("linux-image-cloud-amd64", "6.1.2-1", "linux-image-6.1.0-2-cloud-amd64"),
  entry("linux-image-6.1.0-2-cloud-amd64", "6.1.2-1"),
];

test("an image that has today's packages gains nothing, and one that has not, what apt would install", async () => {
  await offer(entry("app", "1.0-1", "libold"), entry("libold", "1.0-1"), ...kernel);
  const index = await PackageIndex.fetch(options, signal);
  assert.deepEqual(await index.upgrades(status, signal), []);
  assert.equal(await index.kernelVersion(signal), "6.1.2-1");

  await offer(
    entry("app", "1.1-1", "libold, libnew (>= 2)"),
    entry("libold", "1.0-1"),
    entry("libnew", "2.0-1"),
    ...kernel,
  );
  const later = await PackageIndex.fetch(options, signal);
  assert.deepEqual(await later.upgrades(status, signal), [
    { name: "app", before: "1.0-1", after: "1.1-1" },
    { name: "libnew", after: "2.0-1" },
  ]);
});

test("sources without a kernel for guests are reported", async () => {
  await offer(entry("app", "1.0-1"));
  const index = await PackageIndex.fetch(options, signal);
  await assert.rejects(index.kernelVersion(signal), { reason: "dependency_missing" });
});

test("a mirror that does not answer is an error that says which, and no empty list", async () => {
  const port = await reservePort(systemRandom);
  const dead = [`deb [trusted=yes] http://127.0.0.1:${port}/debian bookworm main`];
  await assert.rejects(
    PackageIndex.fetch({ ...options, directory: join(root, "apt-dead"), sources: dead }, signal),
    { reason: "package_index_unavailable", message: /127\.0\.0\.1/ },
  );
});
