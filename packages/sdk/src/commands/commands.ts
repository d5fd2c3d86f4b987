import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import type { HttpClient } from "../transport/http.ts";
import { requireKnownOptions } from "../transport/options.ts";
import { CommandHandle } from "./command-handle.ts";
import { execBody, MAX_OUTPUT_BYTES, validateOptions } from "./command-options.ts";
import type { BackgroundOptions, RunOptions } from "./command-options.ts";
import type { CommandBytesResult, CommandResult } from "./command-result.ts";
import { endStarting } from "./end-process.ts";
import type { BytesChunk, TextChunk } from "./output-chunks.ts";
import type { OutputOffsets } from "./output-events.ts";
import { ProcessApi } from "./process-api.ts";
import type { ProcessSelector, SignalScope } from "./process-api.ts";
import { processDetails, processInfo, processLogs } from "./process-info.ts";
import type { ProcessDetails, ProcessInfo, ProcessLogs } from "./process-info.ts";
import { CommandRun } from "./run-command.ts";
import { startCommand } from "./start-command.ts";

type AnyHandle = CommandHandle<TextChunk | BytesChunk>;

/** Options of {@link Commands.connect}. */
export interface ConnectOptions {
  /** Where the output begins, such as the `offset` of another handle. Default: `oldest`, the oldest bytes that are kept. */
  readonly from?: "oldest" | OutputOffsets | undefined;
  /** As in {@link Commands.run}. */
  readonly encoding?: "text" | "bytes" | undefined;
  /** As in {@link Commands.run}. */
  readonly maxOutputBytes?: number | undefined;
  /** Gives up the call and the handle; the command goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** Commands of a capsule. */
export class Commands {
  readonly #api: ProcessApi;

  /** @internal */
  constructor(http: HttpClient, capsuleId: string) {
    this.#api = new ProcessApi(http, capsuleId);
  }

