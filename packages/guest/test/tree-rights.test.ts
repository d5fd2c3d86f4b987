import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { NativeAgent } from "./support/native-agent.ts";

/* Copies, moves and uploads with the rights of a user who is not root. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-rights-");
const other = await mkdtemp("/dev/shm/wrenn-rights-");
for (const directory of [root, other]) await chmod(directory, 0o777);
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  for (const directory of [root, other]) await rm(directory, { recursive: true, force: true });
});

const { files } = guestLink;
const run = promisify(execFile);
const shell = async (commands: string, cwd = root): Promise<string> =>
  (await run("sh", ["-euc", commands], { cwd })).stdout.trim();
const at = (name: string): string => join(root, name);
const asUser = { signal, user: "daemon", overwrite: true } as const;
const copy = async (from: string, to: string) => await files.copy(from, to, { ...asUser, recursive: true });
const move = async (from: string, to: string) => await files.move(from, to, asUser);
const xattrs = async (path: string): Promise<string> =>
  (await run("python3", ["-c", "import os, sys; print(os.listxattr(sys.argv[1]))", path])).stdout.trim();

async function refuses(work: Promise<unknown>, reason: ErrorReason): Promise<void> {
  await assert.rejects(work, (error) => error instanceof WrennError && error.reason === reason, reason);
}

test("what a user copies is the user's, without the special bits of its source", async () => {
  await shell("cp /bin/true tool; chmod 6755 tool; mkdir -m 3755 tree; cp -p tool tree");
  await copy(at("tool"), at("copied"));
  await copy(at("tree"), at("copied-tree"));
  assert.equal(
    await shell("stat -c '%a %U' copied copied-tree copied-tree/tool"),
    "755 daemon\n755 daemon\n755 daemon",
  );
});

test("what a user uploads over another's file stays the other's, and runs with no other's rights", async () => {
  await shell("cp /bin/true uploaded; chmod 6777 uploaded");
  const content = (async function* () {
    yield Buffer.from("#!/bin/sh\n");
  })();
  await files.write(at("uploaded"), content, { signal, user: "daemon" });
  assert.equal(await shell("stat -c '%a %U %G' uploaded"), "777 root root");
});

test("a file that a user may not write is not replaced, and one that may not be read fails the copy", async () => {
  await shell(
    "echo root >protected; mkdir -p secret/below; echo 1 >secret/open; echo 2 >secret/below/closed; chmod 600 secret/below/closed",
  );
  await refuses(copy("/etc/passwd", at("protected")), "permission_denied");
  await refuses(copy(at("secret"), at("secret-copy")), "permission_denied");
  await refuses(copy("/etc/passwd", "/etc/wrenn-copied/new/file"), "permission_denied");
  assert.equal(await readFile(at("protected"), "utf8"), "root\n");
  assert.equal(await shell("ls -A | grep -c -e secret-copy -e '^.wrenn' || true"), "0");
});

test("a failed copy or move as a user removes also the read-only directories that it made", async () => {
  // Names are copied in the order of the directory: some directories are made before the file that fails, whichever order that is.
  await shell(
    "mkdir read-only into; for i in 1 2 3 4 5 6 7 8; do mkdir read-only/$i; echo $i >read-only/$i/file; chmod 555 read-only/$i; touch read-only/f$i; chmod 0 read-only/f$i; done; chown daemon into",
  );
  await refuses(copy(at("read-only"), at("read-only-copy")), "permission_denied");
  await refuses(copy(at("read-only"), at("into")), "permission_denied");
  await refuses(move(at("read-only"), join(other, "read-only")), "permission_denied");
  assert.equal(await shell(`ls -A into; ls -A . ${other} | grep -e '^.wrenn' -e read-only-copy || true`), "");
});

test("a user's move to another file system gives nothing away: no owner, no set-user-id, no capability", async () => {
  await shell(
    "mkdir mine; cp /bin/true mine/tool; chown -R daemon:daemon mine; cp /bin/true mine/roots; chmod 4755 mine/tool mine/roots",
  );
  const capability = "bytes.fromhex('0100000200040000000000000000000000000000')";
  await run("python3", [
    "-c",
    `import os; os.setxattr("${at("mine/tool")}", "security.capability", ${capability})`,
  ]);
  await move(at("mine"), join(other, "mine"));
  assert.equal(
    await shell("stat -c '%a %U' mine mine/tool mine/roots; ls -A", other),
    "755 daemon\n4755 daemon\n755 daemon\nmine",
  );
  assert.equal(await xattrs(join(other, "mine/tool")), "[]");
});

test("root's move to another file system keeps capabilities", async () => {
  await shell("cp /bin/true capable");
  const capability = "bytes.fromhex('0100000200040000000000000000000000000000')";
  await run("python3", [
    "-c",
    `import os; os.setxattr("${at("capable")}", "security.capability", ${capability})`,
  ]);
  await files.move(at("capable"), join(other, "capable"), { signal, overwrite: false });
  assert.equal(await xattrs(join(other, "capable")), "['security.capability']");
});

test("a move whose source may not be removed changes nothing", async () => {
  await shell("mkdir -m 755 theirs; echo x >theirs/file");
  await refuses(move(at("theirs/file"), join(other, "file")), "permission_denied");
  assert.equal(await shell("ls", other), "capable\nmine");
});

test("a mode change as a user works in both directions: rights taken away and given back", async () => {
  await shell("mkdir -p locked/a/b; echo x >locked/a/b/file; chown -R daemon locked");
  await files.changeMode(at("locked"), 0, { signal, user: "daemon", recursive: true });
  assert.equal(await shell("find locked -perm 0 | wc -l"), "4");
  await files.changeMode(at("locked"), 0o700, { signal, user: "daemon", recursive: true });
  assert.equal(await shell("find locked -perm 700 | wc -l"), "4");
  await shell("chmod 0 locked/a/b; rm locked/a/b/file");
  await files.remove(at("locked"), { signal, user: "daemon", recursive: true });
});

test("the mode of a deep directory may take away the right to search it, in a mode change and in a copy", async () => {
  const deep = "d/".repeat(40);
  await shell(`mkdir -p search/${deep}; chown -R daemon search; cp -r search unsearchable`);
  await shell("chgrp -R daemon unsearchable; chmod -R 070 unsearchable");
  await files.changeMode(at("search"), 0o600, { signal, user: "daemon", recursive: true });
  await copy(at("unsearchable"), at("unsearchable-copy"));
  assert.equal(
    await shell("find search -perm 600 | wc -l; find unsearchable-copy -perm 070 -user daemon | wc -l"),
    "41\n41",
  );
});
