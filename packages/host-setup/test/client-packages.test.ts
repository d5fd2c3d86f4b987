import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { packClients } from "../src/index.ts";

/* On a project whose bundler copies one file; npm is the real one. The real bundler is in tests/e2e/packed-client. */

const projectRoot = await mkdtemp("/tmp/wrenn-clients-");
after(() => rm(projectRoot, { recursive: true, force: true }));

const BUNDLER = `
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
if (readFileSync("src/main.ts", "utf8").includes("broken")) throw new Error("it does not parse");
const name = process.cwd().endsWith("client") ? "client" : "sdk";
const folder = name === "client" ? "build/package" : "build";
mkdirSync(folder, { recursive: true });
writeFileSync(folder + "/package.json", JSON.stringify({ name, version: "1.0.0" }));
copyFileSync("src/main.ts", folder + "/main.js");
`;
const files = {
  LICENSE: "",
  "tsconfig.json": "{}",
  "package-lock.json": "{}",
  "node_modules/tsdown/dist/run.mjs": BUNDLER,
  "apps/client/package.json": "{}",
  "apps/client/src/main.ts": "first",
  "packages/sdk/package.json": "{}",
  "packages/sdk/src/main.ts": "first",
};
const write = async (file: string, text: string): Promise<void> => {
  await mkdir(dirname(join(projectRoot, file)), { recursive: true });
  await writeFile(join(projectRoot, file), text);
};
for (const [file, text] of Object.entries(files)) await write(file, text);

/** @returns how often something was packed. */
async function pack(): Promise<number> {
  let steps = 0;
  await packClients({ projectRoot, progress: () => steps++ });
  return steps;
}

const folder = join(projectRoot, "apps/client/build/packages");
const contentOf = async (name: string): Promise<string> =>
  (await runCommand(["tar", "--extract", "--to-stdout", `--file=${join(folder, name)}`, "package/main.js"]))
    .stdout;

test("packages are made once, by one of several processes, and again when a source or the lock file changes", async () => {
  await Promise.all([pack(), pack()]);
  assert.deepEqual((await readdir(folder)).sort(), [".stamp", "wrenn-cli.tgz", "wrenn-sdk.tgz"]);
  assert.deepEqual([await contentOf("wrenn-cli.tgz"), await contentOf("wrenn-sdk.tgz")], ["first", "first"]);
  const bytes = await readFile(join(folder, "wrenn-cli.tgz"));
  assert.equal(await pack(), 0);
  await write("packages/sdk/src/main.ts", "second");
  assert.equal(await pack(), 1);
  assert.equal(await contentOf("wrenn-sdk.tgz"), "second");
  assert.deepEqual(
    await readFile(join(folder, "wrenn-cli.tgz")),
    bytes,
    "its bytes depend on its content only",
  );
  await write("package-lock.json", '{ "other": true }');
  assert.equal(await pack(), 1);
  await rm(join(folder, "wrenn-sdk.tgz"));
  assert.equal(await pack(), 1);
});

test("a bundler that fails is reported each time, until the source is mended", async () => {
  await write("apps/client/src/main.ts", "broken");
  for (let times = 0; times < 2; times++) await assert.rejects(pack(), /it does not parse/);
  await write("apps/client/src/main.ts", "mended");
  assert.equal(await pack(), 1);
  assert.equal(await contentOf("wrenn-cli.tgz"), "mended");
});
