import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { programEnvironment } from "../support/program-environment.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
const config = await mkdtemp("/tmp/wrenn-client-");
after(() => rm(config, { recursive: true, force: true }));

const variables = { WRENN_URL: server.url, WRENN_API_KEY: server.apiKey };

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const wrenn = async (
  args: readonly string[],
  env: Readonly<Record<string, string>> = variables,
  input = "",
): Promise<Ran> =>
  await tryCommand([join(projectRoot, "wrenn"), ...args], {
    env: programEnvironment(config, env),
    input,
  });

test("a capsule is created, listed, paused, resumed, forked and removed by name, prefix and id", async () => {
  const made = await wrenn(["create", "--name", "report", "--memory", "256M", "-l", "stage=test", "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const { id, memoryMib } = JSON.parse(made.stdout) as { id: string; memoryMib: number };
  assert.equal(memoryMib, 256);
  const listed = await wrenn(["ps", "-l", "stage=test"]);
  assert.match(
    listed.stdout,
    new RegExp(`^ID +NAME +STATUS.*\\n${id} +report +running +minimal +1 +256 MiB +\\d+ s\\n$`),
  );
  assert.equal((await wrenn(["pause", "report"])).stdout, `${id}\n`);
  assert.equal((await wrenn(["resume", id.slice(0, 8)])).stdout, `${id}\n`);
  const forked = (await wrenn(["fork", id, "-n", "2"])).stdout.trim().split("\n");
  assert.equal(forked.length, 2);
  const removed = await wrenn(["rm", "report", ...forked]);
  assert.deepEqual(removed.stdout.trim().split("\n"), [id, ...forked], removed.stderr);
  assert.equal((await wrenn(["ps", "-q"])).stdout, "");
});

test("what is mistyped gets a suggestion, and the exit code of its kind", async () => {
  const { stdout } = await wrenn(["create", "--name", "worker"]);
  const unknown = await wrenn(["pause", "wroker"]);
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [4, "wrenn: there is no capsule 'wroker'\n       Did you mean 'worker'?\n"],
  );
  const json = await wrenn(["pause", "wroker", "--json"]);
  assert.equal((JSON.parse(json.stdout) as { error: { code: string } }).error.code, "capsule_unknown");
  assert.deepEqual([json.code, json.stderr], [4, ""]);
  const taken = await wrenn(["create", "--name", "worker"]);
  assert.equal(taken.code, 6, taken.stderr);
  assert.match((await wrenn(["craete"])).stderr, /create/);
  assert.equal((await wrenn(["rm", "nothing", "worker", "--force"])).stdout, stdout);
});

test("a key is stored for its owner only, used without variables, and forgotten by logout", async () => {
  const stored = await wrenn(["login", "--key", "--url", server.url], {}, `${server.apiKey}\n`);
  assert.equal(stored.code, 0, stored.stderr);
  const who = await wrenn(["whoami", "--json"], {});
  const { source, key } = JSON.parse(who.stdout) as { source: string; key: string };
  assert.deepEqual([source, key], ["profile default", `${server.apiKey.slice(0, 10)}…`]);
  const made = (await wrenn(["create"], {})).stdout.trim();
  assert.equal((await wrenn(["rm", "-"], {})).stdout.trim(), made);
  const refused = await wrenn(["whoami"], { ...variables, WRENN_API_KEY: "wrn_wrong" });
  assert.equal(refused.code, 3, refused.stderr);
  assert.equal((await wrenn(["logout"], {})).code, 0);
  const gone = await wrenn(["ps"], { WRENN_DATA_DIR: config });
  assert.deepEqual([gone.code, gone.stdout], [3, ""]);
  assert.match(gone.stderr, /wrenn login/);
});

test("a server that is not there is told apart, with what to do", async () => {
  const gone = await wrenn(["ps"], { ...variables, WRENN_URL: "http://127.0.0.1:9" });
  assert.equal(gone.code, 5);
  assert.match(gone.stderr, /did not reach http:\/\/127\.0\.0\.1:9.*\n.*WRENN_URL/s);
});
