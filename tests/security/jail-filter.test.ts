import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand, tryCommand } from "@wrenn/system";
import { readConsole } from "@wrenn/vmm";
import { startJailed } from "../../packages/vmm/src/jail/start-jailed.ts";
import type { JailedProgram } from "../../packages/vmm/src/jail/jailed-program.ts";
import { jailedPerl } from "../../packages/vmm/test/support/jailed-perl.ts";
import { projectRoot } from "../support/sources.ts";

/* A program that has taken over the machine's jail, under the machine's filter: which system calls reach the kernel. */

const native = join(projectRoot, "native/jail");
const signal = AbortSignal.timeout(10 * 60_000);
const SIGSYS = 31;
/** The newest system call that the lists know; see filter.h. */
const NEWEST = 469;
/** uretprobe and uprobe: newer kernels ask no filter about them, and refuse them outside of code that the kernel has placed. */
const UNFILTERED: ReadonlySet<number> = new Set([335, 336]);

/** All that the jail has. */
let system = "";
const hostile = "/usr/bin/hostile";

before(async () => {
  await runCommand(["make", "-s", "-C", native, "all", "build/hostile"]);
  system = await mkdtemp("/tmp/wh-");
  await chmod(system, 0o755);
  await mkdir(join(system, "usr/bin"), { recursive: true });
  await copyFile(join(native, "build/hostile"), join(system, hostile));
});
after(() => rm(system, { recursive: true, force: true }));

/** The program's result: what it printed, or that the kernel ended it. */
async function outcome(words: readonly (number | string)[], change: Partial<JailedProgram>): Promise<string> {
  try {
    return await attempt(words, change, 10);
  } catch (error) {
    // On a busy host it may end while it is started, which is an error of the start.
    if (!(error instanceof Error) || !error.message.includes("the program ended at once")) throw error;
    return await attempt(words, change, 500);
  }
}

async function attempt(
  words: readonly (number | string)[],
  change: Partial<JailedProgram>,
  pauseMs: number,
): Promise<string> {
  await using program = await jailedPerl("", {
    system,
    environment: { PAUSE_MS: String(pauseMs) },
    program: [hostile, ...words.map(String)],
    ...change,
  });
  await startJailed(program, tryCommand, signal);
  let report: { readonly code: number; readonly signal: number } | undefined;
  await eventually("the program has ended", async () => {
    const text = await readFile(join(program.directory, "exit.json"), "utf8").catch(() => "");
    report = text === "" ? undefined : (JSON.parse(text) as typeof report);
    return report !== undefined;
  });
  if (report?.signal === SIGSYS) return "killed";
  if (report?.code !== 0) return `signal ${report?.signal}, exit code ${report?.code}`;
  const console = await readConsole(program.directory, () => ({ from: 0, most: 65_536 }));
  return (console?.bytes.toString() ?? "").trim();
}

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Numbers that the lists name, with or without conditions: a change of the lists is a change here. */
// prettier-ignore
const listed: readonly number[] = [
  0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 24, 25, 28, 35, 39,
  41, 42, 44, 45, 46, 47, 48, 50, 51, 52, 54, 55, 56, 60, 63, 72, 74, 75, 77, 89, 96, 99, 102, 104,
  107, 108, 131, 137, 138, 157, 158, 186, 201, 202, 204, 218, 219, 221, 228, 229, 230, 231, 232, 233, 234, 238, 239, 257, 262, 269,
  271, 273, 281, 285, 288, 289, 290, 291, 295, 296, 302, 317, 318, 319, 323, 324, 332, 334, 425, 435, 436, 437, 439, 441, 462,
];
/** Those that only the list for KVM names. */
const listedForKvm: readonly number[] = [127, 128];

