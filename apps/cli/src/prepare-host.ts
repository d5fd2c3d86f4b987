import { problemOf } from "@wrenn/core";
import { buildNative, installMissing, packClients } from "@wrenn/host-setup";
import { ProgressDisplay } from "./output/progress.ts";
import { projectRoot } from "./project-root.ts";

export interface PrepareOptions {
  readonly forTests?: boolean;
  readonly forLongTests?: boolean;
  /** Whether the packages that the server offers to client machines are made, too. */
  readonly packsClients?: boolean;
}

/** Installs missing Debian packages and builds the native parts; quick when there is nothing to do. */
export async function prepareHost({ packsClients = false, ...options }: PrepareOptions = {}): Promise<void> {
  const display = new ProgressDisplay(process.stderr);
  const { signal } = new AbortController();
  const build = { projectRoot, progress: display.update, signal };
  await installMissing({ progress: display.update, signal, ...options });
  await buildNative(build);
  // A server without these packages is still a server; `/download` explains itself.
  const failure = packsClients ? await packClients(build).then(() => undefined, problemOf) : undefined;
  display.done();
  if (failure !== undefined) process.stderr.write(`wrenn: nothing to install at /download: ${failure}\n`);
}
