import type { CapsuleFiles } from "@wrenn/protocol";
import { readKernelFile } from "./read-kernel-file.ts";

const MOUNTS = "/proc/mounts";

/** Types of file systems whose files are on another machine. */
const NETWORK: ReadonlySet<string> = new Set([
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "9p",
  "ceph",
  "afs",
  "fuse.sshfs",
  "fuse.s3fs",
  "fuse.rclone",
]);

/** Whether a real path lies on a file system of another machine, by the mounts of the guest. */
export async function isOnNetwork(path: string, files: CapsuleFiles, signal: AbortSignal): Promise<boolean> {
  return NETWORK.has(typeAt(path, await readKernelFile(MOUNTS, files, signal)) ?? "");
}

/** Type of the file system that has a path, by the lines of proc_mounts(5): the last one of the longest mount point above it. */
export function typeAt(path: string, mounts: string): string | undefined {
  let longest = -1;
  let found: string | undefined;
  for (const line of mounts.split("\n")) {
    const [, escaped = "", type] = line.split(" ");
    const point = escaped.replaceAll(/\\([0-7]{3})/g, (_whole, octal: string) =>
      String.fromCodePoint(Number.parseInt(octal, 8)),
    );
    const isAbove = point === "/" || path === point || path.startsWith(`${point}/`);
    if (!isAbove || point.length < longest || point === "") continue;
    longest = point.length;
    found = type;
  }
  return found;
}
