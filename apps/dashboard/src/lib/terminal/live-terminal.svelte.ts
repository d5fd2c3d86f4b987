import type { Capsule, Terminal } from "@wrenn/sdk";
import { isAbort, problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import { SizeInForce } from "./size-in-force.svelte.ts";
import type { ScreenSize, TerminalScreen } from "./terminal-screen.ts";

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
  /** Bytes of input whose fate is unknown since the server was killed. */
  unknownInput = $state(0);
  readonly size = new SizeInForce();
  #isReplay = true;
  readonly #leaving = new AbortController();
  readonly #capsule: Capsule;
  readonly #screen: TerminalScreen;
  #terminal: Terminal | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array | string> | undefined;
  /** Typed before there was a terminal. */
  #early: string[] = [];
  /** The last change of the screen's size. */
  #resizing: Promise<void> = Promise.resolve();

  constructor(capsule: Capsule, screen: TerminalScreen) {
    this.#capsule = capsule;
    this.#screen = screen;
  }

  /** Opens it, and shows what it prints until it ends or is left. */
  async follow(choice: TerminalChoice): Promise<void> {
    const { signal } = this.#leaving;
    try {
      const terminal = await this.#open(choice, signal);
      this.#terminal = terminal;
      if (signal.aborted) return await terminal.detach();
      this.#writer = terminal.writable.getWriter();
      this.state = "open";
      for (const data of this.#early.splice(0)) this.send(data);
      const { asked } = this.size;
      if (asked && !this.size.is(asked)) terminal.resize(asked.cols, asked.rows);
      await this.#show(terminal);
      const { exitCode, signal: killedBy } = await terminal.exited;
      this.state = "exited";
      this.exitText = killedBy === undefined ? `exit code ${exitCode}` : `ended by signal ${killedBy}`;
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.state = "failed";
      this.problem = problemOf(error);
    }
  }

  /** Follows it again, after a problem that may have passed. */
  async followAgain(choice: TerminalChoice): Promise<void> {
    const tag = this.#terminal?.tag;
    this.#terminal = undefined;
    this.#writer = undefined;
    this.problem = undefined;
    this.state = "connecting";
    this.#isReplay = true;
    this.#screen.beginReplay();
    await this.follow(tag === undefined ? choice : { kind: "tag", tag });
  }

  /** What was typed. It goes out in its order; what cannot be sent is said by the state. */
  send(data: string): void {
    if (this.#writer) this.#writer.write(data).catch(() => undefined);
    else this.#early.push(data);
  }

  /** The pane is used: the terminal gets its size. */
  takeOver(room: ScreenSize): void {
    if (!this.size.ask(room)) return;
    if (this.state === "open" || this.state === "broken") this.#terminal?.resize(room.cols, room.rows);
  }

  /** Tries to connect at once, where the connection is broken. */
  readonly retry = (): void => {
    if (this.state === "broken") this.#terminal?.reconnect();
  };

  /** The network is gone: the connection is not waited for. */
  readonly lost = (): void => {
    if (this.state === "open") this.#terminal?.reconnect();
  };

  focus(): void {
    this.#screen.focus();
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

  async #open(choice: TerminalChoice, signal: AbortSignal): Promise<Terminal> {
    const { pty } = this.#capsule;
    const listener = {
      onConnection: (isConnected: boolean) => {
        this.state = isConnected ? "open" : "broken";
      },
      onUnknownInput: (bytes: number) => {
        this.unknownInput = bytes;
      },
      onResized: (cols: number, rows: number) => this.#resized({ cols, rows }),
      onDropped: (bytes: number) => this.#dropped(bytes),
    };
    if (choice.kind === "tag") return await pty.connect(choice.tag, { ...listener, signal });
    // An abort ends what was started, and this one runs on when it is left: it is detached instead.
    const { cols, rows } = this.size.asked ?? this.#screen.size;
    this.#resized({ cols, rows });
    return await pty.start({ cols, rows, envs: { TERM: "xterm-256color" }, ...listener });
  }

  async #show(terminal: Terminal): Promise<void> {
    let waiting = 0;
    this.#endReplay();
    for await (const chunk of terminal.readable) {
      waiting += chunk.length;
      await this.#resizing;
      const written = this.#screen.write(chunk).then(() => (waiting -= chunk.length));
      this.#endReplay();
      if (waiting > AHEAD_BYTES) await written;
    }
  }

  /** Once nothing is left of what was printed before this page was there. */
  #endReplay(): void {
    const terminal = this.#terminal;
    if (!this.#isReplay || !terminal || terminal.offset < terminal.liveOffset) return;
    this.#isReplay = false;
    this.#screen.endReplay();
  }

  /** The screen has the size of the terminal, whatever the pane has room for: output is drawn as it was meant. */
  #resized(size: ScreenSize): void {
    this.size.set(size);
    this.#resizing = this.#screen.resize(size);
  }

  /** The parser may be inside of a sequence whose rest is missing: CAN ends it. */
  #dropped(bytes: number): void {
    const amount = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
    void this.#screen.write(`\u0018\u001b[0m\r\n\u001b[2m[${amount} of output are not kept]\u001b[0m\r\n`);
  }
}
