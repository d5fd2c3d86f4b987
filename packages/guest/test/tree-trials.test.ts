import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { NativeAgent } from "./support/native-agent.ts";
import { runTreeTrial, treeTrialScript } from "./support/tree-trial.ts";
import type { TreeStep } from "./support/tree-trial.ts";

/* Random trees and random work on them: file calls and coreutils do the same, or what docs/reference/files.md says instead. */

const signal = AbortSignal.timeout(3_600_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const first = await mkdtemp("/var/tmp/wrenn-trials-");
const second = await mkdtemp("/dev/shm/wrenn-trials-");
const run = promisify(execFile);
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  // Deeper than a path: not every tool can remove it.
  await run("rm", ["-rf", first, second]);
});
const { files } = guestLink;

async function call({
  verb,
  source,
  destination = "",
  overwrite = false,
  mode = 0,
  recursive = false,
}: TreeStep): Promise<unknown> {
  if (verb === "copy") return await files.copy(source, destination, { signal, overwrite, recursive: true });
  if (verb === "move") return await files.move(source, destination, { signal, overwrite });
  if (verb === "remove") return await files.remove(source, { signal, recursive: true });
  if (verb === "chmod") return await files.changeMode(source, mode, { signal, recursive });
  return await files.makeDirectory(source, { signal });
}

async function perform(step: TreeStep): Promise<boolean> {
  try {
    await call(step);
    return true;
  } catch (error) {
    assert.ok(
      error instanceof WrennError && error.entry.code !== "agent_error",
      `${JSON.stringify(step)}: ${String(error)}`,
    );
    return false;
  }
}

const script = async (...args: readonly string[]): Promise<string> =>
  (await run("python3", [treeTrialScript, ...args], { maxBuffer: 64 << 20 })).stdout;
const from = Number(process.env["WRENN_TREE_SEED"] ?? 1);
const trials = process.env["WRENN_TREE_SEED"] ? 1 : process.env["WRENN_TEST_LONG"] ? 400 : 2;

test(`${trials} random trees after random work are as coreutils leave them`, async () => {
  let succeeded = 0;
  for (let seed = from; seed < from + trials; seed++) {
    const directories = [join(first, String(seed)), join(second, String(seed))] as const;
    for (const directory of directories) await mkdir(directory);
    succeeded += await runTreeTrial({ seed, steps: 30, directories, perform, script });
    await run("rm", ["-rf", ...directories]);
  }
  assert.ok(succeeded > trials * 7, `only ${succeeded} steps did anything`);
});
