import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "../src/program.ts";

const root = join(import.meta.dirname, "../../..");
const directory = join(root, "apps/cli/help");
/** Set by `npm run reference`. */
const WRITE = process.env["WRENN_WRITE_REFERENCE"] === "1";
const WIDTH = 100;

/** Help of a command and of those below it, by name: `wrenn-db-backup`. */
function helpTexts(command: Command, name: string): [string, string][] {
  command.configureHelp({ helpWidth: WIDTH });
  return [
    [name, command.helpInformation()],
    ...command
      .createHelp()
      .visibleCommands(command)
      .filter((sub) => command.commands.includes(sub))
      .flatMap((sub) => helpTexts(sub, `${name}-${sub.name()}`)),
  ];
}

const texts = new Map(helpTexts(createProgram(), "wrenn"));

test("the help that the launcher prints is that of the commands; npm run reference renews it", async () => {
  if (WRITE) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    for (const [name, text] of texts) await writeFile(join(directory, `${name}.txt`), text);
  }
  assert.deepEqual((await readdir(directory)).sort(), [...texts.keys()].map((name) => `${name}.txt`).sort());
  for (const [name, text] of texts)
    assert.equal(await readFile(join(directory, `${name}.txt`), "utf8"), text, "stale: npm run reference");
});

test("help and version of a fresh clone need no npm and no Node, touch no file, and answer at once", async () => {
  const clone = await mkdtemp("/tmp/wrenn-help-");
  try {
    await mkdir(join(clone, "apps/cli"), { recursive: true });
    await symlink(directory, join(clone, "apps/cli/help"));
    for (const name of ["wrenn", "package.json"]) await copyFile(join(root, name), join(clone, name));
    // All that the launcher may use; no npm is among them.
    await mkdir(join(clone, "bin"));
    for (const tool of ["cat", "cmp", "dirname", "readlink", "sed", "sh", "uname"])
      await symlink(`/usr/bin/${tool}`, join(clone, "bin", tool));
    const run = (...args: readonly string[]) =>
      spawnSync(join(clone, "wrenn"), args, { encoding: "utf8", env: { PATH: join(clone, "bin") } });
    for (const [args, name] of [
      [["--help"], "wrenn"],
      [["-h"], "wrenn"],
      [["help"], "wrenn"],
      [["run", "--help"], "wrenn-run"],
      [["help", "run"], "wrenn-run"],
      [["db", "backup", "-h"], "wrenn-db-backup"],
    ] as const) {
      const { status, stdout, stderr } = run(...args);
      assert.deepEqual([status, stdout, stderr], [0, texts.get(name), ""], args.join(" "));
    }
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    for (const option of ["--version", "-V"]) assert.equal(run(option).stdout, `${version}\n`);
    assert.deepEqual((await readdir(clone)).sort(), ["apps", "bin", "package.json", "wrenn"]);
    // The other words are for the program, which has to be installed first.
    for (const args of [
      ["run", "ls", "--help"],
      ["run", "--", "--help"],
      ["help", "nothing"],
      ["nothing"],
      [],
    ])
      assert.match(run(...args).stderr, /npm is missing/, args.join(" "));
  } finally {
    await rm(clone, { recursive: true, force: true });
  }
});
