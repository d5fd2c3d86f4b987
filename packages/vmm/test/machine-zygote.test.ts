import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open, readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@wrenn/core";
import type { LogFields, Logger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { isAlive, runCommand } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { LAYOUT_MS, MACHINES_PER_LAYOUT, MachineZygote, readConsole } from "@wrenn/vmm";
import { ManualClock } from "./support/manual-clock.ts";
import {
  buildNativeParts,
  jail,
  jailedPerl,
  layoutOf,
  library,
  perl,
  perlZygote,
  printed,
  zygoteProcesses,
} from "./support/jailed-perl.ts";

const sleeps = `$| = 1; print "runs\\n"; sleep 60`;
const HOUR_MS = 3_600_000;
let directory = "";

before(async () => {
  await buildNativeParts();
  directory = await mkdtemp("/tmp/wz-");
});
after(() => rm(directory, { recursive: true, force: true }));

/** Forks a program that ends with what is returned. */
async function forked(zygote: MachineZygote): Promise<ProcessIdentity & AsyncDisposable> {
  const program = await jailedPerl(sleeps);
  const started = await zygote.fork(program);
  assert.ok(typeof started === "object");
  return {
    ...started,
    [Symbol.asyncDispose]: async () => {
      process.kill(started.pid, "SIGKILL");
      await program[Symbol.asyncDispose]();
    },
  };
}

async function forkAndForget(zygote: MachineZygote): Promise<ProcessIdentity["pid"] | string> {
  await using program = await jailedPerl(sleeps);
  const started = await zygote.fork(program);
  if (typeof started === "string") return started;
  process.kill(started.pid, "SIGKILL");
  return started.pid;
}

/** Keeps the lines about how machines start. */
function recordingLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const keep =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const { way, problem } = fields as { readonly way?: string; readonly problem?: string };
      lines.push(`${level} ${event} ${way}${problem === undefined ? "" : `: ${problem}`}`);
    };
  return { logger: { ...silentLogger, info: keep("info"), warn: keep("warn") }, lines };
}

/** A file at which the jail stops until somebody reads it. */
async function makeBarrier(name: string): Promise<string> {
  const path = join(directory, name);
  await runCommand(["mkfifo", path]);
  return path;
}

async function passBarrier(path: string): Promise<void> {
  const reader = await open(path, "r");
  await reader.read({ buffer: Buffer.alloc(1) });
  await reader.close();
}

async function onlyZygote(): Promise<number> {
  const [pid, ...others] = await zygoteProcesses();
  assert.ok(pid !== undefined && others.length === 0);
  return pid;
}

test("a layout of addresses is shared by a bounded number of machines, and the next ones have another", async () => {
  using zygote = await perlZygote();
  await using first = await forked(zygote);
  await using second = await forked(zygote);
  assert.equal(await layoutOf(second), await layoutOf(first));
  const process = await onlyZygote();
  for (let n = 2; n < MACHINES_PER_LAYOUT; n++) assert.equal(typeof (await forkAndForget(zygote)), "number");
  assert.deepEqual(await zygote.settled(), { way: "zygote" });
  await using next = await forked(zygote);
  assert.notEqual(await layoutOf(next), await layoutOf(first));
  assert.equal(await onlyZygote(), process, "no further process was started for it");
  assert.ok((await isAlive(first)) && (await isAlive(second)));
});

test("a layout of addresses is used for a bounded time, whether machines start or not", async () => {
  const clock = new ManualClock();
  using zygote = await perlZygote({ clock });
  await using first = await forked(zygote);
  clock.advance(LAYOUT_MS - 1);
  await using second = await forked(zygote);
  assert.equal(await layoutOf(second), await layoutOf(first));
  await eventually("it is waited for", () => clock.sleepers(1) === 1);
  clock.advance(1);
  const before = await layoutOf(first);
  await eventually("machines have another layout", async () => {
    await zygote.settled();
    await using next = await forked(zygote);
    return (await layoutOf(next)) !== before;
  });
});

