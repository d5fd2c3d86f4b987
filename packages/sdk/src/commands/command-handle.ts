import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, orAborted } from "../transport/abort.ts";
import type { AbortLink } from "../transport/abort.ts";
import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { requireKnownOptions } from "../transport/options.ts";
import { CollectedOutput } from "./collected-output.ts";
import { commandFailed, commandResult, commandTimedOut } from "./command-result.ts";
import type { CommandBytesResult, CommandResult } from "./command-result.ts";
import { endProcess } from "./end-process.ts";
import { followOutput } from "./follow-output.ts";
import { OutputChunks } from "./output-chunks.ts";
import type { BytesChunk, TextChunk } from "./output-chunks.ts";
import type { CommandExit, OutputOffsets } from "./output-events.ts";
import type { ProcessApi } from "./process-api.ts";
import { ProcessInput } from "./process-input.ts";
import type { StdinData, StdinSource } from "./stdin-source.ts";

/** What a handle is made of. */
export interface HandleSettings {
  readonly api: ProcessApi;
  readonly pid: number;
  readonly tag: string;
  readonly from: OutputOffsets;
  readonly encoding: "text" | "bytes";
  readonly maxOutputBytes: number;
  /** The signal, and disposing of the handle, end the command. */
  readonly isOwner: boolean;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  /** On the clock of `performance.now()`. */
  readonly startedAt: number;
  /** Bytes of input that it was given before; undefined where that is not known. */
  readonly inputOffset: number | undefined;
  readonly stdin: StdinSource | undefined;
}

/** Options of {@link CommandHandle.wait}. */
export interface WaitOptions {
  /** Rejects with `command_failed` when the exit code is not 0. Default: false. */
  readonly check?: boolean | undefined;
  /** Gives up waiting; the command goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** The result of a handle whose loops give chunks of this type. */
export type CommandResultOf<Chunk> = Chunk extends BytesChunk ? CommandBytesResult : CommandResult;

const ENDED = new Error("the command has ended");
const TAKEN_OVER = new Error("the output is iterated over");

/**
 * A command in the background. Iterating gives its output as it arrives, {@link wait} its result. Nothing is read from the server, and
 * nothing is kept, before one of the two.
 *
 * @example
 * ```ts
 * const handle = await capsule.commands.run("for n in 1 2 3; do echo $n; done", { background: true });
 * for await (const { stream, text } of handle) console.log(stream, text);
 * const { exitCode } = await handle.wait();
 * ```
 */
export class CommandHandle<Chunk extends TextChunk | BytesChunk = TextChunk>
  implements AsyncIterable<Chunk>, AsyncDisposable
{
  /** Process id in the capsule. */
  readonly pid: number;
  /** `commands.connect` finds the command by it. */
  readonly tag: string;
  readonly #settings: HandleSettings;
  readonly #input: ProcessInput;
  readonly #chunks: OutputChunks;
  readonly #position: { stdout: number; stderr: number };
  readonly #dropped = { stdout: 0, stderr: 0 };
  /** Aborts when the command is no longer followed. */
  readonly #life = new AbortController();
  readonly #feeding: AbortLink | undefined;
  #ending: Promise<unknown> | undefined;
  /** Settled when the loop over the output ends. */
  #loop: Promise<void> | undefined;
  /** The output is read to wait for the end, and kept here. */
  #reading: { readonly link: AbortLink; readonly output: CollectedOutput } | undefined;
  #output = new CollectedOutput(0);
  #exited: Promise<CommandExit> | undefined;
  #exit: CommandExit | undefined;
  #durationMs = 0;

  /** @internal */
  constructor(settings: HandleSettings) {
    const { api, pid, tag, from, signal, stdin, inputOffset, encoding } = settings;
    this.pid = pid;
    this.tag = tag;
    this.#settings = settings;
    this.#position = { stdout: from.stdout, stderr: from.stderr };
    this.#chunks = new OutputChunks(encoding);
    this.#input = new ProcessInput(api, tag, inputOffset);
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort);
    if (stdin !== undefined) this.#feeding = this.#feed(stdin);
  }

