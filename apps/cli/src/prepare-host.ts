import { buildNative, installMissing } from "@wrenn/host-setup";
import { ProgressDisplay } from "./output/progress.ts";
import { projectRoot } from "./project-root.ts";

/** Installs missing Debian packages and builds the native parts; quick when there is nothing to do. */
export async function prepareHost(
  options: { readonly forTests?: boolean; readonly forLongTests?: boolean } = {},
): Promise<void> {
  const display = new ProgressDisplay(process.stderr);
  const { signal } = new AbortController();
  await installMissing({ progress: display.update, signal, ...options });
  await buildNative({ projectRoot, progress: display.update, signal });
  display.done();
}
