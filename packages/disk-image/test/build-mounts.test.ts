import assert from "node:assert/strict";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { removeBuild } from "../src/remove-build.ts";
import { buildRootFileSystem } from "../src/root-file-system.ts";

const signal = AbortSignal.timeout(60_000);

async function scratch(t: TestContext): Promise<{ readonly directory: string; readonly ofTheHost: string }> {
  const root = await mkdtemp("/tmp/wrenn-builds-");
  t.after(async () => await removeBuild(root));
  const paths = { directory: join(root, "a build"), ofTheHost: join(root, "host") };
  await mkdir(paths.directory);
  await mkdir(paths.ofTheHost);
  await writeFile(join(paths.ofTheHost, "kept"), "kept");
  return paths;
}

/** Stands in for mmdebstrap: mounts a directory of the host where that mounts `/dev/shm`, and is killed. */
const killedBootstrap = (ofTheHost: string): string => `#!/bin/sh
for tree; do case $tree in *.tree) break ;; esac; done
mkdir -p "$tree/dev/shm"
mount --bind ${ofTheHost} "$tree/dev/shm"
kill -KILL $$
`;

test("a build that is killed takes nothing of the host along", async (t) => {
  const { directory, ofTheHost } = await scratch(t);
  const programs = join(directory, "programs");
  await mkdir(programs);
  await writeFile(join(programs, "mmdebstrap"), killedBootstrap(ofTheHost), { mode: 0o755 });
  const before = process.env["PATH"];
  process.env["PATH"] = `${programs}:${before ?? ""}`;
  t.after(() => {
    process.env["PATH"] = before;
  });
  const recipe = { suite: "bookworm", packages: [], excludes: [], files: [], users: [], diskMib: 64 };
  const image = join(directory, "image");
  await assert.rejects(
    buildRootFileSystem({ recipe: { ...recipe, name: "killed" }, image }, () => {}, signal),
    (error) => WrennError.is(error, "command_failed") && error.message.startsWith("mmdebstrap failed"),
  );
  assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), /image\.tree/);
  assert.equal(await readFile(join(ofTheHost, "kept"), "utf8"), "kept");
  await assert.rejects(access(`${image}.tree`), { code: "ENOENT" });
});

test("what an earlier version left mounted in a build stays whole when the build is removed", async (t) => {
  const { directory, ofTheHost } = await scratch(t);
  const inner = join(directory, "tree/dev/shm");
  await mkdir(join(inner, "deeper"), { recursive: true });
  await mkdir(join(ofTheHost, "deeper"));
  await runCommand(["mount", "--bind", ofTheHost, inner], { signal });
  await runCommand(["mount", "--bind", ofTheHost, join(inner, "deeper")], { signal });
  await removeBuild(directory);
  assert.equal(await readFile(join(ofTheHost, "kept"), "utf8"), "kept");
  await assert.rejects(access(directory), { code: "ENOENT" });
  // None is no failure.
  await removeBuild(directory);
  await rm(join(ofTheHost, "deeper"), { recursive: true });
});
