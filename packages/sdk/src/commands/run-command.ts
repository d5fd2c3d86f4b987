import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, orAborted, sleep } from "../transport/abort.ts";
import type { AbortLink } from "../transport/abort.ts";
import { fromBase64 } from "./base64.ts";
import { CollectedOutput } from "./collected-output.ts";
import { execBody, MAX_OUTPUT_BYTES } from "./command-options.ts";
import type { RunOptions } from "./command-options.ts";
import { commandFailed, commandLost, commandResult, commandTimedOut } from "./command-result.ts";
import type { CommandResult } from "./command-result.ts";
import { endProcess, endStarting } from "./end-process.ts";
import { exitOf, followOutput } from "./follow-output.ts";
import { outputStreams } from "./output-events.ts";
import type { CommandExit, OutputEvent, OutputStream } from "./output-events.ts";
import { OutputText } from "./output-text.ts";
import type { ProcessApi } from "./process-api.ts";
import { ProcessInput } from "./process-input.ts";
import { startCommand } from "./start-command.ts";
import type { StdinSource } from "./stdin-source.ts";
import type { ExecAnswer, ExecBody } from "./wire.ts";

/** How long the server waits for the end of a command before it answers with what there is. */
const WAIT_SEC = 10;
/** The rest of the output of a command that was ended is waited for this long. */
const LAST_OUTPUT_MS = 5000;

const GIVEN_UP = new Error("the command does not end");
const ENDED = new Error("the command has ended");

/** Takes what its encoding says. */
type Callback = (chunk: string | Uint8Array) => unknown;

/** A command whose end is awaited, from its start to its result. */
export class CommandRun {
  readonly #api: ProcessApi;
  readonly #options: RunOptions | RunOptions<Uint8Array>;
  readonly #body: ExecBody;
  readonly #output: CollectedOutput;
  readonly #text = new OutputText();
  readonly #position = { stdout: 0, stderr: 0 };
  readonly #dropped = { stdout: 0, stderr: 0 };
  readonly #begun = performance.now();
  readonly #link: AbortLink;
  #durationMs: number | undefined;
  #isStarted = false;
  #isTimedOut = false;
  /** What the user's own callback or input threw. */
  #fault: { readonly error: unknown } | undefined;

  constructor(api: ProcessApi, cmd: string, options: RunOptions | RunOptions<Uint8Array>) {
    this.#api = api;
    this.#options = options;
    this.#body = execBody(cmd, options, takesOneRequest(options) ? WAIT_SEC : 0);
    this.#output = new CollectedOutput(options.maxOutputBytes ?? MAX_OUTPUT_BYTES);
    this.#link = linkSignals(options.signal);
  }

