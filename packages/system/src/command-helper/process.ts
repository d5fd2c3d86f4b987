import { defined, problemOf, WrennError } from "@wrenn/core";
import { tryCommand } from "../run-command.ts";
import type { FromHelper, ToHelper } from "./messages.ts";

/** The process of a {@link CommandHelper}. It ends when its owner has gone and its commands have ended. */
const running = new Map<number, AbortController>();

function report(message: FromHelper): void {
  if (process.connected) process.send?.(message);
}

async function run({ ref, argv, type: _run, ...options }: Extract<ToHelper, { type: "run" }>): Promise<void> {
  const abort = new AbortController();
  running.set(ref, abort);
  const onStdout = (text: string): void => report({ type: "stdout", ref, text });
  try {
    const result = await tryCommand(argv, { ...options, onStdout, signal: abort.signal });
    report({ type: "done", ref, result });
  } catch (error) {
    const missing = WrennError.is(error, "dependency_missing") ? argv[0] : undefined;
    report({ type: "failed", ref, problem: problemOf(error), ...defined({ missing }) });
  } finally {
    running.delete(ref);
  }
}

// A signal that ends the owner comes to its whole group: its last commands are still to be run.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.on("message", (message: ToHelper) => {
  if (message.type === "run") void run(message);
  else running.get(message.ref)?.abort(new Error("aborted"));
});