test("a changed library is loaded before the next machine is forked", async () => {
  const copy = join(directory, "library.so");
  await copyFile(library, copy);
  using zygote = await perlZygote({ library: copy });
  await using first = await forked(zygote);
  await utimes(copy, new Date(), new Date(0));
  assert.equal(await forkAndForget(zygote), "unused");
  assert.deepEqual(await zygote.settled(), { way: "zygote" });
  await using next = await forked(zygote);
  assert.notEqual(await layoutOf(next), await layoutOf(first));
});

test("when the zygote dies, machines live on, it is logged, and the next request replaces it", async () => {
  const { logger, lines } = recordingLogger();
  using zygote = await perlZygote({ logger });
  await using machine = await forked(zygote);
  process.kill(await onlyZygote(), "SIGKILL");
  await eventually("it is noticed", () => lines.length === 2);
  assert.deepEqual(lines, ["info host.machine_start zygote", "warn host.machine_start exec: SIGKILL"]);
  assert.equal(await forkAndForget(zygote), "unused");
  assert.deepEqual(await zygote.settled(), { way: "zygote" });
  assert.equal(typeof (await forkAndForget(zygote)), "number");
  assert.ok(await isAlive(machine));
});

test("a machine whose zygote dies before it is announced does not run", async () => {
  using zygote = await perlZygote();
  const barrier = await makeBarrier("killed");
  await using program = await jailedPerl(sleeps, { cgroups: [barrier] });
  const outcome = zygote.fork(program);
  await eventually("its supervisor waits", async () => (await supervisorsOf(program.directory)).length === 1);
  process.kill(await onlyZygote(), "SIGKILL");
  assert.equal(await outcome, "abandoned");
  await passBarrier(barrier);
  await eventually("its supervisor ends", async () => (await supervisorsOf(program.directory)).length === 0);
  const read = await readConsole(program.directory, () => ({ from: 0, most: 1000 }));
  assert.equal(read?.bytes.length, 0, "the program printed nothing");
});

test("what is left of an abandoned start writes nothing into the directory of the next one", async () => {
  using zygote = await perlZygote();
  const barrier = await makeBarrier("abandoned");
  await using program = await jailedPerl(sleeps, { cgroups: [barrier] });
  const outcome = zygote.fork(program);
  await eventually("its supervisor waits", async () => (await supervisorsOf(program.directory)).length === 1);
  process.kill(await onlyZygote(), "SIGKILL");
  assert.equal(await outcome, "abandoned");
  await rm(program.directory, { recursive: true });
  await passBarrier(barrier);
  await eventually("its supervisor ends", async () => (await supervisorsOf(program.directory)).length === 0);
  await assert.rejects(readdir(program.directory), { code: "ENOENT" });
});

test("a zygote that does not answer in time is ended, and the machine is left to be executed", async () => {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  using zygote = await perlZygote({ clock, logger });
  process.kill(await onlyZygote(), "SIGSTOP");
  await using program = await jailedPerl(sleeps);
  const outcome = zygote.fork(program);
  await eventually("its answer is waited for", () => clock.sleepers(1) === 2);
  clock.advance(60_000);
  assert.equal(await outcome, "abandoned");
  await eventually("it is logged", () => lines.length === 2);
  assert.match(lines[1] ?? "", /exec: it did not answer within 10 s/);
  assert.deepEqual(await readdir(program.directory), []);
});

