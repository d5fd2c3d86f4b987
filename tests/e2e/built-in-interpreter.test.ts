import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runBuiltInBuild } from "../support/built-in-build.ts";
import { checkInterpreter, checkPublishedInterpreter } from "../support/check-interpreter.ts";
import { E2bMachine } from "../support/e2b-machine.ts";
import { runPythonChecks } from "../support/e2b-python-checks.ts";
import { linkedCache } from "../support/linked-cache.ts";

/*
 * code-interpreter-v1 the whole way: built from Debian's and npm's packages, and used by the published clients of E2B.
 */

const skip =
  process.env["WRENN_TEST_LONG"] === "1"
    ? false
    : "only with --long: takes many minutes in an emulated capsule";
const stack = new AsyncDisposableStack();
let cache = "";
let machine: E2bMachine;

before(async () => {
  if (skip !== false) return;
  cache = stack.use(await linkedCache()).path;
  machine = stack.use(await E2bMachine.start({ cacheDirectory: cache }));
});
after(() => stack.disposeAsync());

test("the template is built, and its first capsule runs cells", { skip, timeout: 60 * 60_000 }, async (t) => {
  const { code, results, stderr } = await runBuiltInBuild(
    { server: machine.server, cache },
    "code-interpreter-v1",
  );
  assert.equal(code, 0, stderr);
  t.diagnostic(`built in ${((results[0]?.durationMs ?? 0) / 1000).toFixed(0)} s`);
  await checkInterpreter(t, machine.server);
});

for (const flavor of ["sync", "async"] as const)
  test(`PyPI e2b-code-interpreter 2.11.5 runs cells in a sandbox: ${flavor}`, { skip }, async (t) => {
    const { server } = machine;
    const url = `export E2B_API_URL=${server.url} E2B_SANDBOX_URL=${server.url}\n`;
    const variables = `export E2B_API_KEY=${server.apiKey}\n${url}`;
    await runPythonChecks(t, { lock: "newest", flavor, level: "interpreter", variables });
  });

test(
  "npm @e2b/code-interpreter 2.8.0 runs and interrupts cells over both versions of HTTP",
  { skip },
  async (t) => {
    await checkPublishedInterpreter(t, machine);
  },
);
