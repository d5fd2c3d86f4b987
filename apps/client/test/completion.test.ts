import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { Command } from "commander";
import { complete } from "../src/completion/complete.ts";
import { completionScripts, SHELLS } from "../src/completion/scripts.ts";
import { addClientCommands } from "../src/index.ts";

const launcher = join(import.meta.dirname, "../../..");
const home = await mkdtemp("/tmp/wrenn-completion-");
after(() => rm(home, { recursive: true, force: true }));
/** No server: names are unknown, all else is completed. */
const env = {
  PATH: `${launcher}:${process.env["PATH"]}`,
  HOME: home,
  XDG_CONFIG_HOME: home,
  WRENN_URL: "http://127.0.0.1:9",
  WRENN_API_KEY: "key",
};

const root = new Command("wrenn").option("-V, --version", "print the version").enablePositionalOptions();
addClientCommands(root, process, { findLocal: async () => undefined });

/** What fits behind the words, with the names that exist. */
const fitting = async (...words: readonly string[]): Promise<readonly string[]> => {
  const { candidates, takesFiles } = await complete(root, words, async (kind, profile) => [
    { value: `${kind}-a${profile ?? ""}`, text: "" },
    { value: `${kind}-b`, text: "" },
  ]);
  return [...candidates.map(({ value }) => value), ...(takesFiles ? [":file"] : [])];
};

test("commands, options, values and names are completed where each of them fits", async () => {
  assert.deepEqual(await fitting("checkp"), ["checkpoint"]);
  assert.deepEqual(await fitting("checkpoint", ""), ["ls", "create", "rm"]);
  assert.deepEqual(await fitting("update", "web", "--no-a"), ["--no-auto-resume"]);
  assert.deepEqual(await fitting("template", "ls", "--scope", ""), ["usable", "team", "public"]);
  assert.deepEqual(await fitting("template", "ls", "--scope=t"), ["--scope=team"]);
  assert.deepEqual(await fitting("completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(await fitting("pause", ""), ["capsule-a", "capsule-b"]);
  assert.deepEqual(await fitting("ls", "--status", "running", "--te"), ["--template"]);
  assert.deepEqual(await fitting("create", "--json", "-t", "template-b"), ["template-b"]);
  assert.deepEqual(await fitting("rm", "capsule-b", "--profile", "work", "capsule-a"), ["capsule-awork"]);
  assert.deepEqual(await fitting("rm", "--profile=work", "capsule-a"), ["capsule-awork"]);
  assert.deepEqual(await fitting("config", "use", ""), ["profile-a", "profile-b"]);
  assert.deepEqual(await fitting("build", "--file", ""), [":file"]);
});

test("nothing is offered where nothing fits, and hidden commands never are", async () => {
  assert.deepEqual(await fitting("pause", "web", ""), []);
  assert.deepEqual(await fitting("create", "--name", ""), []);
  assert.deepEqual(await fitting("rm", "--", "--f"), []);
  assert.deepEqual(await fitting("nothing", ""), []);
  assert.deepEqual(await fitting("_"), []);
  assert.deepEqual(await fitting("update", "--nothing=a"), []);
});

test("bash completes commands, subcommands, and values behind =", async () => {
  const script = join(home, "wrenn.bash");
  await writeFile(script, completionScripts.bash);
  const ask = `source ${script}
    ask() { COMP_LINE="$1" COMP_POINT=\${#1}; _wrenn; echo "\${COMPREPLY[*]}"; }
    ask "wrenn checkp"; ask "./wrenn team "; ask "wrenn template ls --scope=t"; ask "wrenn pause "
    complete -p wrenn`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", ask], {
    encoding: "utf8",
    env,
    cwd: launcher,
  });
  assert.deepEqual(
    stdout.split("\n"),
    ["checkpoint", "ls show switch members", "team", "", "complete -F _wrenn wrenn", ""],
    stderr,
  );
});

const has = (shell: string): boolean => spawnSync(shell, ["--version"]).status === 0;

test("fish completes the same", { skip: has("fish") ? false : "fish is not installed" }, async () => {
  const script = join(home, "wrenn.fish");
  await writeFile(script, completionScripts.fish);
  const ask = `source ${script}; complete -C "wrenn checkp"; complete -C "wrenn template ls --scope=t"`;
  const { stdout } = spawnSync("fish", ["--no-config", "-c", ask], { encoding: "utf8", env });
  assert.deepEqual(stdout.trim().split("\n"), [
    "checkpoint\tmoments of a capsule to go back to",
    "--scope=team",
  ]);
});

for (const shell of SHELLS)
  test(
    `${shell} takes its script without an error`,
    { skip: has(shell) ? false : `${shell} is not installed` },
    async () => {
      const script = join(home, `script.${shell}`);
      await writeFile(script, completionScripts[shell]);
      const { status, stderr } = spawnSync(shell, ["-n", script], { encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    },
  );
