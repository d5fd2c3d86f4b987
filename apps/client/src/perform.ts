import { Context } from "./context.ts";
import type { CommonOptions, Setup, Terminal } from "./context.ts";
import { exitCodes, signalCodes } from "./errors/exit-codes.ts";
import type { SignalName } from "./errors/exit-codes.ts";
import { explainOldServer } from "./errors/explain-old-server.ts";
import { Exit, reportFailure } from "./errors/report-failure.ts";

export interface PerformOptions {
  /** Whether the command passes exit codes of programs on. */
  readonly runsPrograms?: boolean;
}

/**
 * Runs a command: its failure is reported, an interrupt aborts its signal unless the command handles it, and a reader of standard output
 * that goes away ends it quietly. An interrupt during the clean-up after an interrupt ends the process at once. Gives the exit code.
 */
export async function perform(
  terminal: Terminal,
  setup: Setup,
  common: CommonOptions,
  { runsPrograms = false }: PerformOptions,
  work: (context: Context) => Promise<void>,
): Promise<number> {
  const interrupted = new AbortController();
  const context = new Context(terminal, setup, common, interrupted);
  const listeners = Object.entries(signalCodes).map(([name, code]) => {
    const onSignal = (): void => {
      if (interrupted.signal.aborted) process.exit(code);
      else if (context.signalHandler) context.signalHandler(name as SignalName);
      else interrupted.abort(new Exit(code));
    };
    process.on(name, onSignal);
    return () => process.off(name, onSignal);
  });
  const onOutputError = (error: NodeJS.ErrnoException): void =>
    interrupted.abort(error.code === "EPIPE" ? new Exit(exitCodes.outputClosed.code) : error);
  terminal.stdout.on("error", onOutputError);
  terminal.stderr.on("error", onOutputError);
  try {
    await work(context);
    interrupted.signal.throwIfAborted();
    return exitCodes.ok.code;
  } catch (error) {
    const failure: unknown = interrupted.signal.aborted
      ? interrupted.signal.reason
      : await explainOldServer(context, error);
    return reportFailure(failure, context.output, runsPrograms);
  } finally {
    for (const remove of listeners) remove();
  }
}
