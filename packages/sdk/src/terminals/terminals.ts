import type { HttpClient } from "../transport/http.ts";
import { segment } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import { requireSize, Terminal } from "./terminal.ts";
import { TerminalSession } from "./terminal-session.ts";
import type { TerminalListener } from "./terminal-session.ts";

export interface StartTerminalOptions extends TerminalListener {
  /** Program. Default: `/bin/bash`. */
  readonly cmd?: string | undefined;
  /** Its arguments. */
  readonly args?: readonly string[] | undefined;
  /** Columns. Default: 80. */
  readonly cols?: number | undefined;
  /** Rows. Default: 24. */
  readonly rows?: number | undefined;
  /** Environment, in addition to that of the capsule. */
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** Working directory. Default: that of the capsule, else the user's home. */
  readonly cwd?: string | undefined;
  /** User name or id. Default: that of the capsule, else root. */
  readonly user?: string | undefined;
  /** Ends the program and everything that it started; promises and streams of the terminal then fail with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ConnectTerminalOptions extends TerminalListener {
  /** Offset of the first byte of output, as {@link Terminal.offset} gives it, or `oldest`: all that is kept, at most 1 MiB. Default: `oldest`. */
  readonly from?: number | "oldest" | undefined;
  /** Leaves the terminal, which runs on; its promises and streams here then fail with the reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Terminals of one capsule: `capsule.pty`. */
export class Terminals {
  readonly #http: HttpClient;
  readonly #capsule: string;
  readonly #path: string;

  constructor(http: HttpClient, capsuleId: string) {
    this.#http = http;
    this.#capsule = `/v1/capsules/${segment(capsuleId)}`;
    this.#path = `${this.#capsule}/pty`;
  }

  /**
   * Starts a program in a new terminal.
   *
   * @throws WrennError of the server, such as `cwd_not_found` or `capsule_not_running`; `unknown_option`, `invalid_option`,
   * `connection_failed`; the reason of the signal.
   */
  async start(options: StartTerminalOptions = {}): Promise<Terminal> {
    requireKnownOptions("pty.start", options, startOptionNames);
    const { signal, cmd, args, cols, rows, envs, cwd, user } = options;
    requireSize("pty.start", { cols, rows });
    signal?.throwIfAborted();
    const first = { type: "start" as const, ...present({ cmd, args, cols, rows, envs, cwd, user }) };
    const session = new TerminalSession(this.#http.settings, this.#path, first, 0, options);
    const terminal = await Terminal.of(this.#http, this.#capsule, session, signal, (reason) =>
      session.abandon(reason),
    );
    terminal.endOn(signal);
    return terminal;
  }

  /**
   * Connects to a terminal that runs, or that ended in the last ten minutes. Several clients can use one terminal.
   *
   * @param tag - tag of the terminal, or its process id.
   * @throws WrennError of the server, such as `process_not_found`; `unknown_option`, `invalid_option`, `connection_failed`; the reason
   * of the signal.
   */
  async connect(tag: string | number, options: ConnectTerminalOptions = {}): Promise<Terminal> {
    requireKnownOptions("pty.connect", options, ["from", "signal", ...listenerNames]);
    const { from = "oldest", signal } = options;
    if (from !== "oldest" && !(Number.isSafeInteger(from) && from >= 0))
      throw invalidOption("pty.connect", "from", `must be 'oldest' or an offset, not ${String(from)}`);
    signal?.throwIfAborted();
    const [offset, at] = from === "oldest" ? [0, {}] : [from, { from }];
    const first = { type: "connect" as const, tag: String(tag), ...at };
    const { settings } = this.#http;
    const session = new TerminalSession(settings, this.#path, first, offset, options);
    const leave = (reason: unknown): void => session.close(reason);
    const terminal = await Terminal.of(this.#http, this.#capsule, session, signal, leave);
    terminal.leaveOn(signal);
    return terminal;
  }
}

const listenerNames = [
  "onConnection",
  "onUnknownInput",
  "onResized",
  "onDropped",
] as const satisfies readonly (keyof TerminalListener)[];

const startOptionNames = [
  "cmd",
  "args",
  "cols",
  "rows",
  "envs",
  "cwd",
  "user",
  "signal",
  ...listenerNames,
] as const satisfies readonly (keyof StartTerminalOptions)[];
