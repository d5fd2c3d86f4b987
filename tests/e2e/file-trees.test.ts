import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runTreeTrial, treeTrialScript } from "../../packages/guest/test/support/tree-trial.ts";
import type { TreeStep } from "../../packages/guest/test/support/tree-trial.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Trees in a real capsule: the file calls of the API next to coreutils in the same guest. */

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const call = (verb: string, body: unknown, signal?: AbortSignal) =>
  fetch(new URL(`/v1/capsules/${id}/files/${verb}`, server.server.url), {
    method: "POST",
    headers: { "x-api-key": server.server.apiKey, "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });

async function shell(line: string): Promise<string> {
  const { exit_code: exitCode, stdout, stderr } = await server.shell(id, line);
  assert.equal(exitCode, 0, stderr);
  return stdout.trim();
}

async function perform(step: TreeStep): Promise<boolean> {
  const { verb, source, destination, overwrite, recursive, mode = 0 } = step;
  const body =
    destination === undefined
      ? { path: source, ...(verb === "chmod" ? { mode: mode.toString(8).padStart(4, "0"), recursive } : {}) }
      : { source, destination, overwrite };
  const { status } = await call(verb, body);
  assert.ok(status < 500, `${status} for ${JSON.stringify(step)}`);
  return status < 300;
}

const from = Number(process.env["WRENN_TREE_SEED"] ?? 1);
const trials = process.env["WRENN_TREE_SEED"] ? 1 : process.env["WRENN_TEST_LONG"] ? 8 : 1;

test(`${trials} random trees in a capsule are as coreutils in the same capsule leave them`, async () => {
  const url = new URL(`/v1/capsules/${id}/files/content?path=/tree-trial.py`, server.server.url);
  const put = await fetch(url, {
    method: "PUT",
    headers: { "x-api-key": server.server.apiKey },
    body: await readFile(treeTrialScript),
  });
  assert.equal(put.status, 200);
  const script = (...args: readonly string[]): Promise<string> =>
    shell(`python3 /tree-trial.py ${args.join(" ")}`);
  for (let seed = from; seed < from + trials; seed++) {
    await shell("rm -rf /var/tmp/trial /dev/shm/trial; mkdir /var/tmp/trial /dev/shm/trial");
    const directories = ["/var/tmp/trial", "/dev/shm/trial"] as const;
    await runTreeTrial({ seed, steps: 12, directories, perform, script });
  }
  await shell("rm -rf /var/tmp/trial /dev/shm/trial");
});

test("a copy whose client leaves stops, leaves nothing, and never held up short calls", async () => {
  const names = (): Promise<string> => shell("ls -A /root");
  const leaving = new AbortController();
  // More than run at a time, each of some thousand files.
  const copies = [1, 2, 3, 4, 5].map((n) =>
    call("copy", { source: "/usr", destination: `/root/copy-${n}` }, leaving.signal),
  );
  const left = Promise.allSettled(copies);
  await eventually("a copy is under way", async () => (await names()).includes("copy-"));
  const began = performance.now();
  for (const verb of ["list", "stat"]) assert.equal((await call(verb, { path: "/tmp" })).status, 200);
  const took = performance.now() - began;
  assert.ok(took < 5000, `two short calls took ${took} ms`);
  leaving.abort(new Error("the client leaves"));
  for (const { status } of await left) assert.equal(status, "rejected");
  await eventually("nothing is left of the copies", async () => !(await names()).includes("copy-"), {
    timeoutMs: 60_000,
    intervalMs: 500,
  });
});
