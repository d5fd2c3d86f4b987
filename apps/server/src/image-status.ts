import { runCommand } from "@wrenn/system";

/** dpkg's status file in a disk image, which is not mounted. @throws WrennError `command_failed`. */
export async function readImageStatus(image: string, signal: AbortSignal): Promise<string> {
  let status = "";
  await runCommand(["debugfs", "-R", "cat /var/lib/dpkg/status", image], {
    signal,
    onStdout: (text) => {
      status += text;
    },
  });
  return status;
}
