import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { HeadingAnchors } from "../support/heading-anchors.ts";
import { listDocuments, listSources, projectRoot } from "../support/sources.ts";

/** A page of this repository that a comment or text cites, and its heading. */
const CITED = /\b((?:docs\/[\w/.-]+|[A-Z]+)\.md)(?:#([\w-]+))?/g;
/** A link of a Markdown page to another page, or to a heading. */
const LINK = /\]\(([^)#:\s]*)#([^)\s]+)\)/g;
/** Numbered sections of texts that are not in this repository. */
const OUTSIDE = /\bcontract \(?\d\d\b|\bF[-‑]\d\d\b|\barchitecture (?:D|§)\d/gi;

const documents = await listDocuments();
const sources = [
  ...(await listSources(["packages", "apps", "native", "tests", "images"])),
  ...(await listPython("tests")),
];
const headings = new Map<string, ReadonlySet<string>>();
for (const document of documents) headings.set(document, headingsOf(await read(document)));

test("every citation of a page names a page and a heading that exist", async () => {
  const problems: string[] = [];
  for (const source of sources)
    for (const [whole, page = "", heading] of (await read(source)).matchAll(CITED)) {
      const known = headings.get(page);
      if (!known || (heading !== undefined && !known.has(heading))) problems.push(`${source}: ${whole}`);
    }
  assert.deepEqual(problems, []);
});

test("every link to a heading of a document leads to one", async () => {
  const problems: string[] = [];
  for (const document of documents)
    for (const [, target = "", heading = ""] of (await read(document)).matchAll(LINK)) {
      const page = target === "" ? document : join(dirname(document), target);
      if (page.endsWith(".md") && !headings.get(page)?.has(heading))
        problems.push(`${document}: ${target}#${heading}`);
    }
  assert.deepEqual(problems, []);
});

test("nothing cites a numbered section of a text outside the repository", async () => {
  const problems: string[] = [];
  for (const file of [...sources, ...documents])
    for (const [whole] of (await read(file)).matchAll(OUTSIDE)) problems.push(`${file}: ${whole}`);
  assert.deepEqual(problems, []);
});

function headingsOf(text: string): ReadonlySet<string> {
  const outsideCode = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  const anchors = new HeadingAnchors();
  return new Set(
    [...outsideCode.matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = ""]) => anchors.next(heading)),
  );
}

async function read(path: string): Promise<string> {
  return await readFile(join(projectRoot, path), "utf8");
}

async function listPython(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(projectRoot, folder), { recursive: true });
  return entries
    .filter((entry) => entry.endsWith(".py") && !entry.includes("node_modules"))
    .map((entry) => `${folder}/${entry}`);
}
