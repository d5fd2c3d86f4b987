import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

const readme = await readFile(join(projectRoot, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");

/** The two commands that everything here stands on: `up` is tested in tests/e2e/command-line, `test` is what runs this. */
const elsewhere = /^\.\/wrenn (up|test)\s*$/;

const server = await startTestServer();
after(() => server.close());
const id = await server.capsule(undefined);

test("the README has commands to try", () => assert.ok(blocks.length >= 4));

for (const block of blocks.filter((text) => !elsewhere.test(text))) {
  test(`README: ${block.trim().split("\n")[0]?.slice(0, 70)}`, async () => {
    const script = block.replaceAll("http://127.0.0.1:8080", server.server.url);
    const result = await tryCommand(["bash", "-e", "-c", script], {
      cwd: projectRoot,
      env: {
        ...(process.env as Record<string, string>),
        WRENN_DATA_DIR: server.dataDirectory,
        WRENN_URL: server.server.url,
        WRENN_API_KEY: server.server.apiKey,
        ID: id,
      },
    });
    const promised = Number(/exit (\d+)/.exec(block)?.[1] ?? 0);
    assert.equal(result.code, promised, `${result.stdout}\n${result.stderr}`);
    assert.doesNotMatch(result.stdout, /"error":/);
  });
}
