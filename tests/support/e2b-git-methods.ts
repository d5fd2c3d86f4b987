import assert from "node:assert/strict";
import type { Filesystem, Git } from "e2b";

/** Calls every method for repositories, with a remote that is a directory of the sandbox. */
export async function checkGit(git: Git, files: Filesystem): Promise<void> {
  const [remote, work, copy] = ["/tmp/remote.git", "/home/user/work", "/home/user/copy"] as const;
  await git.init(remote, { bare: true, initialBranch: "main" });
  await git.configureUser("A User", "user@example.test");
  await git.setConfig("pull.rebase", "false");
  assert.equal(await git.getConfig("pull.rebase"), "false");
  await git.init(work, { initialBranch: "main" });
  await git.remoteAdd(work, "origin", remote);
  assert.equal(await git.remoteGet(work, "origin"), remote);
  await files.write(`${work}/a.txt`, "one\n");
  await git.add(work);
  await git.commit(work, "first");
  await git.push(work, { remote: "origin", branch: "main", setUpstream: true });
  await git.clone(remote, { path: copy });
  await git.createBranch(copy, "side");
  await git.checkoutBranch(copy, "main");
  assert.deepEqual((await git.branches(copy)).branches.toSorted(), ["main", "side"]);
  await git.deleteBranch(copy, "side", { force: true });
  assert.equal((await git.branches(copy)).currentBranch, "main");
  await files.write(`${work}/a.txt`, "two\n");
  await git.restore(work, { paths: ["a.txt"] });
  assert.equal(await files.read(`${work}/a.txt`), "one\n");
  await files.write(`${work}/a.txt`, "three\n");
  await git.add(work);
  await git.reset(work, { mode: "mixed" });
  const { fileStatus } = await git.status(work);
  assert.deepEqual(
    fileStatus.map(({ name, status, staged }) => [name, status, staged]),
    [["a.txt", "modified", false]],
  );
  await git.add(work, { all: true });
  await git.commit(work, "second");
  await git.push(work);
  await git.pull(copy);
  assert.equal(await files.read(`${copy}/a.txt`), "three\n");
  await git.dangerouslyAuthenticate({ username: "reader", password: "word", host: "git.example.test" });
  assert.match(await files.read("/home/user/.git-credentials"), /reader:word@git\.example\.test/);
}
