import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { WrennError } from "../../packages/sdk/src/errors/wrenn-error.ts";
import { Git } from "../../packages/sdk/src/git/git.ts";
import { gitServer } from "../support/git-server.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const ada = { name: "Ada Ü", email: "ada@example.com" };
const credentials = { username: "ada", password: "s3cret%pass word" };
let server: TestServer;
let id: string;
/** Arguments of each run. */
const argued: string[] = [];

const git = new Git({
  run: async (cmd, { args, envs, cwd, user, timeoutMs }) => {
    argued.push(args.join(" "));
    const timeout = timeoutMs === undefined ? {} : { timeout_sec: timeoutMs / 1000 };
    const { body } = await server.exec(id, cmd, args, { envs, cwd, user, ...timeout });
    return { stdout: body.stdout, stderr: body.stderr, exitCode: body.exit_code };
  },
});
const shell = async (line: string): Promise<string> => {
  const { stdout, stderr, exit_code: code } = await server.shell(id, line);
  assert.equal(code, 0, stderr);
  return stdout;
};

before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined, { template: "minimal" });
});
after(() => server.close());

test("a repository is made, changed, described and put back", async () => {
  const cwd = "/root/own";
  await git.init({ directory: cwd });
  assert.deepEqual(await git.log({ cwd }), []);
  assert.deepEqual(await git.status({ cwd }), {
    branch: "main",
    commit: undefined,
    upstream: undefined,
    ahead: 0,
    behind: 0,
    files: [],
    isClean: true,
  });
  await shell(`cd ${cwd} && echo one > 'a ü.txt' && echo two > -b && mkdir d && echo three > d/c`);
  await git.add(["a ü.txt", "-b", "d"], { cwd });
  const message = "-First\n\nIn two parts: $HOME `id`";
  const first = await git.commit(message, { cwd, author: ada });
  const [logged] = await git.log({ cwd });
  assert.deepEqual(
    [logged?.commit, logged?.parents, logged?.author, logged?.committer, logged?.subject, logged?.message],
    [first, [], ada, ada, "-First", message],
  );
  assert.ok(Math.abs((logged?.authoredAt.getTime() ?? 0) - Date.now()) < 60_000);

  await git.configureUser({ name: "Bob", email: "bob@example.com" });
  assert.equal(await git.getConfig("user.name", { cwd }), "Bob");
  assert.equal(await git.getConfig("user.none", { cwd, scope: "local" }), undefined);
  await git.setConfig("core.commentChar", "-", { cwd });
  assert.equal(await git.getConfig("core.commentChar", { cwd }), "-");

  await shell(
    `cd ${cwd} && git mv 'a ü.txt' 'b  c' && echo more >> -b && rm d/c && echo new > new && ln -s x link`,
  );
  await git.add("link", { cwd });
  const { files, isClean } = await git.status({ cwd });
  assert.equal(isClean, false);
  const unmodified = "unmodified" as const;
  assert.deepEqual(files, [
    { path: "-b", state: "changed", index: unmodified, worktree: "modified" },
    { path: "b  c", state: "changed", index: "renamed", worktree: unmodified, originalPath: "a ü.txt" },
    { path: "d/c", state: "changed", index: unmodified, worktree: "deleted" },
    { path: "link", state: "changed", index: "added", worktree: unmodified },
    { path: "new", state: "untracked", index: unmodified, worktree: "added" },
  ]);
  await git.restore(["-b", "d/c"], { cwd });
  await git.restore("link", { cwd, staged: true });
  const left = (await git.status({ cwd })).files.map(({ path }) => path);
  assert.deepEqual(left, ["b  c", "link", "new"]);
  await git.commit("Second", { cwd, all: true });
  const amended = await git.commit("Second, again", { cwd, amend: true, author: ada });
  const [last] = await git.log({ cwd, limit: 1, paths: ["b  c"] });
  assert.deepEqual([last?.commit, last?.author], [amended, ada]);
  await assert.rejects(git.commit("Nothing", { cwd }), {
    code: "git_failed",
    message: /nothing added to commit|nothing to commit/,
  });
  await git.reset({ cwd, ref: "HEAD~1", mode: "hard" });
  assert.equal((await git.status({ cwd })).commit, first);
  assert.match(await shell(`cat '${cwd}/a ü.txt'`), /^one\n$/);
});

