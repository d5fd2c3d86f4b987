import assert from "node:assert/strict";
import { chmod, chown, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { identifyProcess, isAlive, tryCommand } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { listMachines } from "@wrenn/vmm";
import type { MachineZygote } from "@wrenn/vmm";
import type { JailedProgram } from "../src/jail/jailed-program.ts";
import { startJailed } from "../src/jail/start-jailed.ts";
import {
  buildNativeParts,
  jail,
  jailedPerl,
  layoutOf,
  perl,
  perlZygote,
  printed,
  statusOf,
  supervisorOf,
  uid,
} from "./support/jailed-perl.ts";

/* The jail of a program is the same however the program is started. */

const signal = AbortSignal.timeout(5 * 60_000);
let zygote: MachineZygote | undefined;
let directory = "";

before(async () => {
  await buildNativeParts();
  zygote = await perlZygote();
  directory = await mkdtemp("/tmp/wz-");
  await chmod(directory, 0o755);
});
after(async () => {
  zygote?.[Symbol.dispose]();
  await rm(directory, { recursive: true, force: true });
});

/** landlock_create_ruleset(2) returns the version of the kernel's Landlock. */
const version = await tryCommand([perl, "-e", "print syscall(444, 0, 0, 1)"]);
const hasLandlock = Number(version.stdout) > 0;

const ways = {
  executed: (program: JailedProgram) => startJailed(program, tryCommand, signal),
  forked: async (program: JailedProgram): Promise<ProcessIdentity> => {
    const started = await zygote?.fork(program);
    assert.ok(typeof started === "object");
    return started;
  },
} as const;

/** Prints what it can see of itself, and then sleeps. */
const report = `$| = 1;
  use POSIX ();
  print "argument <$_>\\n" for @ARGV;
  print "variable $_=$ENV{$_}\\n" for sort keys %ENV;
  for my $fd (0 .. 1100) { my $copy = POSIX::dup($fd); if (defined $copy) { print "descriptor $fd\\n"; POSIX::close($copy) } }
  print "ids $< $> $( $)\\n";
  print "session ", POSIX::getpgrp() == 0 ? "of its supervisor" : "own", " process $$\\n";
  print "root ", join(" ", sort map { s|^/||r } glob("/*")), "\\n";
  print "writes ", (open(my $file, ">", "/made") ? "root" : "nothing"), "\\n";
  print "umask ", umask(), " directory ", POSIX::getcwd(), "\\n";
  print "ignores ", join(" ", grep { ($SIG{$_} // "") eq "IGNORE" } sort keys %SIG), "\\n";
  print "done\\n";
  sleep 60;`;

const seen: Record<string, string> = {};

for (const [way, start] of Object.entries(ways)) {
  suite(`a program that is ${way}`, () => {
    test("has its arguments, its environment and nothing else: no descriptor, file or right of the host", async () => {
      await using program = await jailedPerl(report, {
        environment: { FIRST: "1 2", EMPTY: "" },
        program: [perl, "-e", report, "one", "", "two words"],
      });
      const started = await start(program);
      const output = await printed(program, "done\n");
      process.kill(started.pid, "SIGKILL");
      const linesOf = (what: string): readonly string[] =>
        output
          .split("\n")
          .filter((line) => line.startsWith(`${what} `))
          .map((line) => line.slice(what.length + 1));
      assert.deepEqual(linesOf("argument"), ["<one>", "<>", "<two words>"]);
      assert.deepEqual(linesOf("variable"), ["EMPTY=", "FIRST=1 2"]);
      assert.deepEqual(linesOf("descriptor"), ["0", "1", "2"]);
      assert.deepEqual(linesOf("ids"), [`${uid} ${uid} ${uid} ${uid}`]);
      assert.deepEqual(linesOf("session"), ["of its supervisor process 1"]);
      assert.deepEqual(linesOf("root"), [["bin", "dev", "etc", "lib", "lib64", "usr"].join(" ")]);
      assert.deepEqual(linesOf("writes"), ["nothing"]);
      seen[way] = output;
    });

    test("is seen by the host as what it is: command lines, names, user, limits, namespaces", async () => {
      await using program = await jailedPerl(`$| = 1; print "runs\\n"; sleep 60`, {
        environment: { FIRST: "1" },
      });
      const started = await start(program);
      await printed(program, "runs\n");
      const { pid } = started;
      const supervisor = await supervisorOf(started);
      const own = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
      assert.deepEqual(own.slice(0, 3), program.program);
      assert.ok(own.slice(3).every((word) => word === ""));
      const parents = (await readFile(`/proc/${supervisor}/cmdline`, "utf8")).split("\0");
      assert.deepEqual(parents.slice(0, 3), [jail, "--run", program.directory]);
      const environment = await readFile(`/proc/${pid}/environ`, "utf8");
      assert.equal(environment.replaceAll("\0", " ").trim(), "FIRST=1");
      assert.equal((await readFile(`/proc/${supervisor}/environ`, "utf8")).replaceAll("\0", ""), "");
      const status = await statusOf(pid);
      assert.equal(status["Name"], "perl");
      assert.equal((await statusOf(supervisor))["Name"], "wrenn-jail");
      for (const one of [status, await statusOf(supervisor)]) {
        assert.match(one["Uid"] ?? "", new RegExp(`^${uid}\\s${uid}\\s${uid}\\s${uid}$`));
        assert.equal(one["Groups"], "");
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
          assert.match(one[set] ?? "", /^0+$/);
        assert.equal(one["NoNewPrivs"], "1");
      }
      const limits = await readFile(`/proc/${pid}/limits`, "utf8");
      assert.match(limits, /^Max core file size +0 +0 /m);
      assert.match(limits, /^Max open files +512 +512 /m);
      assert.match(limits, /^Max processes +512 +512 /m);
      assert.match(limits, /^Max locked memory +0 +0 /m);
      assert.match(limits, /^Max msgqueue size +0 +0 /m);
      assert.match(limits, /^Max file size +10485760 +10485760 /m);
      for (const kind of ["mnt", "pid", "ipc", "uts", "net"])
        assert.notEqual(await readlink(`/proc/${pid}/ns/${kind}`), await readlink(`/proc/self/ns/${kind}`));
      assert.deepEqual(await identifyProcess(pid), started);
      const session = (await readFile(`/proc/${pid}/stat`, "utf8")).split(" ")[5];
      assert.equal(session, String(supervisor), "a session of its own");
      const listed = (await listMachines()).find((machine) => machine.directory === program.directory);
      assert.equal(listed?.supervisor.pid, supervisor, "the sweep finds it");
      for (const fd of await readdir(`/proc/${supervisor}/fd`)) {
        const target = await readlink(`/proc/${supervisor}/fd/${fd}`);
        assert.ok(!target.startsWith("socket:"), `the supervisor holds ${target}`);
      }
      process.kill(pid, "SIGKILL");
    });

    test("is in its group before it runs", async () => {
      await using program = await jailedPerl("sleep 60", { cgroups: [join(directory, "group")] });
      await writeFile(join(directory, "group"), "");
      const { pid } = await start(program);
      assert.equal(await readFile(join(directory, "group"), "utf8"), "0");
      process.kill(pid, "SIGKILL");
    });

    test("ends with its supervisor, and its own end is reported", async () => {
      await using orphan = await jailedPerl("sleep 60");
      const started = await start(orphan);
      process.kill(await supervisorOf(started), "SIGKILL");
      await eventually("the program is gone", async () => !(await isAlive(started)));
      await using program = await jailedPerl("select(undef, undef, undef, 0.3); exit 3");
      const { pid } = await start(program);
      const exit = join(program.directory, "exit.json");
      await eventually("the report is there", async () => (await readFile(exit, "utf8")) !== "");
      const { at, ...how } = JSON.parse(await readFile(exit, "utf8")) as Record<string, number>;
      assert.deepEqual(how, { pid, code: 3, signal: 0 });
      assert.ok(at !== undefined && Math.abs(at - Date.now()) < 60_000);
      const machine = JSON.parse(await readFile(join(program.directory, "machine.json"), "utf8")) as {
        readonly pid: number;
      };
      assert.equal(machine.pid, pid);
    });

    test("makes the system calls of its filter, is ended by any other, and executes nothing", async () => {
      const scripts = {
        listed: `$| = 1; print "runs\n"; sleep 1; exit 7`,
        other: `$| = 1; print "runs\n"; sleep 1; syscall(321, 0, 0, 0); print "passed\n"`,
        exec: `$| = 1; print "runs\n"; sleep 1; exec "/usr/bin/true"; print "refused\n"; exit 8`,
        fork: `$| = 1; print "runs\n"; sleep 1; my $pid = fork; print defined $pid ? "forked\n" : "refused\n"`,
      };
      const ends: Record<string, readonly unknown[]> = {};
      for (const [name, script] of Object.entries(scripts)) {
        await using program = await jailedPerl(script, { filter: "emulated" });
        const started = await start(program);
        await printed(program, "runs\n");
        for (const thread of await readdir(`/proc/${started.pid}/task`)) {
          const status = await readFile(`/proc/${started.pid}/task/${thread}/status`, "utf8");
          assert.match(status, /^Seccomp:\t2$/m);
        }
        const exit = join(program.directory, "exit.json");
        await eventually("it has ended", async () => (await readFile(exit, "utf8")) !== "");
        const { code, signal: by } = JSON.parse(await readFile(exit, "utf8")) as Record<string, number>;
        const output = (await printed(program, "runs\n")).replace(/.*runs\n/s, "");
        ends[name] = [output, code, by];
      }
      assert.deepEqual(ends, {
        listed: ["", 7, 0],
        other: ["", -1, 31],
        // The filter of a forked program names execve; that of an executed one has no one left who would allow it.
        exec: way === "forked" ? ["", -1, 31] : ["refused\n", 8, 0],
        fork: ["", -1, 31],
      });
    });

    test(
      "makes files only where it may write, and links and directories nowhere",
      { skip: !hasLandlock },
      async () => {
        const attempts = `$| = 1;
        sub tried { my ($what, $done) = @_; print "$what ", $done ? "done" : $! + 0, "\n" }
        tried("file", open(my $file, ">", "$ENV{RUN}/made"));
        tried("removal", unlink("$ENV{RUN}/made"));
        tried("link", symlink("/etc/shadow", "$ENV{RUN}/link"));
        tried("directory", mkdir("$ENV{RUN}/directory"));
        tried("execution", system("/usr/bin/true") == 0);
        print "done\n"; sleep 60;`;
        const writable = await mkdtemp(join(directory, "writable-"));
        await chown(writable, uid, uid);
        await using program = await jailedPerl(attempts, {
          writable: [writable],
          environment: { RUN: writable },
        });
        const { pid } = await start(program);
        const output = await printed(program, "\ndone\n");
        process.kill(pid, "SIGKILL");
        assert.equal(output, "file done\nremoval done\nlink 13\ndirectory 13\nexecution done\ndone\n");
      },
    );

    test("does not start in a jail that cannot be built, and the cause is reported", async () => {
      const attempts: readonly (readonly [Partial<JailedProgram>, RegExp])[] = [
        [{ readable: ["/nowhere/file"] }, /wrenn-jail: \/nowhere\/file: No such file/],
        [{ namespace: "/nowhere/netns" }, /wrenn-jail: \/nowhere\/netns: No such file/],
        [{ cgroups: ["/nowhere/tasks"] }, /wrenn-jail: \/nowhere\/tasks: No such file/],
        [{ devices: ["/dev/nothing"] }, /wrenn-jail: \/dev\/nothing: No such file/],
        [{ system: "/nowhere" }, /wrenn-jail: \/nowhere: No such file/],
        [{ uid: 0 }, /wrenn-jail: wrong arguments/],
        [{ directory: "/nowhere" }, /wrenn-jail: \/nowhere: No such file/],
      ];
      for (const [change, message] of attempts) {
        await using program = await jailedPerl("sleep 60");
        await assert.rejects(start({ ...program, ...change }), { reason: "machine_start_failed", message });
        const running = (await listMachines()).filter((machine) => machine.directory === program.directory);
        assert.deepEqual(running, []);
      }
    });
  });
}

test("forked programs share their addresses, and each has a stack guard of its own", async () => {
  // arch_prctl(ARCH_GET_FS) gives the thread's block, which has the guard at a place that compilers know.
  const script = `$| = 1;
    my $base = pack("Q", 0);
    syscall(158, 0x1003, $base) == 0 or die;
    printf "guard %016x\n", unpack("Q", unpack("P8", pack("Q", unpack("Q", $base) + 0x28)));
    sleep 60;`;
  const guards: string[] = [];
  const layouts: string[] = [];
  for (let n = 0; n < 2; n++) {
    await using program = await jailedPerl(script);
    const started = await ways.forked(program);
    guards.push(/guard ([0-9a-f]{16})/.exec(await printed(program, "\n"))?.[1] ?? "");
    layouts.push(await layoutOf(started));
    process.kill(started.pid, "SIGKILL");
  }
  assert.equal(layouts[0], layouts[1]);
  assert.notEqual(guards[0], guards[1]);
  for (const guard of guards) assert.match(guard, /[1-9a-f].*00$/);
});

test("both ways show the program the same", () => {
  assert.ok(seen["executed"]?.includes("umask "));
  assert.equal(seen["forked"], seen["executed"]);
});
