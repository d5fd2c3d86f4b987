import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { packClients } from "@wrenn/host-setup";
import { runCommand, tryCommand } from "@wrenn/system";
import { installRuntimes } from "../support/runtimes.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Alone: it packs the packages that others install, and measures commands. */

/* The command line as client machines get it: from /download, into a folder of a user without rights, by npm. */

/** Processor time that `--help` may take. */
const HELP_MS = 150;
/** On machines where that is not enough: how often the time of a program that does nothing. Fast ones start such a program in 25 ms. */
const HELP_STARTS = 3;
const STARTS = 10;
/** Runs a command as the user nobody. */
const CLIENT = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;

const client = await mkdtemp("/tmp/wrenn-packed-client-");
after(() => rm(client, { recursive: true, force: true }));
await chmod(client, 0o777);
const installed = join(client, "prefix/lib/node_modules/wrenn");

let server: TestServer;
before(async () => {
  await packClients({ projectRoot, progress: () => {} });
  server = await startTestServer();
});
after(() => server.close());

/** The Node.js of the machine, as on a client; the project's own may be where other users cannot read it. */
const systemPath = (process.env["PATH"] ?? "")
  .split(":")
  .filter((folder) => !folder.startsWith(projectRoot))
  .join(":");

const env = (): Record<string, string> => ({
  PATH: `${join(client, "prefix/bin")}:${systemPath}`,
  HOME: client,
  WRENN_URL: server.url,
  WRENN_API_KEY: server.apiKey,
});

test("packages are made once, until their sources change", async () => {
  const steps: string[] = [];
  await packClients({ projectRoot, progress: ({ step }) => steps.push(step) });
  assert.deepEqual(steps, []);
});

test("one npm install from the server gives a user without rights the command line, without a registry", async () => {
  const { code, stdout, stderr } = await tryCommand(
    [
      ...CLIENT,
      "npm",
      "install",
      "--global",
      `--prefix=${join(client, "prefix")}`,
      "--registry=http://127.0.0.1:9",
      "--no-update-notifier",
      `${server.url}/download/wrenn-cli.tgz`,
    ],
    { env: env(), cwd: client },
  );
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual((await readdir(installed)).sort(), [
    "LICENSE",
    "README.md",
    "THIRD-PARTY-LICENSES",
    "package.json",
    "wrenn.mjs",
  ]);
  const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as {
    readonly version: string;
    readonly dependencies?: unknown;
    readonly scripts?: unknown;
  };
  assert.deepEqual([manifest.dependencies, manifest.scripts], [undefined, undefined]);
  const version = await runCommand([...CLIENT, "wrenn", "--version"], { env: env(), cwd: client });
  assert.equal(version.stdout, `${manifest.version}\n`);
});

test("the installed command line works on the system's, the oldest supported and the newest Node.js", async (t) => {
  const { node20, nodeNewest } = await installRuntimes();
  const programs: readonly (readonly [string, readonly string[]])[] = [
    ["the system's, without rights", [...CLIENT, "wrenn"]],
    ["Node.js 20", [node20, join(installed, "wrenn.mjs")]],
    ["newest Node.js", [nodeNewest, join(installed, "wrenn.mjs")]],
  ];
  for (const [name, argv] of programs) await t.test(name, () => useClient(argv));
});

async function useClient(argv: readonly string[]): Promise<void> {
  const wrenn = async (
    ...args: readonly string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [program = "", ...before] = argv;
    return await tryCommand([program, ...before, ...args], { env: env(), cwd: client });
  };
  const who = await wrenn("whoami", "--json");
  assert.equal(who.code, 0, who.stderr);
  assert.equal((JSON.parse(who.stdout) as { source: string }).source, "WRENN_URL and WRENN_API_KEY");
  const made = await wrenn("create", "--name", "packed");
  assert.equal(made.code, 0, made.stderr);
  assert.match((await wrenn("ps")).stdout, /packed +running/);
  assert.equal((await wrenn("rm", "packed")).stdout, made.stdout);
  const mistyped = await wrenn("craete");
  assert.equal(mistyped.code, 2);
  assert.equal(mistyped.stderr, "wrenn: unknown command 'craete'\n       Did you mean 'create'?\n");
  const json = await wrenn("pause", "--json");
  assert.deepEqual([json.code, json.stderr], [2, ""]);
  assert.equal((JSON.parse(json.stdout) as { error: { code: string } }).error.code, "usage");
  assert.equal((await wrenn("pause", "nothing")).code, 4);
}

test(`--help takes at most ${HELP_MS} ms of a processor, or ${HELP_STARTS} times as much as an empty program of the same Node.js`, async (t) => {
  const { node20, nodeNewest } = await installRuntimes();
  for (const node of [node20, nodeNewest]) await timeHelp(t, node);
});

/** Prints what the process took of processors, in ms. The time on the clock depends on what else the machine does; `bench` measures that. */
const PRINT_USAGE =
  'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();console.error((user+system)/1000)})';
/** Its usage line, for the same check. */
const EMPTY = 'console.log("Usage: wrenn of nothing")';

async function timeHelp(t: TestContext, node: string): Promise<void> {
  const ways = { empty: ["-e", EMPTY], help: [join(installed, "wrenn.mjs"), "--help"] } as const;
  const times = { empty: [] as number[], help: [] as number[] };
  // In turn: both see the same machine.
  for (let left = STARTS; left > 0; left--)
    for (const way of ["empty", "help"] as const) {
      const { stdout, stderr } = await runCommand([node, `--import=${PRINT_USAGE}`, ...ways[way]]);
      assert.match(stdout, /^Usage: wrenn /);
      times[way].push(Number(stderr));
    }
  for (const way of ["empty", "help"] as const)
    t.diagnostic(`${node} ${way}: ${times[way].map((ms) => ms.toFixed(0)).join(" ")} ms`);
  const [empty, help] = [Math.min(...times.empty), Math.min(...times.help)];
  assert.ok(help <= Math.max(HELP_MS, HELP_STARTS * empty), `${help} ms, and ${empty} ms for nothing`);
}