  /**
   * Runs a command and waits for its end. An exit code other than 0 is a result, not an error, unless `check` is set.
   *
   * The command runs exactly once, and its output arrives whole, also when connections break. When the signal aborts, `timeoutMs` is over
   * or a callback throws, the command and everything it started is ended before the call rejects, which takes up to 6 s.
   *
   * @param cmd - a line for `/bin/sh -c`, or with `args` a program.
   * @throws WrennError `unknown_option`, `invalid_option`; `command_timed_out` and `command_failed` with `details.result`; `stream_lost`
   * when the server cannot be reached for `resumeMs`; errors of the server, such as `cwd_not_found`; the reason of the signal.
   * @example
   * ```ts
   * const { stdout, exitCode } = await capsule.commands.run("python3 --version", { timeoutMs: 30_000 });
   * ```
   */
  run(
    cmd: string,
    options: BackgroundOptions & { readonly encoding: "bytes" },
  ): Promise<CommandHandle<BytesChunk>>;
  run(cmd: string, options: BackgroundOptions): Promise<CommandHandle>;
  run(
    cmd: string,
    options: RunOptions<Uint8Array> & { readonly encoding: "bytes" },
  ): Promise<CommandBytesResult>;
  run(cmd: string, options?: RunOptions & { readonly encoding?: "text" | undefined }): Promise<CommandResult>;
  async run(
    cmd: string,
    options: BackgroundOptions | RunOptions | RunOptions<Uint8Array> = {},
  ): Promise<AnyHandle | CommandResult> {
    validateOptions(cmd, options);
    options.signal?.throwIfAborted();
    if (options.background === true) return await this.#start(cmd, options);
    return await new CommandRun(this.#api, cmd, options).result();
  }

  /**
   * Follows a process that was started earlier, also by others, and also one that ended within the last ten minutes.
   *
   * @throws WrennError `process_not_found`.
   * @example
   * ```ts
   * await capsule.commands.run("echo done", { background: true, tag: "worker" });
   * const handle = await capsule.commands.connect("worker");
   * console.log((await handle.wait()).stdout.trim()); // → done
   * ```
   */
  connect(
    selector: ProcessSelector,
    options: ConnectOptions & { readonly encoding: "bytes" },
  ): Promise<CommandHandle<BytesChunk>>;
  connect(selector: ProcessSelector, options?: ConnectOptions): Promise<CommandHandle>;
  async connect(selector: ProcessSelector, options: ConnectOptions = {}): Promise<AnyHandle> {
    requireKnownOptions("commands.connect", options, ["from", "encoding", "maxOutputBytes", "signal"]);
    const { from = "oldest", encoding = "text", maxOutputBytes = MAX_OUTPUT_BYTES, signal } = options;
    const { pid, tag, startedAt } = await this.get(selector, { signal });
    return new CommandHandle({
      api: this.#api,
      pid,
      tag: tag ?? String(pid),
      from: from === "oldest" ? { stdout: 0, stderr: 0 } : from,
      encoding,
      maxOutputBytes,
      isOwner: false,
      signal,
      timeoutMs: undefined,
      startedAt: performance.now() - (Date.now() - startedAt.getTime()),
      inputOffset: undefined,
      stdin: undefined,
    });
  }

  /** The live processes that were started through the API. */
  async list(options: CallOptions = {}): Promise<ProcessInfo[]> {
    requireCallOptions("commands.list", options);
    return (await this.#api.list(options.signal)).map(processInfo);
  }

  /** A process that lives, or ended within the last ten minutes. @throws WrennError `process_not_found`. */
  async get(selector: ProcessSelector, options: CallOptions = {}): Promise<ProcessDetails> {
    requireCallOptions("commands.get", options);
    return processDetails(await this.#api.get(selector, options));
  }

  /** Ends a process and everything it started by SIGKILL. @returns false when there is no such process. */
  async kill(selector: ProcessSelector, options: CallOptions = {}): Promise<boolean> {
    requireCallOptions("commands.kill", options);
    return await this.#api.kill(selector, options.signal);
  }

  /**
   * Sends a signal to the group of a process, or with `scope: "tree"` to everything it started.
   *
   * @param name - such as `SIGINT`.
   * @returns false when there is no such process.
   */
  async signal(
    selector: ProcessSelector,
    name: string,
    options: CallOptions & { readonly scope?: SignalScope | undefined } = {},
  ): Promise<boolean> {
    requireKnownOptions("commands.signal", options, ["scope", "signal"]);
    return await this.#api.signal(selector, name, options.scope ?? "group", options.signal);
  }

  /**
   * What is kept of the output of a process, without waiting for more: the newest 1 MiB of each stream.
   *
   * @throws WrennError `process_not_found`.
   */
  async logs(
    selector: ProcessSelector,
    options: CallOptions & { readonly from?: Partial<OutputOffsets> | undefined } = {},
  ): Promise<ProcessLogs> {
    requireKnownOptions("commands.logs", options, ["from", "signal"]);
    const { from, signal } = options;
    return processLogs(
      await this.#api.logs(selector, { from: from?.stdout, from_stderr: from?.stderr }, signal),
    );
  }

  async #start(cmd: string, options: BackgroundOptions): Promise<AnyHandle> {
    const { signal, stdin, encoding = "text", timeoutMs } = options;
    const { silenceMs } = this.#api.http.settings;
    const body = execBody(cmd, options, 0);
    const life = signal ?? new AbortController().signal;
    const startedAt = performance.now();
    try {
      const { pid = 0, tag = body.tag } = await startCommand(this.#api, body, silenceMs, life);
      return new CommandHandle({
        api: this.#api,
        pid,
        tag,
        from: { stdout: 0, stderr: 0 },
        encoding,
        maxOutputBytes: options.maxOutputBytes ?? MAX_OUTPUT_BYTES,
        isOwner: true,
        signal,
        timeoutMs,
        startedAt,
        inputOffset: 0,
        stdin: typeof stdin === "boolean" ? undefined : stdin,
      });
    } catch (error) {
      // It may have been started in this moment.
      if (signal?.aborted === true) await endStarting(this.#api, body.tag);
      throw error;
    }
  }
}
