import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { CommandOptions, CommandResult } from "../run-command.ts";
import type { FromHelper, HelperCommandOptions, ToHelper } from "./messages.ts";

const PROGRAM = join(import.meta.dirname, "process.ts");
const HEAP_MIB = 64;

/** Runs programs as `tryCommand` does. */
export type RunProgram = (
  argv: readonly [string, ...string[]],
  options?: HelperCommandOptions & Pick<CommandOptions, "signal" | "onStdout">,
) => Promise<CommandResult>;

interface Pending {
  readonly child: ChildProcess;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: unknown) => void;
  readonly onStdout: ((text: string) => void) | undefined;
}

/**
 * A small process that runs programs for a large one. To start a program, a process copies its page tables, and waits until the program
 * has begun: its event loop stands still for milliseconds, on a busy host for tens of them. This one sends a message instead.
 */
export class CommandHelper implements Disposable {
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | undefined;
  #nextRef = 1;

  /** Starts the process, which is quickest while the caller is small. Without it the first command does. */
  start(): void {
    this.#connected();
  }

  /**
   * The same as `tryCommand`, but standard output arrives at `onStdout` from another process.
   *
   * @throws WrennError `command_failed` also when the helper ended over the command, which may have had its effect.
   */
  readonly run: RunProgram = async (argv, { signal, onStdout, ...request } = {}) => {
    signal?.throwIfAborted();
    const child = this.#connected();
    const ref = this.#nextRef++;
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    this.#pending.set(ref, { child, resolve, reject, onStdout });
    const abort = (): void => {
      if (child.connected) child.send({ type: "abort", ref } satisfies ToHelper);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      child.send({ type: "run", ref, argv, ...request } satisfies ToHelper, (error) => {
        if (error) reject(helperEnded());
      });
      const result = await promise;
      // A program that runs on belongs to the caller, who ends it.
      if (!request.untilOutputEnds) signal?.throwIfAborted();
      return result;
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#pending.delete(ref);
    }
  };

  /** Lets the process end, as soon as its commands have ended. */
  [Symbol.dispose](): void {
    const child = this.#child;
    this.#child = undefined;
    if (child?.connected) child.disconnect();
  }

  #connected(): ChildProcess {
    if (this.#child?.connected) return this.#child;
    const child = fork(PROGRAM, [], {
      execArgv: [`--max-old-space-size=${HEAP_MIB}`, "--max-semi-space-size=1"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "json",
    });
    child.on("message", (message: FromHelper) => this.#receive(message));
    const gone = (): void => {
      for (const pending of this.#pending.values())
        if (pending.child === child) pending.reject(helperEnded());
    };
    child.once("error", gone);
    child.once("disconnect", gone);
    this.#child = child;
    return child;
  }

  #receive(message: FromHelper): void {
    const pending = this.#pending.get(message.ref);
    if (!pending) return;
    if (message.type === "stdout") pending.onStdout?.(message.text);
    else if (message.type === "done") pending.resolve(message.result);
    else
      pending.reject(
        message.missing === undefined
          ? new WrennError("command_failed", { command: "a command", problem: message.problem })
          : new WrennError("dependency_missing", { what: message.missing }),
      );
  }
}

function helperEnded(): WrennError {
  return new WrennError("command_failed", {
    command: "a command",
    problem: "the process that runs commands has ended",
  });
}
