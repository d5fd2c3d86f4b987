import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { buildDashboard } from "../src/index.ts";

/* With a bundler that copies; the real one builds the real pages in tests/e2e/dashboard-first-minute.test.ts. */

const projectRoot = await mkdtemp("/tmp/wrenn-dashboard-build-");
after(() => rm(projectRoot, { recursive: true, force: true }));

async function write(path: string, content: string): Promise<void> {
  await mkdir(join(projectRoot, dirname(path)), { recursive: true });
  await writeFile(join(projectRoot, path), content);
}

const bundler = `
import { cpSync, readFileSync } from "node:fs";
if (readFileSync("src/page.html", "utf8") === "broken") {
  console.error("building\\nError: the page is broken\\n    at somewhere");
  process.exit(1);
}
cpSync("src/page.html", process.env.WRENN_DASHBOARD_OUT + "/index.html");
`;
await write(
  "apps/dashboard/bundler/package.json",
  `{ "name": "vite", "version": "1.0.0", "type": "module" }`,
);
await write("apps/dashboard/bundler/bin/vite.js", bundler);
await write(
  "apps/dashboard/package.json",
  `{ "name": "dashboard", "version": "1.0.0", "private": true, "devDependencies": { "vite": "file:bundler" } }`,
);
await write(
  "apps/dashboard/package-lock.json",
  `{ "name": "dashboard", "lockfileVersion": 3, "packages": {} }`,
);
await write("apps/dashboard/src/page.html", "first");
await write("packages/sdk/src/index.ts", "export {};");

const steps: string[] = [];
const build = async (): Promise<string> => {
  steps.length = 0;
  const folder = await buildDashboard({ projectRoot, progress: ({ step }) => steps.push(step) });
  return await readFile(join(folder, "index.html"), "utf8");
};

test("tools are installed and the dashboard is built once, until its sources or those of the SDK change", async () => {
  assert.equal(await build(), "first");
  assert.deepEqual(steps, ["installing the tools that build the dashboard", "building the dashboard"]);
  // The first install has completed the lock file of this test.
  await build();
  assert.equal(await build(), "first");
  assert.deepEqual(steps, []);
  await write("apps/dashboard/src/page.html", "second");
  assert.equal(await build(), "second");
  assert.deepEqual(steps, ["building the dashboard"]);
  await write("packages/sdk/src/index.ts", "export const changed = true;");
  assert.equal(await build(), "second");
  assert.deepEqual(steps, ["building the dashboard"]);
});

test("of any number at once one builds", async () => {
  await write("apps/dashboard/src/page.html", "third");
  const built = await Promise.all([build(), build(), build()]);
  assert.deepEqual(built, ["third", "third", "third"]);
  assert.deepEqual(steps, ["building the dashboard"]);
});

test("a build that fails says what the bundler said, and leaves the pages that were there", async () => {
  await write("apps/dashboard/src/page.html", "broken");
  await assert.rejects(build(), (error) => {
    assert.ok(WrennError.is(error, "command_failed"));
    assert.match(error.message, /Error: the page is broken/);
    return true;
  });
  const folder = join(projectRoot, "apps/dashboard/build");
  assert.equal(await readFile(join(folder, "index.html"), "utf8"), "third");
  await write("apps/dashboard/src/page.html", "mended");
  assert.equal(await build(), "mended");
});
