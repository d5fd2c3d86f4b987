/** A stream that text is written to, as `process.stdout` is. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string | Uint8Array): boolean;
}

export interface OutputOptions {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** `--json`: documents instead of text. */
  readonly isJson: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34 } as const;
export type Style = keyof typeof styles;

/**
 * What a command prints. Data goes to standard output: under `--json` exactly one document, or one line for each item of a
 * stream, and nothing else ever. Everything that is said beside goes to standard error.
 */
export class Output {
  readonly isJson: boolean;
  readonly #options: OutputOptions;
  #isWritten = false;

  constructor(options: OutputOptions) {
    this.isJson = options.isJson;
    this.#options = options;
  }

  /** The result of the command: one JSON document, or text. */
  data(value: unknown, text: () => string): void {
    this.#isWritten = true;
    this.#options.stdout.write(this.isJson ? `${JSON.stringify(value, undefined, 2)}\n` : text());
  }

  /** One item of a stream: a line of JSON, or text. */
  item(value: unknown, text: () => string): void {
    this.#isWritten = true;
    this.#options.stdout.write(this.isJson ? `${JSON.stringify(value)}\n` : text());
  }

  /** What became of the command where it has no result, such as `capsule cl-… paused`: an empty object under `--json`. */
  done(value: unknown, sentence: string): void {
    if (this.isJson) this.data(value, () => "");
    else this.note(sentence);
  }

  /** A sentence for people, on standard error. */
  note(sentence: string): void {
    this.#options.stderr.write(`${sentence}\n`);
  }

  /** Whether data was written: a failure after that is an item of the stream under `--json`, not the document. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** Text for standard output with a style, where that is a terminal and NO_COLOR is not set (https://no-color.org). */
  styled(text: string, style: Style): string {
    const { stdout, env } = this.#options;
    const hasColour = stdout.isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
    return hasColour ? `\u001b[${styles[style]}m${text}\u001b[0m` : text;
  }
}
