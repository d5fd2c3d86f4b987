import type { Capsule, Terminal } from "@wrenn/sdk";
import { isAbort, problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import type { TerminalScreen } from "./terminal-screen.ts";

/** Output that may wait for the screen; the program waits for it beyond that. */
const AHEAD_BYTES = 128 * 1024;

export type LiveState = "connecting" | "open" | "broken" | "exited" | "failed";

/** Which terminal: a new one, or one that runs. */
export type TerminalChoice = { readonly kind: "new" } | { readonly kind: "tag"; readonly tag: string };

/** A terminal of a capsule on a screen. It runs on in the capsule when the page is left. */
export class LiveTerminal {
  state = $state<LiveState>("connecting");
  problem = $state.raw<Problem>();
  /** Of a program that has ended. */
  exitText = $state<string>();
  readonly #leaving = new AbortController();
  readonly #capsule: Capsule;
  readonly #screen: TerminalScreen;
  #terminal: Terminal | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array | string> | undefined;

  constructor(capsule: Capsule, screen: TerminalScreen) {
    this.#capsule = capsule;
    this.#screen = screen;
  }

  get tag(): string | undefined {
    return this.#terminal?.tag;
  }

  /** Opens it, and shows what it prints until it ends or is left. */
  async follow(choice: TerminalChoice): Promise<void> {
    const { signal } = this.#leaving;
    const onConnection = (isConnected: boolean): void => {
      this.state = isConnected ? "open" : "broken";
    };
    try {
      const terminal =
        choice.kind === "new"
          ? // An abort ends what was started, and this one runs on when it is left: it is detached instead.
            await this.#capsule.pty.start({
              ...this.#screen.size,
              envs: { TERM: "xterm-256color" },
              onConnection,
            })
          : await this.#capsule.pty.connect(choice.tag, { onConnection, signal });
      this.#terminal = terminal;
      if (signal.aborted) return await terminal.detach();
      this.#writer = terminal.writable.getWriter();
      this.state = "open";
      terminal.resize(this.#screen.size.cols, this.#screen.size.rows);
      await this.#show(terminal);
      const { exitCode, signal: killedBy } = await terminal.exited;
      this.state = "exited";
      this.exitText = killedBy === undefined ? `exit code ${exitCode}` : `ended by ${killedBy}`;
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.state = "failed";
      this.problem = problemOf(error);
    }
  }

  /** What was typed. It goes out in its order; what cannot be sent is said by the state. */
  send(data: string): void {
    this.#writer?.write(data).catch(() => undefined);
  }

  resize(cols: number, rows: number): void {
    if (this.state === "open" || this.state === "broken") this.#terminal?.resize(cols, rows);
  }

  /** Ends the program and everything that it started. */
  async kill(): Promise<void> {
    await this.#terminal?.kill();
  }

  /** Leaves the terminal, which runs on. */
  async leave(): Promise<void> {
    this.#leaving.abort(new DOMException("the terminal was left", "AbortError"));
    await this.#terminal?.detach();
  }

  async #show(terminal: Terminal): Promise<void> {
    let waiting = 0;
    for await (const chunk of terminal.readable) {
      waiting += chunk.length;
      const isReplay = terminal.offset <= terminal.liveOffset;
      const written = this.#screen.write(chunk, isReplay).then(() => (waiting -= chunk.length));
      if (waiting > AHEAD_BYTES) await written;
    }
  }
}
