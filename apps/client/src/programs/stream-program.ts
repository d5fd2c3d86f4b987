import { isWrennError } from "@wrenn/sdk";
import type { BytesChunk, Capsule, CommandBytesResult, CommandHandle } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { exitCodes, signalCodes } from "../errors/exit-codes.ts";
import type { SignalName } from "../errors/exit-codes.ts";
import { PassedSignals } from "./passed-signals.ts";
import { commandOf } from "./program-options.ts";
import type { ProgramOptions } from "./program-options.ts";
import { describeResult, RESULT_BYTES } from "./program-result.ts";
import { writeAll } from "./write-all.ts";

/** A program whose streams become ours. */
export interface StreamedProgram {
  readonly words: readonly string[];
  readonly options: ProgramOptions;
  /** Standard input is ours; otherwise it is empty. */
  readonly hasInput: boolean;
  /** Says what becomes of the program when the user leaves it. */
  readonly onLeave: (handle: CommandHandle<BytesChunk>) => void;
}

/**
 * Runs a program in a capsule with this process's streams, and gives its exit code. Signals go to the program; one that is repeated leaves
 * it. When standard output closes, the program is ended.
 *
 * @throws WrennError of the SDK; the reason of the context's signal.
 */
export async function streamProgram(
  context: Context,
  capsule: Capsule,
  { words, options, hasInput, onLeave }: StreamedProgram,
): Promise<number> {
  const { stdin } = context.terminal;
  const { cmd, args } = commandOf(words);
  let handle: CommandHandle<BytesChunk> | undefined;
  try {
    handle = await capsule.commands.run(cmd, {
      args,
      envs: options.env,
      cwd: options.cwd,
      user: options.user,
      timeoutMs: options.timeout,
      tag: options.tag,
      background: true,
      encoding: "bytes",
      maxOutputBytes: RESULT_BYTES,
      signal: context.signal,
      ...(hasInput ? { stdin } : {}),
    });
    context.signalHandler = passOn(context, capsule, handle, onLeave);
    return context.output.isJson ? await collect(context, handle) : await follow(context, handle, options);
  } finally {
    context.signalHandler = undefined;
    // A program that is to be ended has ended before this process.
    await handle?.[Symbol.asyncDispose]();
    // Reading on would keep the process alive while the input stays open.
    if (hasInput) stdin.destroy();
  }
}

function passOn(
  context: Context,
  { commands }: Capsule,
  handle: CommandHandle<BytesChunk>,
  onLeave: StreamedProgram["onLeave"],
): (name: SignalName) => void {
  const signals = new PassedSignals();
  return (name) => {
    if (signals.receive(name) === "leave") {
      handle.detach();
      onLeave(handle);
      context.interrupt(signalCodes[name]);
    } else {
      // Failing to reach the server is seen by the output, too; a program that has ended needs no signal.
      commands.signal(handle.tag, name, { signal: context.signal }).catch(() => undefined);
    }
  };
}

async function follow(
  context: Context,
  handle: CommandHandle<BytesChunk>,
  { timeout }: ProgramOptions,
): Promise<number> {
  try {
    await followOutput(context, handle);
    return (await handle.wait()).exitCode;
  } catch (error) {
    if (!isWrennError(error, "command_timed_out")) throw error;
    context.output.note(`wrenn: ended after ${(timeout ?? 0) / 1000} s (--timeout)`);
    return exitCodes.timedOut.code;
  }
}

/** Writes the output of a program to our own. @throws as iterating over the handle, and as {@link writeAll}. */
export async function followOutput(context: Context, handle: CommandHandle<BytesChunk>): Promise<void> {
  const { stdout, stderr } = context.terminal;
  for await (const { stream, bytes, droppedBefore } of handle) {
    if (droppedBefore > 0)
      context.output.note(`wrenn: ${droppedBefore} bytes of ${stream} are no longer kept`);
    await writeAll(stream === "stdout" ? stdout : stderr, bytes, context.signal);
  }
}

async function collect({ output }: Context, handle: CommandHandle<BytesChunk>): Promise<number> {
  let result: CommandBytesResult;
  let isTimedOut = false;
  try {
    result = await handle.wait();
  } catch (error) {
    if (!isWrennError(error, "command_timed_out")) throw error;
    result = error.details?.["result"] as CommandBytesResult;
    isTimedOut = true;
  }
  output.data(describeResult(result, isTimedOut), () => "");
  return result.exitCode;
}
