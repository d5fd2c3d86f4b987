import assert from "node:assert/strict";
import {
  access,
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand, tryCommand } from "@wrenn/system";
import { startJailed } from "../src/jail/start-jailed.ts";
import { SystemTrees } from "../src/jail/system-tree.ts";
import { buildNativeParts, jailedPerl, perl, printed } from "./support/jailed-perl.ts";

/* What a jail has in the place of the host's /usr: one program and what it needs. */

const signal = AbortSignal.timeout(60_000);
let directory = "";
before(async () => {
  await buildNativeParts();
  directory = await mkdtemp("/tmp/wt-");
  await chmod(directory, 0o755);
});
after(() => rm(directory, { recursive: true, force: true }));

const place = (name: string): string => join(directory, name);
const files = (...paths: readonly string[]) => ({ files: async () => paths });

test("a program runs in a tree that has it, its libraries and its files, and no other program", async () => {
  const strict = (await runCommand([perl, "-e", "print $INC{'strict.pm'} if require strict"])).stdout;
  const tree = await new SystemTrees(place("run")).of({ program: perl, ...files(strict) });
  const script = `$| = 1;
    opendir(my $programs, "/usr/bin"); print "programs ", join(" ", grep { !/^[.]/ } readdir $programs), "\\n";
    print "files ", join(" ", grep { -e } "/usr/bin/env", "/usr/sbin", "/usr/share/doc", "/etc/passwd", "/manifest.json", $ARGV[0]), "\\n";
    print "done\\n"; sleep 60;`;
  await using program = await jailedPerl("", { system: tree, program: [perl, "-e", script, strict] });
  const { pid } = await startJailed(program, tryCommand, signal);
  const output = await printed(program, "done\n");
  process.kill(pid, "SIGKILL");
  assert.equal(output, `programs perl\nfiles ${strict}\ndone\n`);
});

test("nothing in a tree is a way to write, and everything can be read by every user", async () => {
  await writeFile(place("closed"), "data", { mode: 0o600 });
  const mask = process.umask(0o077);
  const trees = new SystemTrees(place("modes"));
  const tree = await trees
    .of({ program: perl, ...files(place("closed")) })
    .finally(() => process.umask(mask));
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    const { mode, uid } = await lstat(join(entry.parentPath, entry.name));
    assert.equal(uid, 0);
    if (entry.isDirectory()) assert.equal(mode & 0o777, 0o755, entry.name);
    if (entry.isFile() && entry.name !== "manifest.json") assert.equal(mode & 0o777, 0o555, entry.name);
  }
  assert.equal(await readFile(join(tree, place("closed")), "utf8"), "data");
});

test("a tree is made once, by whichever process is first, and again when the cache was emptied", async () => {
  const of = async (): Promise<string> =>
    await new SystemTrees(place("once")).of({ program: perl, ...files() });
  const made = await Promise.all([of(), of(), of()]);
  assert.equal(new Set(made).size, 1);
  assert.deepEqual(await readdir(place("once")), [made[0]?.split("/").at(-1)]);
  const trees = new SystemTrees(place("once"));
  const tree = await trees.of({ program: perl, ...files() });
  const { ino } = await stat(tree);
  assert.equal(await trees.of({ program: perl, ...files() }), tree);
  assert.equal((await stat(tree)).ino, ino);
  await rm(place("once"), { recursive: true });
  assert.equal(await trees.of({ program: perl, ...files() }), tree);
  await access(join(tree, perl));
});

test("an upgraded program has another tree, and that of the old one is removed at the next start", async () => {
  const program = place("program");
  await copyFile(perl, program);
  const trees = new SystemTrees(place("upgrade"));
  const other = await trees.of({ program: perl, ...files() });
  const old = await trees.of({ program, ...files() });
  // As package managers do.
  await copyFile(perl, `${program}.new`);
  await rename(`${program}.new`, program);
  const current = await trees.of({ program, ...files() });
  assert.notEqual(current, old);
  await access(old);
  await mkdir(join(place("upgrade"), "0.building-1"));
  await mkdir(join(place("upgrade"), "0.building-2"));
  await utimes(join(place("upgrade"), "0.building-2"), 0, 0);
  await new SystemTrees(place("upgrade")).removeStale();
  const names = [current, other, "/0.building-1"].map((path) => path.split("/").at(-1));
  assert.deepEqual(new Set(await readdir(place("upgrade"))), new Set(names));
  await new SystemTrees(place("nowhere")).removeStale();
});

test("without the program, or one of its libraries, there is no tree, and the next attempt is a new one", async () => {
  const trees = new SystemTrees(place("missing"));
  const program = place("needs");
  await assert.rejects(trees.of({ program, ...files() }), { reason: "dependency_missing" });
  await writeFile(place("library.c"), "int needed(void) { return 0; }");
  await writeFile(place("needs.c"), "int needed(void); int main(void) { return needed(); }");
  const library = place("libneeded.so");
  await runCommand(["gcc", "-shared", "-fPIC", "-o", library, place("library.c")]);
  await runCommand(["gcc", "-o", program, place("needs.c"), library]);
  await rename(library, `${library}.away`);
  await assert.rejects(trees.of({ program, ...files() }), { reason: "operation_failed" });
  await rename(`${library}.away`, library);
  await access(join(await trees.of({ program, ...files() }), library));
});
