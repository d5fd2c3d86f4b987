import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { WrennError } from "../../src/errors/wrenn-error.ts";
import type { GitCommands, GitOutput } from "../../src/git/git-options.ts";
import { Git } from "../../src/git/git.ts";

/** What git is run with; the e2e test runs it for real. */
let runs: { args: readonly string[]; options: Parameters<GitCommands["run"]>[1] }[] = [];
let outputs: Partial<GitOutput>[] = [];
const git = new Git({
  run: async (cmd, { args, ...options }) => {
    assert.equal(cmd, "git");
    runs.push({ args, options: { args, ...options } });
    return { stdout: "", stderr: "", exitCode: 0, ...outputs.shift() };
  },
});
beforeEach(() => {
  [runs, outputs] = [[], []];
});

test("options of the run reach it, the caller's environment last", async () => {
  const { signal } = new AbortController();
  const envs = { LC_ALL: "de_DE.UTF-8", A: "b" };
  await git.add(["a", "-b"], { cwd: "/r", user: "user", timeoutMs: 5, signal, envs });
  assert.deepEqual(runs[0]?.options, {
    args: ["add", "--", "a", "-b"],
    envs: { GIT_TERMINAL_PROMPT: "0", ...envs },
    cwd: "/r",
    user: "user",
    timeoutMs: 5,
    signal,
  });
  await git.status();
  assert.deepEqual(runs[1]?.options.envs, { GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" });
});

test("credentials are in the environment of one run, for the server of the address only", async () => {
  const credentials = { username: "ada", password: "secret" };
  await git.clone("https://Example.com:8443/a/b.git", { credentials, directory: "-d" });
  const [{ args, options } = assert.fail()] = runs;
  assert.deepEqual(args.slice(0, 3), ["-c", "credential.helper=", "-c"]);
  assert.match(args[3] ?? "", /^credential\.https:\/\/example\.com:8443\.helper=!f\(\)/);
  assert.deepEqual(args.slice(4), ["clone", "--", "https://Example.com:8443/a/b.git", "-d"]);
  assert.equal(options.envs["WRENN_GIT_PASSWORD"], "secret");
  runs = [];
  outputs = [{ stdout: "https://push.example.com/x\n" }];
  await git.push({ credentials, force: true, cwd: "/r" });
  assert.deepEqual(runs[0]?.args, ["remote", "get-url", "--push", "--", "origin"]);
  assert.equal(runs[0]?.options.envs["WRENN_GIT_PASSWORD"], undefined);
  assert.match(runs[1]?.args[3] ?? "", /^credential\.https:\/\/push\.example\.com\.helper=/);
  assert.deepEqual(runs[1]?.args.slice(4), ["push", "--force", "--", "origin", "HEAD"]);
  for (const { args } of runs) assert.doesNotMatch(args.join(" "), /secret/);
});

test("a password in an address becomes credentials", async () => {
  await git.clone("https://ada:a%2Fb%zz@example.com/x.git");
  assert.equal(runs[0]?.args.at(-1), "https://example.com/x.git");
  const { WRENN_GIT_USERNAME: name, WRENN_GIT_PASSWORD: password } = runs[0].options.envs;
  assert.deepEqual([name, password], ["ada", "a/b%zz"]);
  await git.clone("https://ada@example.com/x.git");
  assert.deepEqual(runs[1]?.args, ["clone", "--", "https://ada@example.com/x.git"]);
  const stored = git.remoteAdd("origin", "https://ada:secret@example.com/x.git");
  await assert.rejects(stored, { code: "invalid_option", message: /password/ });
});

test("failures are typed, and show no secret", async () => {
  const credentials = { password: "secret" };
  for (const [stderr, code] of [
    ["fatal: Authentication failed for 'https://git:secret@x'", "git_authentication_failed"],
    [
      "fatal: could not read Username for 'https://x': terminal prompts disabled",
      "git_authentication_failed",
    ],
    ["git@x: Permission denied (publickey).", "git_authentication_failed"],
    ["fatal: unable to access 'x': The requested URL returned error: 403", "git_authentication_failed"],
    ["hint: secret\nfatal: repository 'x' not found", "git_failed"],
    ['error: open("f"): Permission denied', "git_failed"],
  ] as const) {
    outputs = [{ stderr, exitCode: 128 }];
    await assert.rejects(git.clone("https://x", { credentials }), (error: WrennError) => {
      assert.equal(error.code, code);
      assert.match(error.message, /^git clone exited with 128: /);
      assert.doesNotMatch(JSON.stringify(error), /secret/);
      assert.equal(error.details["exitCode"], 128);
      return true;
    });
  }
  outputs = [{ stdout: "nothing to commit", exitCode: 1 }];
  await assert.rejects(git.commit("m"), { message: "git commit exited with 1: nothing to commit" });
  outputs = [{ stdout: "x", truncatedBytes: { stdout: 1 } }];
  await assert.rejects(git.status(), { code: "git_failed", message: /more than can be read/ });
});

test("names that git could take for options, and options that no call has, are refused", async () => {
  for (const [call, option] of [
    [() => git.clone("--upload-pack=x"), "url"],
    [() => git.clone("x", { branch: "-b" }), "branch"],
    [() => git.init({ branch: "-b" }), "branch"],
    [() => git.push({ remote: "--exec=x" }), "remote"],
    [() => git.pull({ branch: "-x" }), "branch"],
    [() => git.createBranch("-x"), "branch"],
    [() => git.createBranch("x", { from: "-x" }), "from"],
    [() => git.checkout("-x"), "ref"],
    [() => git.deleteBranch("-x"), "branch"],
    [() => git.remoteAdd("-x", "y"), "remote"],
    [() => git.remoteAdd("x", "-y"), "url"],
    [() => git.reset({ ref: "-x" }), "ref"],
    [() => git.reset({ mode: "keep" as "hard" }), "mode"],
    [() => git.restore("x", { source: "-x" }), "source"],
    [() => git.restore([]), "paths"],
    [() => git.log({ ref: "--output=x" }), "ref"],
    [() => git.getConfig("-x"), "key"],
    [() => git.setConfig("x.y", "1", { scope: "file" as "local" }), "scope"],
    [() => git.pull({ diverged: "ff" as "merge" }), "diverged"],
    [() => git.clone("/local", { credentials: { password: "x" } }), "credentials"],
    [() => git.clone("https://x", { credentials: { password: "a\nb" } }), "credentials"],
  ] as const)
    await assert.rejects(call, (error: WrennError) => {
      assert.deepEqual([error.code, error.details["option"]], ["invalid_option", option]);
      return true;
    });
  const unknown = { timeout: 5 } as object;
  for (const call of [
    () => git.clone("x", unknown),
    () => git.init(unknown),
    () => git.add("x", unknown),
    () => git.commit("x", unknown),
    () => git.push(unknown),
    () => git.pull(unknown),
    () => git.status(unknown),
    () => git.branches(unknown),
    () => git.createBranch("x", unknown),
    () => git.checkout("x", unknown),
    () => git.deleteBranch("x", unknown),
    () => git.remoteAdd("x", "y", unknown),
    () => git.remotes(unknown),
    () => git.reset(unknown),
    () => git.restore("x", unknown),
    () => git.log(unknown),
    () => git.getConfig("x", unknown),
    () => git.setConfig("x", "y", unknown),
    () => git.configureUser({ name: "x", email: "y" }, unknown),
  ])
    await assert.rejects(call, { code: "unknown_option", remedy: "Use 'timeoutMs'." });
  assert.deepEqual(runs, []);
});
