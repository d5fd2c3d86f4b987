import { readFile, rm } from "node:fs/promises";
import { runCommand } from "@wrenn/system";

/**
 * Removes a directory in which something was built; does nothing when there is none. What is mounted in it is taken off first: builders
 * of earlier versions that were killed left directories of the host there, such as `/dev/shm`, whose contents would go too.
 *
 * @throws WrennError `command_failed` when a mount stays; nothing has been removed then.
 */
export async function removeBuild(directory: string): Promise<void> {
  for (const point of await mountsBelow(directory)) await runCommand(["umount", "--lazy", "--", point]);
  await rm(directory, { recursive: true, force: true });
}

/** Mount points inside a directory, the innermost first. */
async function mountsBelow(directory: string): Promise<readonly string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table
    .split("\n")
    .map((line) => unescape(line.split(" ")[4] ?? ""))
    .filter((point) => point.startsWith(`${directory}/`))
    .toReversed();
}

/** The kernel writes blanks, tabs, newlines and backslashes as three octal digits (proc_pid_mountinfo(5)). */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_whole, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
