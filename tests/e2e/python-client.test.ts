import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startTestServer } from "../support/test-server.ts";

/** Debian's, which has the libraries; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const program = fileURLToPath(new URL("../support/python-client/main.py", import.meta.url));
const CHECKS = 27;

test("a Python client that behaves as the upstream SDK does finds what it expects", async (t) => {
  // As servers answer by default: this client waits five seconds.
  const server = await startTestServer({ config: { createAnswerMs: 2000 } });
  t.after(() => server.close());
  const client = spawn(PYTHON, [program, server.url], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, WRENN_API_KEY: server.apiKey, PYTHONDONTWRITEBYTECODE: "1" },
  });
  t.after(() => client.kill("SIGKILL"));
  const ended = once(client, "close");
  let checks = 0;
  for await (const line of createInterface({ input: client.stdout })) {
    const { name, problem } = JSON.parse(line) as { name: string; problem: string | null };
    await t.test(name, () => assert.equal(problem, null, problem ?? ""));
    checks += 1;
  }
  assert.deepEqual(await ended, [0, null]);
  assert.equal(checks, CHECKS, "every check is run");
});