test("where a zygote cannot be, the reason is logged once and it is tried again after a while", async () => {
  const attempts: readonly (readonly [Partial<ConstructorParameters<typeof MachineZygote>[0]>, RegExp])[] = [
    [{ library: "/nowhere/library.so" }, /ENOENT.*\/nowhere\/library\.so/],
    [{ program: "/nowhere/program" }, /ENOENT.*\/nowhere\/program/],
    // A static program loads no library.
    [{ program: jail }, /wrong arguments/],
    [{ program: "/etc/passwd" }, /EACCES/],
    [{ library: "/etc/passwd" }, /cannot be preloaded|exit code 0/],
  ];
  for (const [change, problem] of attempts) {
    const clock = new ManualClock();
    const { logger, lines } = recordingLogger();
    const base = { program: perl, library, preloaded: [], clock, logger };
    using zygote = new MachineZygote({ ...base, ...change });
    const program = change.program ?? perl;
    const fork = async (): Promise<unknown> => {
      await using request = await jailedPerl(sleeps, { program: [program] });
      return await zygote.fork(request);
    };
    zygote.start();
    const { way, problem: found = "" } = await zygote.settled();
    assert.equal(way, "exec");
    assert.match(found, problem);
    for (let n = 0; n < 3; n++) {
      assert.equal(await fork(), "unused");
      await zygote.settled();
      clock.advance(HOUR_MS);
    }
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] ?? "", /^warn host\.machine_start exec: /);
  }
});

test("many machines that are requested at once are all forked", async () => {
  using zygote = await perlZygote();
  const pids = await Promise.all(Array.from({ length: 60 }, () => forkAndForget(zygote)));
  assert.equal(new Set(pids).size, 60);
  assert.ok(pids.every((pid) => typeof pid === "number"));
});

test("another program than the loaded one, or a request that is too large, is left to be executed", async () => {
  using zygote = await perlZygote();
  await using other = await jailedPerl("", { program: ["/bin/true"] });
  assert.equal(await zygote.fork(other), "unused");
  await using large = await jailedPerl("x".repeat(70_000));
  assert.equal(await zygote.fork(large), "unused");
  assert.equal(typeof (await forkAndForget(zygote)), "number");
});

test("it ends when it is closed and when its owner is killed; machines live on", async () => {
  const closed = await perlZygote();
  await using machine = await forked(closed);
  const pid = await onlyZygote();
  closed[Symbol.dispose]();
  await eventually("the zygote is gone", async () => (await zygoteProcesses()).length === 0);
  assert.notEqual(pid, machine.pid);
  assert.ok(await isAlive(machine));
  assert.equal(await forkAndForget(closed), "unused");

  const program = fileURLToPath(new URL("support/zygote-owner.ts", import.meta.url));
  const owner = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = (await once(owner.stdout, "data")) as [Buffer];
  const owned = JSON.parse(String(text)) as {
    readonly zygote: number;
    readonly machine: ProcessIdentity;
    readonly directory: string;
  };
  owner.kill("SIGKILL");
  await eventually("the zygote is gone", async () => (await namesOf([owned.zygote])).length === 0);
  assert.ok(await isAlive(owned.machine));
  process.kill(owned.machine.pid, "SIGKILL");
  // Its supervisor writes into it until it has ended, too.
  await rm(owned.directory, { recursive: true, maxRetries: 10, retryDelay: 20 });
});

test("a program that forks leaves no zygote behind its own end", async () => {
  using zygote = await perlZygote();
  await using program = await jailedPerl(`$| = 1; print "runs\\n"; exit 0 if fork; sleep 60`);
  assert.equal(typeof (await zygote.fork(program)), "object");
  await printed(program, "runs");
  assert.equal(typeof (await forkAndForget(zygote)), "number");
});

async function supervisorsOf(path: string): Promise<readonly string[]> {
  const { stdout } = await runCommand(["pgrep", "-f", `wrenn-jail --run ${path}`]).catch(() => ({
    stdout: "",
  }));
  return stdout.split("\n").filter(Boolean);
}

async function namesOf(pids: readonly number[]): Promise<readonly string[]> {
  const { stdout } = await runCommand(["ps", "-o", "comm=", "-p", pids.join(",")]).catch(() => ({
    stdout: "",
  }));
  return stdout.split("\n").filter(Boolean);
}
