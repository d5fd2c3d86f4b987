import { eventually } from "@wrenn/core/testing";
import type { ApiCaller } from "./api-caller.ts";
import type { VisitedPage } from "./browser.ts";

const PROGRAM = "/tmp/record-input.py";
const OUTPUT = "/tmp/recorded-output";
/** Bytes of output in one command line. */
const PART = 64 << 10;
const INPUT = "/tmp/recorded-input";

/**
 * Runs in a terminal of a capsule, without anything between it and the terminal: prints what it is given, and keeps every byte that it
 * is sent. A line in a file of the capsule makes it print more.
 */
const SOURCE = `
import os, sys, threading, time, tty
tty.setraw(0)
open("${INPUT}", "wb").close()
def prints():
    at = 0
    while True:
        try: text = open("${OUTPUT}", "rb").read()
        except FileNotFoundError: text = b""
        while at < len(text): at += os.write(1, text[at:at + 65536])
        time.sleep(0.02)
threading.Thread(target=prints, daemon=True).start()
with open("${INPUT}", "ab", buffering=0) as kept:
    while True:
        data = os.read(0, 65536)
        if data.endswith(b"\\x1d"):
            kept.write(data[:-1])
            os.write(1, b"\\x1b[0m\\r\\nrecorder-has-ended\\r\\n")
            break
        kept.write(data)
`;

/** A program in the terminal of a page that keeps what it is sent. */
export class InputRecorder {
  readonly #server: ApiCaller;
  readonly #capsule: string;
  readonly #visited: VisitedPage;

  private constructor(server: ApiCaller, capsule: string, visited: VisitedPage) {
    this.#server = server;
    this.#capsule = capsule;
    this.#visited = visited;
  }

  /** Starts it in the terminal that has the keyboard, which shows a shell. */
  static async start(server: ApiCaller, capsule: string, visited: VisitedPage): Promise<InputRecorder> {
    const recorder = new InputRecorder(server, capsule, visited);
    const source = Buffer.from(SOURCE).toString("base64");
    await server.shell(capsule, `echo ${source} | base64 -d > ${PROGRAM}; rm -f ${OUTPUT} ${INPUT}`);
    await visited.page.keyboard.type(`stty -echo; clear; python3 ${PROGRAM}; stty sane\n`);
    await eventually(
      "the recorder runs",
      async () => {
        const { stdout } = await server.shell(capsule, `ls ${INPUT} 2>/dev/null || true`);
        return stdout !== "";
      },
      { timeoutMs: 30_000 },
    );
    return recorder;
  }

  /** Prints in the terminal. */
  async print(text: string): Promise<void> {
    const data = Buffer.from(text);
    for (let at = 0; at < data.length; at += PART) {
      const part = data.subarray(at, at + PART).toString("base64");
      await this.#server.shell(this.#capsule, `echo ${part} | base64 -d >> ${OUTPUT}`);
    }
  }

  /** What it was sent so far. */
  async received(): Promise<Buffer> {
    const { stdout } = await this.#server.shell(this.#capsule, `base64 -w0 ${INPUT}`);
    return Buffer.from(stdout, "base64");
  }

  async size(): Promise<number> {
    return Number((await this.#server.shell(this.#capsule, `stat -c %s ${INPUT}`)).stdout);
  }

  /** Waits until it was sent this, and nothing else. */
  async gets(expected: string): Promise<void> {
    let last: Buffer = Buffer.alloc(0);
    const wanted = Buffer.from(expected);
    await eventually(
      `the program gets ${JSON.stringify(expected)}`,
      async () => (last = await this.received()).length >= wanted.length,
      { timeoutMs: 20_000, details: () => JSON.stringify(last.toString()) },
    );
    if (!last.equals(wanted))
      throw new Error(
        `the program got ${JSON.stringify(last.toString())} instead of ${JSON.stringify(expected)}`,
      );
  }

  /** Forgets what it was sent. */
  async forget(): Promise<void> {
    await this.#server.shell(this.#capsule, `truncate -s 0 ${INPUT}`);
  }

  /** Back to the shell. */
  async end(): Promise<void> {
    await this.#visited.page.keyboard.press("Control+]");
    await eventually(
      "the recorder has ended",
      async () => (await this.#server.exec(this.#capsule, "pgrep", ["-f", PROGRAM])).body.exit_code === 1,
      { timeoutMs: 20_000 },
    );
  }
}
