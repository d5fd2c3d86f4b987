import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { tryCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

/* The examples of the guide for Python, by a client with the wire of the package, and with --long by the package itself. */

/** An example, and what it prints. */
const EXAMPLE = /```python\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g;
/** Debian's, which has the libraries of the client; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const isLong = process.env["WRENN_TEST_LONG"] === "1";

const text = await readFile(join(projectRoot, "docs/guides/python.md"), "utf8");
const examples = [...text.matchAll(EXAMPLE)].map(([, code = "", printed = ""]) => ({ code, printed }));
// As servers answer by default: these clients wait five seconds.
const server = await startTestServer({ config: { createAnswerMs: 3500 } });
after(() => server.close());
const folder = await mkdtemp("/tmp/wrenn-python-");
after(() => rm(folder, { recursive: true, force: true }));

/** They wait most of the time. */
const AT_ONCE = 3;

/** Runs every example with the module `wrenn` of one of the folders, and compares what it prints with the guide. */
async function runExamples(t: TestContext, python: string, folders: readonly string[]): Promise<void> {
  const env = {
    ...(process.env as Record<string, string>),
    PYTHONPATH: folders.join(":"),
    PYTHONDONTWRITEBYTECODE: "1",
    WRENN_BASE_URL: server.url.replace("127.0.0.1", "localhost"),
    WRENN_API_KEY: server.apiKey,
  };
  const all = examples.map(({ code, printed }, index) =>
    t.test(printed.trim().split("\n")[0] ?? "", async () => {
      const script = join(folder, `example-${index}.py`);
      await writeFile(script, code);
      const result = await tryCommand([python, script], { env, signal: AbortSignal.timeout(120_000) });
      assert.equal(result.code, 0, result.stderr);
      assert.equal(result.stdout, printed);
    }),
  );
  await Promise.all(all);
}

test("every Python example of the guide says what it prints", () => {
  assert.equal(examples.length, [...text.matchAll(/```python\n/g)].length);
  assert.ok(examples.length >= 8);
});

test("the examples of the guide for Python print what it says", { concurrency: AT_ONCE }, async (t) => {
  await runExamples(t, PYTHON, [join(projectRoot, "tests/support/python-client")]);
});

for (const version of ["0.1.2", "0.3.0"])
  test(
    `the examples of the guide print the same with version ${version} of the package`,
    { concurrency: AT_ONCE, skip: isLong ? false : "installs packages of PyPI; run with --long" },
    async (t) => {
      const target = join(folder, version);
      const pip = ["-m", "pip", "install", "-q", "--ignore-requires-python", "--target", target];
      const installed = await tryCommand(["python3", ...pip, `wrenn==${version}`], {
        signal: AbortSignal.timeout(180_000),
      });
      if (installed.code === 0) await runExamples(t, "python3", [target]);
      else t.skip(`the package cannot be installed here: ${installed.stderr.trim().split("\n").at(-1)}`);
    },
  );
