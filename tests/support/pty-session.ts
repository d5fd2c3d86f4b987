import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { projectRoot } from "./sources.ts";

/** How a command on a terminal ended. */
export interface PtyEnd {
  /** Negative: the number of the signal. */
  readonly code: number;
  /** The terminal echoes, takes lines and makes signals of keys, as a shell leaves it. */
  readonly isSane: boolean;
}

interface DriverMessage {
  readonly pid?: number;
  readonly output?: string;
  readonly exit?: number;
  readonly sane?: boolean;
}

/** A command on a real terminal, with the test in front of it. */
export class PtySession {
  /** Everything that was shown. */
  output = "";
  readonly ended: Promise<PtyEnd>;
  readonly started: Promise<number>;
  readonly #driver: ChildProcess;
  #changed: () => void = () => undefined;
  #hasEnded = false;

  constructor(
    argv: readonly string[],
    { cols = 80, rows = 24, env }: { readonly cols?: number; readonly rows?: number; readonly env: object },
  ) {
    const driver = join(projectRoot, "tests/support/pty-driver.py");
    this.#driver = spawn("python3", [driver, String(cols), String(rows), ...argv], {
      env: { ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { promise: ended, resolve: end, reject } = Promise.withResolvers<PtyEnd>();
    const { promise: started, resolve: start } = Promise.withResolvers<number>();
    [this.ended, this.started] = [ended, started];
    ended.catch(() => undefined);
    const lines = createInterface({ input: this.#driver.stdout ?? process.stdin });
    lines.on("line", (line) => {
      const message = JSON.parse(line) as DriverMessage;
      if (message.pid !== undefined) start(message.pid);
      if (message.output !== undefined)
        this.output += Buffer.from(message.output, "base64").toString("latin1");
      if (message.exit !== undefined) {
        this.#hasEnded = true;
        end({ code: message.exit, isSane: message.sane === true });
      }
      this.#changed();
    });
    this.#driver.once("exit", () => reject(new Error(`the driver ended: ${this.output}`)));
  }

  type(text: string): void {
    this.#send({ type: Buffer.from(text, "latin1").toString("base64") });
  }

  resize(cols: number, rows: number): void {
    this.#send({ size: [cols, rows] });
  }

  signal(name: NodeJS.Signals): void {
    this.#send({ signal: constants.signals[name] });
  }

  /** Waits until the output has this. @returns the output. */
  async shows(what: string | RegExp, timeoutMs = 20_000): Promise<string> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      if (typeof what === "string" ? this.output.includes(what) : what.test(this.output)) return this.output;
      const left = until - performance.now();
      if (left <= 0 || this.#hasEnded)
        throw new Error(`it does not show ${String(what)}: ${JSON.stringify(this.output)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Ends the command. */
  close(): void {
    this.#driver.stdin?.end();
  }

  #send(message: object): void {
    this.#driver.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}