  /** Bytes of each stream that loops have given, or found dropped. `commands.connect` continues there. */
  get offset(): OutputOffsets {
    return { ...this.#position };
  }

  /**
   * The output as it arrives, over as many connections as it takes. A slow loop slows the reading down. Leaving the loop does nothing to
   * the command, and the next loop continues there. What a loop gives is not kept for {@link wait}.
   *
   * @throws WrennError `stream_lost`; `command_timed_out`; errors of the server; the reason of the signal.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    if (this.#loop) throw alreadyRead(this.tag);
    let left: () => void = () => undefined;
    this.#loop = new Promise((resolve) => (left = resolve));
    this.#reading?.link.abort(TAKEN_OVER);
    try {
      for await (const event of followOutput(
        this.#settings.api,
        this.tag,
        this.#position,
        this.#life.signal,
      )) {
        if (event.type === "dropped") this.#dropped[event.stream] += event.bytes;
        if (event.type === "exit") this.#ended(event.exit);
        for (const chunk of this.#chunks.next(event)) yield chunk as Chunk;
      }
    } catch (error) {
      await this.#ending;
      throw error;
    } finally {
      this.#loop = undefined;
      left();
    }
    if (this.#exit?.isTimedOut === true) throw this.#timedOut();
  }

  /**
   * Waits for the end of the command. While a loop reads the output, it waits for the loop to meet the end; otherwise it reads the output
   * itself, and the result has it, up to `maxOutputBytes` of each stream.
   *
   * @throws WrennError `command_timed_out`, `command_failed`, both with `details.result`; `stream_lost`; errors of the server; the
   * reason of a signal.
   */
  async wait(options: WaitOptions = {}): Promise<CommandResultOf<Chunk>> {
    requireKnownOptions("handle.wait", options, ["check", "signal"]);
    const { check = false, signal } = options;
    this.#exited ??= this.#awaitExit().finally(() => (this.#exited = undefined));
    const exit = await orAborted(this.#exited, signal);
    if (exit.isTimedOut) throw this.#timedOut();
    const result = this.#result(exit, false);
    if (check && result.exitCode !== 0) throw commandFailed(this.tag, result);
    return result as CommandResultOf<Chunk>;
  }

  /**
   * Writes to standard input, which `stdin: true` left open. Resolves when the capsule has taken all of it, which is little more than
   * the command has read. Every byte arrives once, over as many connections as it takes. Calls are carried out one after the other.
   *
   * @throws WrennError `stdin_closed`; errors of the server; the reason of the signal: part of the data may then have been taken.
   */
  async sendStdin(data: StdinData, options: CallOptions = {}): Promise<void> {
    requireCallOptions("handle.sendStdin", options);
    await this.#input.write(data, options.signal);
  }

  /** Closes standard input behind what was written. Can be repeated. */
  async closeStdin(options: CallOptions = {}): Promise<void> {
    requireCallOptions("handle.closeStdin", options);
    await this.#input.close(options.signal);
  }

  /**
   * Sends a signal to the command and everything it started.
   *
   * @param name - such as `SIGTERM`. Default: `SIGKILL`.
   * @returns false when the command ended long ago.
   */
  async kill(name = "SIGKILL", options: CallOptions = {}): Promise<boolean> {
    requireCallOptions("handle.kill", options);
    return await this.#settings.api.signal(this.tag, name, "tree", options.signal);
  }

  /** Lets the command go on by itself: neither the signal nor disposing of the handle ends it. Loops and waits end with an `AbortError`. */
  detach(): void {
    this.#giveUp(new DOMException("the command was detached", "AbortError"), false);
  }

  /** Ends the command and everything it started, unless it has ended, was detached, or was found by `connect`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.signal.aborted) this.#giveUp(ENDED, this.#settings.isOwner && !this.#exit);
    await this.#ending;
  }

  readonly #onAbort = (): void => {
    const { signal, isOwner } = this.#settings;
    this.#giveUp(signal?.reason, isOwner);
  };

  #giveUp(reason: unknown, isToEnd: boolean): void {
    const { api, signal } = this.#settings;
    signal?.removeEventListener("abort", this.#onAbort);
    if (this.#life.signal.aborted) return;
    if (isToEnd) this.#ending = endProcess(api, this.tag);
    this.#life.abort(reason);
  }

  /** Only a command that is still followed is ended for want of its input. */
  #feed(stdin: StdinSource): AbortLink {
    const link = linkSignals(this.#life.signal);
    this.#input
      .pump(stdin, link.signal)
      .catch((error: unknown) => {
        if (!link.signal.aborted) this.#giveUp(error, true);
      })
      .finally(link.release)
      .catch(() => undefined);
    return link;
  }

  async #awaitExit(): Promise<CommandExit> {
    try {
      for (;;) {
        if (this.#exit) return this.#exit;
        if (this.#loop) await this.#loop;
        else await this.#read();
      }
    } catch (error) {
      await this.#ending;
      throw error;
    }
  }

  /** Reads and keeps the output up to the end of the command, or until a loop takes over. */
  async #read(): Promise<void> {
    const { api, maxOutputBytes } = this.#settings;
    const link = linkSignals(this.#life.signal);
    const output = new CollectedOutput(maxOutputBytes);
    const dropped = { stdout: 0, stderr: 0 };
    this.#reading = { link, output };
    try {
      for await (const event of followOutput(api, this.tag, { ...this.#position }, link.signal)) {
        if (event.type === "data") output.add(event.stream, event.bytes);
        else if (event.type === "dropped") {
          output.gap(event.stream);
          dropped[event.stream] += event.bytes;
        } else {
          this.#output = output;
          this.#dropped.stdout += dropped.stdout;
          this.#dropped.stderr += dropped.stderr;
          this.#ended(event.exit);
        }
      }
    } catch (error) {
      if (error !== TAKEN_OVER) throw error;
    } finally {
      this.#reading = undefined;
      link.release();
    }
  }

  #ended(exit: CommandExit): void {
    const { signal, startedAt } = this.#settings;
    this.#exit ??= exit;
    this.#durationMs ||= performance.now() - startedAt;
    signal?.removeEventListener("abort", this.#onAbort);
    this.#feeding?.abort(ENDED);
  }

  #timedOut(): WrennError {
    return commandTimedOut(this.tag, this.#settings.timeoutMs, this.#result(this.#exit, true));
  }

  #result(exit: CommandExit | undefined, isTimedOut: boolean): CommandResult {
    return commandResult(exit, isTimedOut, {
      output: this.#output,
      dropped: this.#dropped,
      durationMs: this.#durationMs,
      hasBytes: this.#settings.encoding === "bytes",
    });
  }
}

function alreadyRead(tag: string): WrennError {
  return new WrennError({
    code: "already_read",
    message: `the output of command ${tag} is iterated over already`,
    remedy: "Use one loop, or a handle for each: commands.connect.",
  });
}
