import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import type { Terminal as Streams } from "../context.ts";
import { ScreenModes } from "./screen-modes.ts";

const STDOUT = 1;

/** Columns and rows; nothing where they are not known. */
export interface TerminalSize {
  readonly cols?: number;
  readonly rows?: number;
}

/**
 * The terminal in front of the user while a program in a capsule has it: raw, and put in order again on every way out, an uncaught
 * exception and `process.exit` included.
 */
export class LocalTerminal {
  readonly #streams: Streams;
  readonly #modes = new ScreenModes();
  readonly #onResize: () => void;
  #isTaken = false;
  #isRaw = false;

  /** @param onResize - the size has changed, or the program is to draw again because other things were shown meanwhile. */
  constructor(streams: Streams, onResize: () => void) {
    this.#streams = streams;
    this.#onResize = onResize;
  }

  get size(): TerminalSize {
    const { stdout, stderr } = this.#streams;
    const shown = [stdout, stderr].find((stream) => stream.isTTY && stream.columns > 0 && stream.rows > 0);
    return shown ? { cols: shown.columns, rows: shown.rows } : {};
  }

  /** @param isRaw - every key is given as it is typed, with none for this process. */
  take(isRaw: boolean): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#isRaw = isRaw;
    const { stdout } = this.#streams;
    if (isRaw) this.#enterRawMode();
    stdout.on("resize", this.#onResize);
    process.on("exit", this.#onExit);
    process.on("SIGCONT", this.#onContinue);
  }

  /** What the program prints, and so what it changes here. */
  observe(bytes: Uint8Array): void {
    this.#modes.observe(bytes);
  }

  /** Gives the terminal back. Can be repeated. */
  release(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    const { stdin, stdout } = this.#streams;
    stdout.off("resize", this.#onResize);
    process.off("exit", this.#onExit);
    process.off("SIGCONT", this.#onContinue);
    const restored = this.#modes.restore();
    if (restored !== "" && stdout.isTTY) stdout.write(restored);
    this.#leaveRawMode();
    if (this.#isRaw) stdin.pause();
  }

  /** Nothing asynchronous runs any longer. */
  readonly #onExit = (): void => {
    const restored = this.#modes.restore();
    try {
      if (restored !== "" && this.#streams.stdout.isTTY) writeSync(STDOUT, restored);
    } catch {
      // The terminal is gone.
    }
    this.#leaveRawMode();
  };

  /** After it was stopped, a shell has set the terminal as it needs it itself. */
  readonly #onContinue = (): void => {
    this.#leaveRawMode();
    if (this.#isRaw) this.#enterRawMode();
    this.#onResize();
  };

  /**
   * Raw mode of Node.js still makes `\r\n` of each `\n` that is printed, which moves the cursor of programs that mean the line below.
   * Only stty(1) can switch it off; leaving raw mode restores it.
   */
  #enterRawMode(): void {
    this.#streams.stdin.setRawMode(true);
    // Windows has no stty and does not translate.
    if (process.platform !== "win32")
      spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  }

  #leaveRawMode(): void {
    try {
      if (this.#isRaw) this.#streams.stdin.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  }
}