for (const filter of ["emulated", "kvm"] as const) {
  suite(`a hostile program under the filter ${filter}`, () => {
    test("is ended by every system call that is not listed, and newer ones do not exist", async () => {
      const names = new Set([...listed, ...(filter === "kvm" ? listedForKvm : [])]);
      // One executed program is all that a jail has; see below.
      const others = range(0, 600).filter((number) => !names.has(number) && number !== 59);
      const wrong: string[] = [];
      for (const number of others) {
        const found = await outcome(["call", number], { filter });
        const isRefused = UNFILTERED.has(number)
          ? found !== "done"
          : found === (number > NEWEST ? "refused: ENOSYS" : "killed");
        if (!isRefused) wrong.push(`${number}: ${found}`);
      }
      assert.deepEqual(wrong, []);
    });

    test("cannot use the parts of the kernel that machines do not need", async () => {
      const attempts: Readonly<Record<string, readonly [readonly (number | string)[], string]>> = {
        bpf: [["call", 321], "killed"],
        io_uring_setup: [["call", 425, 8], "refused: ENOSYS"],
        userfaultfd: [["call", 323, 1], "refused: ENOSYS"],
        perf_event_open: [["call", 298], "killed"],
        keyctl: [["call", 250], "killed"],
        add_key: [["call", 248], "killed"],
        ptrace: [["call", 101, 0], "killed"],
        process_vm_readv: [["call", 310, 1], "killed"],
        pidfd_getfd: [["call", 438], "killed"],
        open_by_handle_at: [["call", 304], "killed"],
        modify_ldt: [["call", 154, 1], "killed"],
        "socket of AF_INET": [["call", 41, 2, 1], "killed"],
        "socket of AF_NETLINK": [["call", 41, 16, 3], "killed"],
        "socket of AF_PACKET": [["call", 41, 17, 3], "killed"],
        "socket of AF_ALG": [["call", 41, 38, 5], "killed"],
        "socket of AF_VSOCK": [["call", 41, 40, 1], "killed"],
        "socket of AF_UNIX for datagrams": [["call", 41, 1, 2], "killed"],
        "socket of AF_UNIX": [["call", 41, 1, 1], "done"],
        open_tree: [["call", 428], "killed"],
        fsopen: [["call", 430], "killed"],
        move_mount: [["call", 429], "killed"],
        chroot: [["call", 161], "killed"],
        mknod: [["call", 133], "killed"],
        fanotify_init: [["call", 300], "killed"],
        symlink: [["call", 88], "killed"],
        chown: [["call", 92], "killed"],
        "clone of a process": [["call", 56, 17], "killed"],
        "clone into a user namespace": [["call", 56, 0x10000000], "killed"],
        clone3: [["call", 435], "refused: ENOSYS"],
        "prctl(PR_SET_DUMPABLE)": [["call", 157, 4, 1], "killed"],
        "a higher limit of its own": [["call", 302, 0, 7, 1], "killed"],
        "a signal to another process": [["call", 234, 2, 2, 9], "killed"],
        "ioctl(TIOCSTI)": [["call", 16, 0, 0x5412], "refused: ENOTTY"],
        "a filter with a listener": [["call", 317, 1, 8], "refused: EINVAL"],
        "a call of x32": [["call", 0x40000000 + 39], "killed"],
        "a call of i386": [["i386", 20], "killed"],
      };
      const found: Record<string, string> = {};
      const expected: Record<string, string> = {};
      for (const [name, [words, wanted]] of Object.entries(attempts)) {
        expected[name] = wanted;
        found[name] = await outcome(words, { filter });
      }
      assert.deepEqual(found, expected);
    });

    test("has been executed, and cannot execute another program", async () => {
      assert.equal(await outcome(["call", 39], { filter }), "done");
      assert.equal(await outcome(["exec", hostile], { filter }), "refused: ENOSYS");
    });

    test(
      filter === "kvm"
        ? "cannot run code that it has written"
        : "runs code that it has written: it translates",
      async () => assert.equal(await outcome(["map"], { filter }), filter === "kvm" ? "killed" : "done"),
    );
  });
}

test("without a filter the same calls reach the kernel", async () => {
  assert.equal(await outcome(["call", 41, 16, 3], {}), "done");
  assert.equal(await outcome(["exec", hostile], {}), "done");
  assert.equal(await outcome(["i386", 20], {}), "done");
});

test("a list that does not exist starts nothing", async () => {
  const change = { filter: "none" } as unknown as Partial<JailedProgram>;
  await using program = await jailedPerl("", change);
  await assert.rejects(startJailed(program, tryCommand, signal), {
    reason: "machine_start_failed",
    message: /wrong arguments/,
  });
});
