import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { build } from "vite";
import { differenceOf, listExamples, moduleOf } from "../support/documented-code.ts";
import type { Example } from "../support/documented-code.ts";
import { installRuntimes } from "../support/runtimes.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import { openProject } from "../support/typescript-project.ts";

const LIMIT_MS = 60_000;
const examples = (await listExamples()).map((example, index) => ({
  ...example,
  file: `example-${index}.ts`,
}));
const isComment = (document: string): boolean => document.endsWith(".ts");
const groups = [
  ["comments of the SDK", isComment],
  ["documents", (document: string) => !isComment(document)],
] as const;
const server = await startTestServer();
const folder = await mkdtemp("/tmp/wrenn-examples-");
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});
await mkdir(join(folder, "node_modules/@wrenn"), { recursive: true });
await symlink(join(projectRoot, "packages/sdk"), join(folder, "node_modules/@wrenn/sdk"));
for (const name of ["undici", "e2b"])
  await symlink(join(projectRoot, "node_modules", name), join(folder, "node_modules", name));
await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
for (const example of examples)
  await writeFile(
    join(folder, example.file),
    moduleOf(example).replaceAll("http://localhost:8080", server.url),
  );

/** What a project with a compiler of the 5.x line sets. */
const compilerOptions = {
  target: "es2022",
  lib: ["es2022", "dom", "dom.iterable", "dom.asynciterable", "esnext.disposable"],
  types: ["node"],
  module: "esnext",
  moduleResolution: "bundler",
  moduleDetection: "force",
  paths: { "@wrenn/sdk": ["./packages/sdk/src/index.ts"] },
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  noEmit: true,
};

test("every example in TypeScript has the types that it uses", () => {
  const config = join(projectRoot, "tsconfig.examples.json");
  const pathOf = (file: string): string => join(projectRoot, "tests/docs/examples", file);
  const files = new Map(examples.map((example) => [pathOf(example.file), moduleOf(example)]));
  const settings = { compilerOptions, files: [...files.keys()] };
  using opened = openProject(config, new Map([...files, [config, JSON.stringify(settings)]]));
  const { program } = opened.project;
  const problems = examples.flatMap((example) =>
    [
      ...program.getSyntacticDiagnostics(pathOf(example.file)),
      ...program.getSemanticDiagnostics(pathOf(example.file)),
    ].map(({ text, pos }) => {
      const line = moduleOf(example).slice(0, pos).split("\n").at(-1) ?? "";
      return `${example.document}: ${line}${moduleOf(example).slice(pos).split("\n", 1)[0] ?? ""}: ${text}`;
    }),
  );
  assert.ok(examples.length > 0, "there are examples");
  assert.deepEqual(problems, []);
});

// Each group has a capsule, in which its examples run one after the other.
describe("examples in TypeScript print what they say", { concurrency: 3 }, () => {
  for (const [title, isIn] of groups)
    test(title, async (t) => {
      const capsule = await server.capsule(t);
      for (const example of examples.filter(({ document }) => isIn(document)))
        await t.test(titleOf(example), () => run(example, example.file, capsule));
    });

  test("examples with `await using` work when they are compiled for Node.js 20", async (t) => {
    const capsule = await server.capsule(t);
    const owning = examples.filter(({ code }) => code.includes("await using"));
    assert.ok(owning.length > 0, "there are such examples");
    await build({
      configFile: false,
      logLevel: "warn",
      root: folder,
      ssr: { noExternal: true, external: ["undici"] },
      build: {
        ssr: true,
        target: "node20",
        outDir: "compiled",
        rollupOptions: {
          input: owning.map(({ file }) => join(folder, file)),
          output: { entryFileNames: "[name].mjs" },
        },
      },
    });
    for (const example of owning) {
      const file = `compiled/${example.file.replace(/\.ts$/, ".mjs")}`;
      assert.doesNotMatch(await readFile(join(folder, file), "utf8"), /await using /);
      // What the compiler adds is the same in all of them.
      if (example === owning[0]) await run(example, file, capsule, (await installRuntimes()).node20);
    }
  });
});

test("what an example prints is compared line by line", () => {
  assert.equal(differenceOf(["a", "b…d"], "a\nbccd\n"), undefined);
  assert.match(differenceOf(["a"], "a\nb") ?? "", /it prints:\na\nb/);
  assert.ok(differenceOf(["a+"], "aa") !== undefined);
});

async function run(
  example: Example,
  file: string,
  capsule: string,
  node: string = process.execPath,
): Promise<void> {
  // A module of a Worker only exports what handles requests.
  const handler = `const { default: worker } = await import(${JSON.stringify(join(folder, file))});
const answer = await worker.fetch(new Request("http://worker.example/"), process.env);
console.log((await answer.text()).trimEnd());`;
  const isWorker = example.code.includes("export default");
  const result = await tryCommand(
    [node, ...(isWorker ? ["--input-type=module", "--eval", handler] : [join(folder, file)])],
    {
      cwd: folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        WRENN_URL: server.url,
        WRENN_API_KEY: server.apiKey,
        WRENN_CAPSULE: capsule,
        E2B_API_KEY: server.apiKey,
        E2B_API_URL: server.url,
        E2B_SANDBOX_URL: server.url,
        // The types of the SDK's sources are stripped once.
        NODE_COMPILE_CACHE: join(folder, "cache"),
      },
      signal: AbortSignal.timeout(LIMIT_MS),
    },
  );
  assert.equal(result.code, 0, `${example.code}\n${result.stdout}\n${result.stderr}`);
  if (example.prints) assert.equal(differenceOf(example.prints, result.stdout), undefined);
}

function titleOf({ document, code }: Example): string {
  const first = code.split("\n").find((line) => line !== "" && !line.startsWith("import "));
  return `${document}: ${first?.slice(0, 80) ?? ""}`;
}