  /** Runs the command. @throws as `Commands.run`. */
  async result(): Promise<CommandResult> {
    const { timeoutMs = 0, check = false } = this.#options;
    const over = new AbortController();
    let ending: Promise<void> | undefined;
    const onTimeout = (): void => {
      ending = this.#timeOut(over.signal);
    };
    const timer = timeoutMs > 0 ? setTimeout(onTimeout, timeoutMs) : undefined;
    let exit: CommandExit | undefined;
    try {
      exit = await this.#exit().finally(() => clearTimeout(timer));
    } catch (error) {
      if (!this.#isTimedOut) throw await this.#problem(error);
    } finally {
      over.abort();
      await ending;
      this.#link.release();
    }
    const { tag } = this.#body;
    const isTimedOut = exit === undefined || this.#isTimedOut || exit.isTimedOut;
    const result = this.#resultOf(exit, isTimedOut);
    if (isTimedOut) throw commandTimedOut(tag, timeoutMs, result);
    if (check && result.exitCode !== 0) throw commandFailed(tag, result);
    return result;
  }

  async #exit(): Promise<CommandExit> {
    const { signal } = this.#link;
    const { silenceMs } = this.#api.http.settings;
    const answerMs = (this.#body.wait_sec ?? 0) * 1000 + silenceMs;
    const answer = await startCommand(this.#api, this.#body, answerMs, signal);
    this.#isStarted = true;
    for (const stream of outputStreams) await this.#takeAnswered(stream, answer);
    if (answer.exit_code !== undefined) {
      this.#durationMs = answer.duration_ms;
      return exitOf(answer);
    }
    const { stdin } = this.#options;
    return stdin === undefined || typeof stdin === "boolean"
      ? await this.#follow(signal)
      : await this.#feedAndFollow(stdin, signal);
  }

  async #takeAnswered(stream: OutputStream, answer: ExecAnswer): Promise<void> {
    const text = answer[stream] ?? "";
    const bytes = answer.encoding === "base64" ? fromBase64(text) : new TextEncoder().encode(text);
    if (bytes.length > 0) await this.#take({ type: "data", stream, bytes });
    this.#position[stream] = answer.next?.[stream] ?? 0;
    this.#output.cut(stream, Math.max(0, this.#position[stream] - bytes.length));
  }

  async #feedAndFollow(stdin: StdinSource, signal: AbortSignal): Promise<CommandExit> {
    const input = new ProcessInput(this.#api, this.#body.tag, 0);
    const link = linkSignals(signal);
    const feeding = input.pump(stdin, link.signal).catch((error: unknown) => {
      if (link.signal.aborted) return;
      this.#fault = { error };
      this.#link.abort(error);
    });
    try {
      return await this.#follow(signal);
    } finally {
      link.abort(ENDED);
      await feeding;
      link.release();
    }
  }

  async #follow(signal: AbortSignal): Promise<CommandExit> {
    for await (const event of followOutput(this.#api, this.#body.tag, this.#position, signal)) {
      await this.#take(event);
      if (event.type === "exit") return event.exit;
    }
    throw new WrennError({ code: "stream_lost", message: "the output ended without an exit" });
  }

  async #take(event: OutputEvent): Promise<void> {
    if (event.type === "exit") {
      for (const stream of outputStreams) await this.#giveText(stream, this.#text.rest(stream));
    } else if (event.type === "dropped") {
      this.#dropped[event.stream] += event.bytes;
      this.#output.gap(event.stream);
      await this.#giveText(event.stream, this.#text.rest(event.stream));
    } else if (this.#callback(event.stream) === undefined) {
      this.#output.add(event.stream, event.bytes);
    } else if (this.#options.encoding === "bytes") {
      await this.#give(event.stream, event.bytes);
    } else {
      await this.#giveText(event.stream, this.#text.next(event.stream, event.bytes));
    }
  }

  async #giveText(stream: OutputStream, text: string): Promise<void> {
    if (text !== "") await this.#give(stream, text);
  }

  /** A callback that takes its time is waited for until the command is given up. */
  async #give(stream: OutputStream, chunk: string | Uint8Array): Promise<void> {
    const { signal } = this.#link;
    try {
      const taken = this.#callback(stream)?.(chunk);
      if (typeof taken === "object") await orAborted(Promise.resolve(taken), signal);
    } catch (error) {
      if (!signal.aborted) this.#fault = { error };
      throw error;
    }
  }

  #callback(stream: OutputStream): Callback | undefined {
    const { onStdout, onStderr } = this.#options;
    return (stream === "stdout" ? onStdout : onStderr) as Callback | undefined;
  }

  /** Ends the command; its last output still arrives. What does not come in time is given up. */
  async #timeOut(over: AbortSignal): Promise<void> {
    this.#isTimedOut = true;
    const isKnown = await endProcess(this.#api, this.#body.tag);
    try {
      if (isKnown) await sleep(LAST_OUTPUT_MS, over);
    } catch {
      return;
    }
    this.#link.abort(GIVEN_UP);
    if (!isKnown) await endStarting(this.#api, this.#body.tag);
  }

  /** Ends the command where it may still run, and says why there is no result. */
  async #problem(error: unknown): Promise<unknown> {
    const { tag } = this.#body;
    const { signal } = this.#options;
    if (signal?.aborted === true) {
      await endStarting(this.#api, tag);
      return signal.reason;
    }
    if (!this.#isStarted) return error;
    const isLost =
      this.#fault === undefined &&
      error instanceof WrennError &&
      (error.code === "stream_lost" || error.status === 404);
    if (isLost) return commandLost(tag, error, this.#resultOf(undefined, false));
    await endProcess(this.#api, tag);
    return this.#fault ? this.#fault.error : error;
  }

  #resultOf(exit: CommandExit | undefined, isTimedOut: boolean): CommandResult {
    return commandResult(exit, isTimedOut, {
      output: this.#output,
      dropped: this.#dropped,
      durationMs: this.#durationMs ?? performance.now() - this.#begun,
      hasBytes: this.#options.encoding === "bytes",
    });
  }
}

/** Whether nothing has to be given away or taken in before the end. */
function takesOneRequest({
  onStdout,
  onStderr,
  stdin = false,
  maxOutputBytes = 0,
}: RunOptions | RunOptions<Uint8Array>): boolean {
  return (
    onStdout === undefined && onStderr === undefined && stdin === false && maxOutputBytes <= MAX_OUTPUT_BYTES
  );
}
