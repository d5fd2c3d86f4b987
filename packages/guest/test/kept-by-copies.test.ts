import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { NativeAgent } from "./support/native-agent.ts";

/* What copies and moves keep of a tree, by the real agent. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-kept-");
const other = await mkdtemp("/dev/shm/wrenn-kept-");
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  for (const directory of [root, other]) await rm(directory, { recursive: true, force: true });
});

const { files } = guestLink;
const at = (...names: readonly string[]): string => join(root, ...names);
const run = promisify(execFile);
const shell = async (commands: string): Promise<string> =>
  (await run("sh", ["-euc", commands], { cwd: root })).stdout.trim();
const copy = async (from: string, to: string) =>
  await files.copy(from, to, { signal, overwrite: true, recursive: true });
const move = async (from: string, to: string) => await files.move(from, to, { signal, overwrite: true });

async function refuses(work: Promise<unknown>, naming: string): Promise<void> {
  await assert.rejects(
    work,
    (error) => WrennError.is(error, "path_in_use") && error.message.includes(naming),
  );
}

test("a move to another file system of what has a mount inside is refused, and takes nothing away", async (t) => {
  await shell("mkdir -p mounted/point mounted/before; echo x >mounted/file; touch mounted/bound source");
  await run("mount", ["-t", "tmpfs", "none", at("mounted/point")]);
  t.after(() => run("umount", [at("mounted/point")]));
  await shell("echo y >mounted/point/file");
  await refuses(move(at("mounted/point"), join(other, "point")), at("mounted/point"));
  await refuses(move(at("mounted"), join(other, "mounted")), at("mounted/point"));
  assert.equal(await shell("cat mounted/file mounted/point/file"), "x\ny");
  assert.ok(!(await readdir(other)).some((name) => name === "mounted" || name.startsWith(".wrenn-")));
  // On one file system the mount goes along.
  await move(at("mounted"), at("moved-mount"));
  assert.equal(await shell("cat moved-mount/point/file; mv moved-mount mounted"), "y");
});

test("a copy keeps what cp -a keeps: owners, attributes and hard links, also of what is merged into a directory", async () => {
  await shell(
    "mkdir -p kind/sub/deep kind-merged/sub; echo x >kind/one; ln kind/one kind/sub/two; ln kind/one kind/sub/deep/three; echo y >kind/sub/deep/four; ln kind/sub/deep/four kind/zz;" +
      "chown -h 1001:1002 kind/one kind/sub/deep; chmod 2750 kind/sub/deep; touch -d @1000000000.123456789 kind/one kind/sub/deep",
  );
  await run("python3", ["-c", `import os; os.setxattr("${at("kind/one")}", "user.note", b"kept")`]);
  await copy(at("kind"), at("kind-copy"));
  await copy(at("kind"), at("kind-merged"));
  for (const name of ["kind-copy", "kind-merged"]) {
    assert.equal(
      await shell(
        `cd ${name}; stat -c '%h %u:%g %a %.9Y' one sub/deep; getfattr --only-values -n user.note one 2>/dev/null || python3 -c 'import os; print(os.getxattr("one", "user.note").decode())'`,
      ),
      "3 1001:1002 644 1000000000.123456789\n2 1001:1002 2750 1000000000.123456789\nkept",
    );
    assert.equal(
      await shell(
        `cd ${name}; test one -ef sub/two; test one -ef sub/deep/three; test zz -ef sub/deep/four; find . -name '.wrenn*'`,
      ),
      "",
    );
  }
});
