import { chmod, mkdir } from "node:fs/promises";

/** What the kernel's share of an installation is known by; gone after a reboot, as that is. */
export const RUNTIME_DIRECTORY = "/run/wrenn";

/** Makes a directory at or below {@link RUNTIME_DIRECTORY}, which only root may look into: it names data directories. */
export async function makeRuntimeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  // An earlier version left it open to everyone.
  await chmod(RUNTIME_DIRECTORY, 0o700);
}
