import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { create } from "../../apps/client/src/verbs/create.ts";
import { runVerb } from "../support/client-verb.ts";
import { runBuiltInBuild } from "../support/built-in-build.ts";
import type { BuiltInBuild } from "../support/built-in-build.ts";
import { E2bMachine } from "../support/e2b-machine.ts";
import { linkedCache } from "../support/linked-cache.ts";
import { makeMirror } from "../../packages/disk-image/test/support/package-mirror.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * Built-in templates the whole way: from packages that the host fetches to a capsule. By default it is a small one that the test defines
 * under the name of a real one, with a mirror on this machine; with --long the real ones, from Debian and npm.
 */

const isLong = process.env["WRENN_TEST_LONG"] === "1";
const stack = new AsyncDisposableStack();
let cache = "";
let machine: E2bMachine;
let server: TestServer;
/** The build that the server began by itself. */
let firstUse: BuiltInBuild | undefined;
const small: { definitions: string; sources: readonly string[] } = { definitions: "", sources: [] };

before(async () => {
  const linked = stack.use(await linkedCache());
  cache = linked.path;
  small.definitions = join(linked.root, "images");
  small.sources = [
    await makeMirror(join(linked.root, "mirror"), [
      { name: "greeting", version: "1.0-1", depends: "greeting-data", files: { "/usr/bin/greet": GREET } },
      { name: "greeting-data", version: "1.0-1", files: { "/usr/share/greeting": "hello from a package\n" } },
    ]),
  ];
  await define(small.definitions, "python");
  machine = stack.use(
    await E2bMachine.start(
      { cacheDirectory: cache },
      {
        buildBuiltIn: async (name, onProgress, signal) => {
          onProgress("the test builds it");
          firstUse = await build(name, small);
          signal.throwIfAborted();
          assert.equal(firstUse.code, 0, firstUse.stderr);
        },
      },
    ),
  );
  ({ server } = machine);
});
after(() => stack.disposeAsync());

const GREET = "#!/bin/sh\ncat /usr/share/greeting\n";

async function define(definitions: string, name: string): Promise<void> {
  await mkdir(join(definitions, name), { recursive: true });
  await writeFile(
    join(definitions, "package-sets.json"),
    JSON.stringify({ greeting: { packages: ["greeting"] } }),
  );
  const definition = { description: "a test", vcpus: 1, memoryMib: 512, sets: ["greeting"] };
  await writeFile(join(definitions, name, "template.json"), JSON.stringify(definition));
  await writeFile(
    join(definitions, name, "Wrennfile"),
    `FROM minimal
RUN --mount=type=bind,source=greeting,target=/run/packages /run/packages/install
USER user
`,
  );
}

const build = (builtin: string, sources: Parameters<typeof runBuiltInBuild>[2]): Promise<BuiltInBuild> =>
  runBuiltInBuild({ server, cache }, builtin, sources);

async function printedBy(t: TestContext, template: string, command: string): Promise<string> {
  return (await server.shell(await server.capsule(t, { template }), command)).stdout;
}

test("a create has a template built of packages that the host fetches, and the command line waits for it", async (t) => {
  const env = { WRENN_URL: server.url, WRENN_API_KEY: server.server.apiKey };
  const { code, stdout, stderr } = await runVerb(env, { json: false }, async (context) => {
    await create(context, { template: "python" });
  });
  assert.equal(code, 0, stderr);
  t.after(() => server.call("DELETE", `/v1/capsules/${stdout.trim()}`));
  assert.match(stderr, /the built-in template python is being built for its first use: the test builds it/);
  assert.deepEqual(
    firstUse?.results.map(({ template, outcome, version }) => ({ template, outcome, version })),
    [{ template: "python", outcome: "built", version: 1 }],
  );
  assert.match(firstUse.stderr, /download 2 Debian packages for python/);
  assert.match(firstUse.stderr, /#1 .*Unpacking greeting/);
  const left =
    "find /run /tmp /var /opt /srv -xdev -name '*.deb'; ls -A /run/packages /run/wrenn-context 2>/dev/null";
  const { stdout: printed } = await server.shell(
    stdout.trim(),
    `id -un; greet; apt-mark showauto greeting-data; ${left}`,
  );
  assert.equal(printed, "user\nhello from a package\ngreeting-data\n");
});

test("what was made of the same packages is not built again", async () => {
  const again = await build("python", small);
  const expected = [{ template: "python", outcome: "current", version: 1 }];
  assert.deepEqual(again.results, expected, `${again.code} ${again.stderr}`);
});

test("what cannot be built is refused with an exit code of its own", async () => {
  const unknown = await build("perl", small);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stdout, /perl is not a built-in template/);
  const empty = join(cache, "empty");
  await mkdir(empty);
  const missing = await build("python", { ...small, sources: [await makeMirror(empty, [])] });
  assert.equal(missing.code, 1);
  assert.match(missing.stdout, /package_index_unavailable[^]*greeting/);
});

const CHECKS: Readonly<Record<string, readonly [string, string]>> = {
  python: [
    "printf '#include <Python.h>' | gcc $(python3-config --includes) -E - > /dev/null && python -c 'print(6*7)'",
    "42\n",
  ],
  node: ["node -p '6*7' && npm --version | cut -d. -f1", "42\n11\n"],
  base: [
    "echo $USER $PWD; python -c 'print(6*7)'; node -p '6*7'; git --version | cut -c1-3; jq -n 42; sudo id -un",
    "user /home/user\n42\n42\ngit\n42\nroot\n",
  ],
  "code-runner-beta": [
    'curl --fail --silent http://127.0.0.1:8888/api/kernelspecs | grep -o \'argv": ."[^"]*\'',
    'argv": ["/home/wrenn-user/venv/bin/python\n',
  ],
};

test(
  "the templates of this release are built from Debian and npm, and do what they are for",
  {
    skip: isLong ? false : "only with --long: takes many minutes in an emulated capsule",
    timeout: 90 * 60_000,
  },
  async (t) => {
    let log = "";
    for (const [template, [command, expected]] of Object.entries(CHECKS)) {
      const { code, results, stderr } = await build(template, {});
      assert.equal(code, 0, stderr);
      log += stderr;
      for (const { version, durationMs } of results)
        t.diagnostic(`${template} version ${version}: ${((durationMs ?? 0) / 1000).toFixed(0)} s`);
      assert.equal(await printedBy(t, template, command), expected, template);
    }
    assert.match(log, /^#1 CACHED$/m, "base has the first step of python");
  },
);