test("branches are made, listed, checked out and deleted; conflicts are shown", async () => {
  const cwd = "/root/branches";
  await git.init({ directory: cwd, branch: "trunk" });
  const commit = async (text: string): Promise<string> => {
    await shell(`echo ${text} > ${cwd}/file`);
    await git.add(".", { cwd });
    return await git.commit(text, { cwd, author: ada });
  };
  const one = await commit("one");
  await git.createBranch("side", { cwd, checkout: true });
  const two = await commit("two");
  await git.createBranch("old", { cwd, from: one });
  await git.checkout("trunk", { cwd });
  const three = await commit("three");
  assert.deepEqual(await git.branches({ cwd }), [
    { name: "old", commit: one, isCurrent: false, isRemote: false },
    { name: "side", commit: two, isCurrent: false, isRemote: false },
    { name: "trunk", commit: three, isCurrent: true, isRemote: false },
  ]);
  await git.deleteBranch("old", { cwd });
  await assert.rejects(git.deleteBranch("side", { cwd }), {
    code: "git_failed",
    message: /not fully merged/,
  });
  await assert.rejects(git.checkout("missing", { cwd }), (error: WrennError) => {
    const { exitCode, stderr } = error.details;
    assert.deepEqual([error.code, exitCode], ["git_failed", 128]);
    assert.match(String(stderr), /missing/);
    return true;
  });
  await shell(`cd ${cwd} && git -c user.name=x -c user.email=x merge side || true`);
  const [conflict] = (await git.status({ cwd })).files;
  assert.deepEqual(conflict, {
    path: "file",
    state: "conflicted",
    index: "unmerged",
    worktree: "unmerged",
  });
  await git.reset({ cwd, mode: "hard" });
  await git.deleteBranch("side", { cwd, force: true });
});

test("commits go to a bare repository and come from it", async () => {
  await git.init({ directory: "/root/bare.git", bare: true });
  await git.clone("/root/bare.git", { directory: "/root/one" });
  await shell("echo 1 > /root/one/file");
  const cwd = "/root/one";
  await git.add("file", { cwd });
  const first = await git.commit("First", { cwd, author: ada });
  await git.push({ cwd, setUpstream: true });
  await git.clone("bare.git", { cwd: "/root", directory: "two", branch: "main", depth: 5 });
  assert.deepEqual(await git.remotes({ cwd: "/root/two" }), [
    { name: "origin", fetchUrl: "/root/bare.git", pushUrl: "/root/bare.git" },
  ]);
  const other = { cwd: "/root/two", author: ada };
  const { upstream, ahead, behind } = await git.status({ cwd: "/root/two" });
  assert.deepEqual([upstream, ahead, behind], ["origin/main", 0, 0]);
  await git.commit("Other", { ...other, allowEmpty: true });
  await git.commit("Third", { cwd, author: ada, allowEmpty: true });
  await git.push({ cwd });
  await assert.rejects(git.push({ cwd: "/root/two" }), {
    code: "git_failed",
    message: /rejected|failed to push/,
  });
  await assert.rejects(git.pull({ cwd: "/root/two" }), { code: "git_failed", message: /fast-forward/ });
  await git.pull({ cwd: "/root/two", diverged: "rebase" });
  const log = await git.log({ cwd: "/root/two" });
  assert.deepEqual(
    log.map(({ subject }) => subject),
    ["Other", "Third", "First"],
  );
  assert.equal(log.at(-1)?.commit, first);
  const remote = (await git.branches({ cwd: "/root/two", remote: true })).filter(({ isRemote }) => isRemote);
  assert.deepEqual(
    remote.map(({ name }) => name),
    ["origin/main"],
  );
});

test("credentials open a repository by HTTP, and stay in nothing that the capsule keeps", async () => {
  await git.init({ directory: "/srv/git/repo.git", bare: true });
  await shell("git -C /srv/git/repo.git config http.receivepack true");
  await shell("git config --global credential.helper store");
  await server.exec(id, "sh", ["-c", `cat > /root/git-server.py <<'END'${gitServer}\nEND`]);
  const login = `${credentials.username}:${credentials.password}`;
  await server.exec(id, "python3", ["/root/git-server.py", "8090", "/srv/git", login], { background: true });
  const url = "http://127.0.0.1:8090/repo.git";
  await eventually(
    "it listens",
    async () => (await server.shell(id, "curl -s 127.0.0.1:8090")).exit_code === 0,
  );
  argued.length = 0;

  await assert.rejects(git.clone(url, { directory: "/root/refused" }), { code: "git_authentication_failed" });
  await git.clone(url, { directory: "/root/http", credentials });
  const cwd = "/root/http";
  await git.commit("First", { cwd, allowEmpty: true, author: ada });
  await git.push({ cwd, credentials });
  await assert.rejects(git.push({ cwd }), { code: "git_authentication_failed" });
  await git.pull({ cwd, credentials });
  assert.doesNotMatch(argued.join("\n"), /s3cret/);
  const kept = await server.shell(id, "grep -rl s3cret /root /tmp /var/log --exclude=git-server.py");
  assert.equal(kept.stdout, "");
  // The address that git finds for a remote decides who gets them.
  await server.exec(id, "python3", ["/root/git-server.py", "8091", "/srv/git", login], { background: true });
  await eventually(
    "it listens",
    async () => (await server.shell(id, "curl -s 127.0.0.1:8091")).exit_code === 0,
  );
  await shell(`git -C ${cwd} config url.http://127.0.0.1:8091/.insteadOf elsewhere:`);
  await git.remoteAdd("elsewhere", "elsewhere:repo.git", { cwd });
  const { branch } = await git.status({ cwd });
  await git.pull({ cwd, remote: "elsewhere", branch, credentials });
  await assert.rejects(git.clone("/root/http", { directory: "/root/local", credentials }), {
    code: "invalid_option",
    message: /credentials/,
  });
});
