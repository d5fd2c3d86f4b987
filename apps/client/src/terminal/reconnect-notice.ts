import type { TextStream } from "../output/output.ts";

/** A connection that is there again within this was not missed, in milliseconds. */
const PATIENCE_MS = 2000;

/** One line for a user whose terminal does not answer, while it is connected again. */
export class ReconnectNotice {
  readonly #stderr: TextStream;
  readonly #keys: string | undefined;
  readonly #onReturn: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isShown = false;

  /**
   * @param keys - those that leave the terminal.
   * @param onReturn - the connection is there again, and the line is on the screen.
   */
  constructor(stderr: TextStream, keys: string | undefined, onReturn: () => void) {
    this.#stderr = stderr;
    this.#keys = keys;
    this.#onReturn = onReturn;
  }

  /** The line is on the screen, and there is no connection. */
  get isShown(): boolean {
    return this.#isShown;
  }

  readonly connectionIs = (isConnected: boolean): void => {
    clearTimeout(this.#timer);
    if (!isConnected) {
      this.#timer = setTimeout(() => this.#show(), PATIENCE_MS);
      return;
    }
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#stderr.write("\r\nwrenn: connected again\r\n");
    this.#onReturn();
  };

  /** What a server that was killed leaves unknown. The program draws again as after a long break. */
  readonly inputIsUnknown = (bytes: number): void => {
    this.#isShown = true;
    const what = bytes === 1 ? "the last byte" : `the last ${bytes} bytes`;
    this.#stderr.write(`\r\nwrenn: the server was restarted; ${what} typed before may not have arrived\r\n`);
  };

  /** Nothing is shown from now on. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #show(): void {
    this.#isShown = true;
    const keys = this.#keys === undefined ? "" : ` or ${this.#keys}`;
    this.#stderr.write(`\r\nwrenn: the connection broke; connecting again (Ctrl-C${keys} leaves)\r\n`);
  }
}
