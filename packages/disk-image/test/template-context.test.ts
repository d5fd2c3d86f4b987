import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  listDefinitions,
  makeContext,
  PackageDownloads,
  PackageIndex,
  readDefinition,
  resolveTemplate,
} from "@wrenn/disk-image";
import type { TemplateInputs } from "@wrenn/disk-image";
import { makeMirror } from "./support/package-mirror.ts";

const signal = AbortSignal.timeout(120_000);
const root = await mkdtemp("/tmp/wrenn-context-");
after(() => rm(root, { recursive: true, force: true }));
const mirror = join(root, "mirror");
const definitions = join(root, "images");
const status =
  "Package: libold\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: all\nMaintainer: t\nDescription: t\n";

await mkdir(join(definitions, "tiny"), { recursive: true });
await mkdir(join(definitions, "no-definition"));
await writeFile(
  join(definitions, "package-sets.json"),
  JSON.stringify({ first: { packages: ["app"] }, second: { packages: ["tool"] }, none: {} }),
);
await writeFile(
  join(definitions, "tiny/template.json"),
  JSON.stringify({
    description: "a test",
    vcpus: 1,
    memoryMib: 256,
    sets: ["first", "second", "none"],
    files: { service: "../../service" },
  }),
);
await mkdir(join(root, "service/parts"), { recursive: true });
await writeFile(join(root, "service/parts/main"), "one");
await mkdir(join(root, "service/parts/__pycache__"));
await writeFile(join(definitions, "tiny/Wrennfile"), "FROM minimal\n");

/** What the template is made of with these versions of a library that the image lacks. */
async function resolved(
  libnew: string,
  image = "image",
): Promise<{ readonly template: TemplateInputs; readonly downloads: PackageDownloads }> {
  const source = await makeMirror(mirror, [
    { name: "app", version: "1:2.0-1", depends: "libold, libnew" },
    { name: "tool", version: "3.0-1", depends: "libnew" },
    { name: "libnew", version: libnew },
    { name: "libold", version: "1.0-1" },
  ]);
  const directory = join(root, "apt");
  const index = await PackageIndex.fetch({ directory, suite: "bookworm", sources: [source] }, signal);
  const downloads = new PackageDownloads({ index, directory, status });
  const definition = await readDefinition(definitions, "tiny");
  return { template: await resolveTemplate(definition, { downloads, image }, signal), downloads };
}

const filesOf = ({ sets }: TemplateInputs): readonly (readonly string[])[] =>
  sets.map(({ debs }) => debs.map(({ file }) => file).sort());

test("a set brings what the image and the sets before it lack, and nothing else", async () => {
  const { template } = await resolved("1.5-1");
  assert.deepEqual(filesOf(template), [
    ["app_1%3a2.0-1_all.deb", "libnew_1.5-1_all.deb"],
    ["tool_3.0-1_all.deb"],
    [],
  ]);
});

test("the inputs of a template change with the versions of its packages, and with its image", async () => {
  const { inputs } = (await resolved("1.5-1")).template;
  assert.equal((await resolved("1.5-1")).template.inputs, inputs);
  assert.notEqual((await resolved("1.6-1")).template.inputs, inputs);
  assert.notEqual((await resolved("1.5-1", "other")).template.inputs, inputs);
});

test("the inputs of a template change with the files that its recipe copies, not with what their programs left", async () => {
  const main = join(root, "service/parts/main");
  const { inputs } = (await resolved("1.5-1")).template;
  await writeFile(join(root, "service/parts/__pycache__/main.pyc"), "compiled");
  assert.equal((await resolved("1.5-1")).template.inputs, inputs);
  await writeFile(main, "two");
  assert.notEqual((await resolved("1.5-1")).template.inputs, inputs);
  await writeFile(main, "one");
});

test("a context has a repository for each set, in which an epoch is no part of a name", async () => {
  const { template, downloads } = await resolved("1.5-1");
  const directory = join(root, "context");
  const options = { downloads, npmDirectory: join(root, "npm"), directory, progress: () => undefined };
  await makeContext(template, options, signal);
  assert.deepEqual((await readdir(directory)).sort(), ["Wrennfile", "first", "none", "second", "service"]);
  assert.deepEqual(await readdir(join(directory, "service"), { recursive: true }), ["parts", "parts/main"]);
  assert.deepEqual((await readdir(join(directory, "first"))).sort(), [
    "Packages",
    "app.deb",
    "install",
    "libnew.deb",
    "names",
  ]);
  assert.equal(await readFile(join(directory, "first/names"), "utf8"), "app\n");
  assert.equal(await readFile(join(directory, "none/names"), "utf8"), "");
  assert.equal((await stat(join(directory, "first/install"))).mode & 0o777, 0o755);
  const index = await readFile(join(directory, "first/Packages"), "utf8");
  assert.match(
    index,
    /^Package: app\n[^]*Version: 1:2\.0-1\n[^]*Filename: \.\/app\.deb\nSize: \d+\nSHA256: [0-9a-f]{64}$/m,
  );
});

test("a package that no source has is reported by its name", async () => {
  await resolved("1.5-1");
  const directory = join(root, "apt");
  const index = await PackageIndex.fetch(
    { directory, suite: "bookworm", sources: [`deb [trusted=yes] copy:${mirror} ./`] },
    signal,
  );
  const downloads = new PackageDownloads({ index, directory, status });
  await assert.rejects(downloads.missing(["nothing-of-this-name"], signal), {
    reason: "package_index_unavailable",
    message: /nothing-of-this-name/,
  });
});

test("templates are those of directories with a definition", async () => {
  assert.deepEqual(await listDefinitions(definitions), ["tiny"]);
  await assert.rejects(readDefinition(definitions, "no-definition"), {
    reason: "built_in_unknown",
    message: /no-definition/,
  });
});
