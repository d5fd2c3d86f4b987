import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { MachineZygote, readConsole } from "@wrenn/vmm";
import type { JailedProgram } from "../../src/jail/jailed-program.ts";
import { ManualClock } from "./manual-clock.ts";

/* Perl in the place of QEMU: part of every Debian, small, and it reports what it sees. */
export const perl = "/usr/bin/perl";
export const uid = 199_090;

const native = fileURLToPath(new URL("../../../../native", import.meta.url));
export const library = join(native, "zygote/build/wrenn-zygote.so");
export const jail = join(native, "jail/build/wrenn-jail");

export async function buildNativeParts(): Promise<void> {
  for (const part of ["jail", "zygote"]) await runCommand(["make", "-s", "-C", join(native, part), "all"]);
}

/** A program in a directory of its own, which is removed with what is returned. */
export async function jailedPerl(
  script: string,
  change: Partial<JailedProgram> = {},
): Promise<JailedProgram & AsyncDisposable> {
  const directory = await mkdtemp("/tmp/wz-");
  await chmod(directory, 0o700);
  return {
    jail,
    directory,
    uid,
    gid: uid,
    cgroups: [],
    readable: [],
    libraries: [],
    writable: [],
    descriptors: [],
    devices: ["/dev/null", "/dev/urandom"],
    fileMib: 10,
    environment: {},
    program: [perl, "-e", script],
    ...change,
    // Its supervisor may be about to write its report.
    [Symbol.asyncDispose]: () =>
      rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }),
  };
}

/** A zygote of Perl that is ready. */
export async function perlZygote(
  change: { readonly clock?: Clock; readonly logger?: Logger; readonly library?: string } = {},
): Promise<MachineZygote> {
  const base = { program: perl, library, preloaded: [], clock: new ManualClock(), logger: silentLogger };
  const zygote = new MachineZygote({ ...base, ...change });
  zygote.start();
  await zygote.settled();
  return zygote;
}

/** What a program has printed, once that includes the text. */
export async function printed({ directory }: JailedProgram, text: string): Promise<string> {
  let output = "";
  await eventually(`the program prints ${text}`, async () => {
    const read = await readConsole(directory, () => ({ from: 0, most: 1 << 20 }));
    output = read?.bytes.toString() ?? "";
    return output.includes(text);
  });
  return output;
}

/** The fields of /proc/PID/status. */
export async function statusOf(pid: number): Promise<Readonly<Record<string, string>>> {
  const lines = (await readFile(`/proc/${pid}/status`, "utf8")).split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.split(":")[0] ?? "", line.split(":")[1]?.trim() ?? ""]),
  );
}

export async function supervisorOf({ pid }: ProcessIdentity): Promise<number> {
  return Number((await statusOf(pid))["PPid"]);
}

/** Where the program has its C library: the same for all programs that share a layout of addresses. */
export async function layoutOf({ pid }: ProcessIdentity): Promise<string> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  return /^([0-9a-f]+)-.*libc\.so/m.exec(maps)?.[1] ?? "no C library";
}

/** The process of a zygote that this process has started. */
export async function zygoteProcesses(): Promise<readonly number[]> {
  const { stdout } = await runCommand(["pgrep", "-x", "-P", String(process.pid), "wrenn-zygote"]).catch(
    () => ({
      stdout: "",
    }),
  );
  return stdout.split("\n").filter(Boolean).map(Number);
}
