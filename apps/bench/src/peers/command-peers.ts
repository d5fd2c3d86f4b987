import { mkdtemp, rm } from "node:fs/promises";
import { untilOutput } from "./first-output.ts";
import { onlyStarts } from "./peer.ts";
import type { OpenPeer, Peer, PeerMachine } from "./peer.ts";
import { memoryOfTree } from "./processes.ts";

/** It ends when its standard input does. */
const PROGRAM = ["sh", "-c", "echo ready; exec cat"] as const;

/** Namespaces around one command, as desktop applications have them. */
export const bubblewrap: Peer = {
  name: "bwrap",
  isolates:
    "namespaces only, without cgroups: all commands share the host's kernel and its programs, read-only",
  needs: [{ program: "bwrap", debianPackage: "bubblewrap" }],
  lacks: onlyStarts("it runs one command, and has no way into it"),
  open: async () => {
    // Not all of the root: mounts of network namespaces below it can vanish while bwrap copies them.
    const programs = ["bin", "lib", "lib64", "sbin"].flatMap((name) => [
      "--symlink",
      `usr/${name}`,
      `/${name}`,
    ]);
    const mounts = ["--ro-bind", "/usr", "/usr", ...programs, "--dev", "/dev", "--proc", "/proc"];
    const argv = ["bwrap", ...mounts, "--unshare-all", "--die-with-parent", ...PROGRAM];
    return { start: async (signal) => await startCommand(argv, signal), dispose: async () => {} };
  },
};

/** gVisor around one command, without a container engine. */
export const gvisorDo: Peer = {
  name: "runsc do",
  isolates: "user-space kernel: gVisor answers the system calls, without a network",
  needs: [{ program: "runsc", debianPackage: "runsc" }],
  lacks: onlyStarts("it runs one command, and has no way into it"),
  open: async () => {
    const directory = await mkdtemp("/tmp/wrenn-bench-runsc-");
    const argv = ["runsc", "--root", directory, "--network=none", "do", ...PROGRAM];
    return {
      start: async (signal) => await startCommand(argv, signal),
      dispose: async () => await rm(directory, { recursive: true, force: true }),
    };
  },
};

/** A machine that is one command: none of the other methods is called, since the peer lacks them. */
async function startCommand(
  argv: readonly string[],
  signal: AbortSignal,
): Promise<Awaited<ReturnType<OpenPeer["start"]>>> {
  const { ms, child, exit } = await untilOutput(argv, signal);
  return {
    ms,
    machine: {
      ...noWayIn,
      memoryMiB: async () => await memoryOfTree(child.pid ?? 0),
      end: async () => {
        child.stdin.end();
        await exit;
      },
    },
  };
}

/** Methods of machines whose peer {@link onlyStarts} them. */
export const noWayIn: Omit<PeerMachine, "memoryMiB" | "end"> = {
  exec: refuse,
  upload: refuse,
  download: refuse,
  pauseAndResume: refuse,
};

async function refuse(): Promise<number> {
  return await Promise.reject(new Error("this peer only starts machines"));
}
