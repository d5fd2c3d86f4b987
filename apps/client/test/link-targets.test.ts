import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { GuestCommands } from "../src/copy/guest-commands.ts";

/* The commands that capsules run, by the shell of this machine. */

const directory = await realpath(await mkdtemp("/tmp/wrenn-link-targets-"));
after(() => rm(directory, { recursive: true, force: true }));
/** @param path - what commands are found by. */
function commandsBy(path: string): { readonly commands: GuestCommands; readonly runs: () => number } {
  let runs = 0;
  const run = async (line: string, { stdin }: { readonly stdin: Buffer }) => {
    runs++;
    const { stdout, status } = spawnSync("/bin/sh", ["-c", line], { input: stdin, env: { PATH: path } });
    return await Promise.resolve({ stdoutBytes: stdout, exitCode: status });
  };
  const capsule = { commands: { run } } as unknown as ConstructorParameters<typeof GuestCommands>[0];
  return { commands: new GuestCommands(capsule, undefined, AbortSignal.timeout(30_000)), runs: () => runs };
}

const systemPath = process.env["PATH"] ?? "";
/** Where `stat` is one that knows no more than POSIX systems and BusyBox have in common. */
const otherPath = `${join(directory, "bin")}:${systemPath}`;

test("any number of links is followed by two commands, also odd, dangling and endless ones, whatever the tools", async () => {
  const at = (name: string): string => join(directory, name);
  await mkdir(at("directory"), { mode: 0o750 });
  await writeFile(at("file"), "four", { mode: 0o640 });
  await writeFile(at("odd\n"), "x", { mode: 0o600 });
  await writeFile(Buffer.concat([Buffer.from(at("byte")), Buffer.of(0xff)]), "", { mode: 0o600 });
  await symlink("file", at("one"));
  await symlink("one", at("two"));
  await symlink("directory", at("-to directory"));
  await symlink("odd\n", at("to odd"));
  await symlink(Buffer.from([...Buffer.from("byte"), 0xff]), at("to byte"));
  await symlink("none", at("dangling"));
  await symlink("endless", at("endless"));
  await symlink("/dev/null", at("special"));
  const links = ["two", "dangling", "-to directory", "to odd", "endless", "to byte", "special"].map(at);
  const file = { path: at("file"), kind: "file", size: 4, mode: 0o640 };
  const expected = [
    file,
    undefined,
    { path: at("directory"), kind: "directory", size: 0, mode: 0o750 },
    { path: at("odd\n"), kind: "file", size: 1, mode: 0o600 },
    undefined,
    { path: at("byte\udcff"), kind: "file", size: 0, mode: 0o600 },
    { path: "/dev/null", kind: "special", size: 0, mode: 0o666 },
  ];
  await mkdir(at("bin"));
  const stat = `#!/bin/sh\ncase $1 in --printf) exit 1;; esac\nPATH=${systemPath} exec stat "$@"\n`;
  await writeFile(at("bin/stat"), stat, { mode: 0o755 });
  for (const path of [systemPath, otherPath]) {
    const { commands, runs } = commandsBy(path);
    const found = await commands.targets(links);
    const sizeless = found.map(
      (target) => target && { ...target, ...(target.kind === "directory" ? { size: 0 } : {}) },
    );
    assert.deepEqual(sizeless, expected);
    assert.equal(runs(), 2);
    assert.deepEqual(await commands.targets([]), []);
    assert.deepEqual(await commands.targets([at("dangling")]), [undefined]);
  }
  const { commands, runs } = commandsBy(systemPath);
  const many = await commands.targets(Array<string>(5000).fill(at("two")));
  assert.equal(many.length, 5000);
  for (const target of many) assert.deepEqual(target, file);
  assert.equal(runs(), 2);
});
