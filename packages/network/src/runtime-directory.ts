import { chmod, mkdir } from "node:fs/promises";

/** What the kernel's share of an installation is known by; gone after a reboot, as that is. */
export const RUNTIME_DIRECTORY = "/run/wrenn";

/** Makes a directory at or below {@link RUNTIME_DIRECTORY}, which only root may look into: it names data directories. */
export async function makeRuntimeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  // An earlier version left them open to everyone.
  for (const directory of [RUNTIME_DIRECTORY, path]) await chmod(directory, 0o700);
}
