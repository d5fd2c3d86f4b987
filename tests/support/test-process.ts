import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/**
 * A process of a test that says in one line of JSON when it is ready, and may be killed and started again. It says so only once it
 * handles SIGTERM: a test may stop it at once.
 */
export class TestProcess {
  readonly #argv: readonly string[];
  #child: ChildProcess | undefined;

  constructor(argv: readonly string[]) {
    this.#argv = argv;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and gives what it says. */
  async start(): Promise<unknown> {
    const [program = "", ...args] = this.#argv;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    const ready = Promise.withResolvers<string>();
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("\n")) ready.resolve(text);
    });
    child.once("exit", (code, signal) => ready.reject(new Error(`it ended: ${signal ?? code}`)));
    return JSON.parse(await ready.promise);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.gone();
  }

  /** Asks it to end, and waits until it has. @throws Error when the signal ended it, so that it left behind what it had. */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    await this.gone();
    if (this.#child?.signalCode === "SIGTERM")
      throw new Error("it was ended by SIGTERM, which it did not handle");
  }
}
