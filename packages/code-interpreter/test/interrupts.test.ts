import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Sandbox } from "@e2b/code-interpreter";
import { clientAt, missingPython, printedIn, Requests, startInterpreter } from "./support/index.ts";
import type { Interpreter } from "./support/index.ts";

/* What becomes of cells whose clients are gone, on this machine: without a capsule. Skipped where it has no kernel of Python. */

const skip = (await missingPython()) ?? false;
let interpreter: Interpreter;
let client: Sandbox;
let requests: Requests;

before(async () => {
  if (skip !== false) return;
  interpreter = await startInterpreter();
  client = clientAt(interpreter.url);
  requests = new Requests(interpreter.url);
});
after(async () => await interpreter?.[Symbol.asyncDispose]());

suite("interrupts of the code-interpreter service", { concurrency: true, timeout: 120_000 }, () => {
  for (const [language, show, cellsWithoutEnd] of [
    [
      "python",
      "print(kept)",
      [
        "kept = 1\nprint('on', flush=True)\nwhile True: pass",
        "import asyncio; kept = 2\nprint('on')\nawait asyncio.sleep(60)",
        "kept = 3\nprint('on')\n!sleep 60",
      ],
    ],
    [
      "javascript",
      "console.log(kept)",
      [
        "let kept = 1; console.log('on'); while (true);",
        "let kept = 2; console.log('on'); while (true) await null;",
        "let kept = 3; console.log('on'); await new Promise(() => {})",
        "let kept = 4; console.log('on'); require('node:child_process').execSync('sleep 60')",
      ],
    ],
    [
      "bash",
      "echo $kept",
      [
        "kept=1; echo on; while :; do :; done",
        "kept=2; echo on; sleep 60 | cat",
        "kept=3; echo on; read < <(sleep 60)",
      ],
    ],
  ] as const)
    test(
      `a closed request ends its cell within two seconds, and the state is kept: ${language}`,
      { skip },
      async () => {
        const { id } = await client.createCodeContext({ language });
        for (const [at, code] of cellsWithoutEnd.entries()) {
          await requests.abortOnOutput({ code, context_id: id });
          const abortedAt = performance.now();
          const lines = await requests.execute({ code: show, context_id: id });
          const tookMs = performance.now() - abortedAt;
          const shown = printedIn(lines);
          assert.equal(shown, `${at + 1}\n`, `${code}: ${JSON.stringify(lines)}`);
          // Two seconds on a machine that does nothing else.
          assert.ok(tookMs < 5_000, `${tookMs} ms: ${code}`);
        }
      },
    );

  test(
    "an interrupt ends no cell but its own, however often and however soon the next one comes",
    { skip },
    async () => {
      const { id } = await client.createCodeContext({ language: "javascript" });
      const computes = "let until = Date.now() + 600; while (Date.now() < until); console.log('whole')";
      for (let round = 0; round < 6; round++) {
        await requests.abortOnOutput({ code: "console.log('on'); while (true);", context_id: id });
        const lines = await requests.execute({ code: computes, context_id: id });
        assert.equal(printedIn(lines), "whole\n", `round ${round}: ${JSON.stringify(lines)}`);
      }
    },
  );

  test(
    "a cell that ignores interrupts costs a shell its state, and the next one runs",
    { skip },
    async () => {
      const context = await client.createCodeContext({ language: "bash" });
      await requests.abortOnOutput({ code: "v=1; trap '' INT; echo on; sleep 60", context_id: context.id });
      assert.equal((await client.runCode("echo [$v]", { context })).logs.stdout.join(""), "[]\n");
    },
  );
});
