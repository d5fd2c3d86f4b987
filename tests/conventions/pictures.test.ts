import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { guidePictures, PICTURES } from "../screenshots/guide-pictures.ts";
import { scenes } from "../screenshots/scenes.ts";
import { listDocuments, projectRoot } from "../support/sources.ts";

const DASHBOARD = join(projectRoot, "apps/dashboard/src");
const KIB = 1024;
const LARGEST = 100 * KIB;
const LARGEST_TOGETHER = 1024 * KIB;
/** Says what a picture shows to those who do not see it. */
const SHORTEST_ALT = 20;

/** Pictures in documents: where, what instead of it, and which. */
async function shownPictures(): Promise<readonly (readonly [document: string, alt: string, path: string])[]> {
  const found: [string, string, string][] = [];
  for (const document of await listDocuments()) {
    const text = await readFile(join(projectRoot, document), "utf8");
    for (const [, alt = "", path = ""] of text.matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g))
      found.push([document, alt, join(dirname(document), path)]);
  }
  return found;
}

test("every picture in a document exists and has a text instead of it", async () => {
  const problems: string[] = [];
  for (const [document, alt, path] of await shownPictures()) {
    if (!(await stat(join(projectRoot, path)).catch(() => undefined)))
      problems.push(`${document}: no ${path}`);
    if (alt.length < SHORTEST_ALT) problems.push(`${document}: ${path} needs a longer text instead of it`);
  }
  assert.deepEqual(problems, []);
});

test("the pictures of the guide are those that the script takes, each is shown, and they are small", async () => {
  const files = guidePictures.map(({ file }) => file).sort();
  assert.deepEqual((await readdir(join(projectRoot, PICTURES))).sort(), files);
  const shown = new Set((await shownPictures()).map(([, , path]) => path));
  let together = 0;
  for (const file of files) {
    assert.ok(shown.has(join(PICTURES, file)), `${file} is shown`);
    const { size } = await stat(join(projectRoot, PICTURES, file));
    assert.ok(size <= LARGEST, `${file} has ${size} bytes`);
    together += size;
  }
  assert.ok(together <= LARGEST_TOGETHER, `they have ${together} bytes together`);
  const names = new Set(scenes.map(({ name }) => name));
  assert.equal(names.size, scenes.length, "each scene has a name of its own");
  for (const { scene } of guidePictures) assert.ok(names.has(scene), `there is a scene ${scene}`);
});

test("the script takes a picture of every page of the dashboard, and of every view of a capsule", async () => {
  const entries = await readdir(join(DASHBOARD, "routes"), { recursive: true });
  const pages = entries
    .filter((path) => path.endsWith("+page.svelte") || path.endsWith("+error.svelte"))
    .map((path) => (path.endsWith("+error.svelte") ? "+error" : dirname(path)))
    // These show nothing: they lead to the list, the log-in or the account.
    .filter((route) => route !== "." && route !== "(team)/dashboard/settings");
  assert.deepEqual([...new Set(scenes.map(({ route }) => route))].sort(), pages.sort());
  const views = await readFile(join(DASHBOARD, "lib/capsules/capsule-views.ts"), "utf8");
  const names = [...views.matchAll(/\{ name: "(\w*)", title: /g)].map(([, name = ""]) => name || "terminal");
  assert.ok(names.length > 0, "there are views");
  const missing = names.filter((name) => !scenes.some((scene) => scene.name === `capsule-${name}`));
  assert.deepEqual(missing, []);
});
