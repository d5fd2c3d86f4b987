import { connect } from "node:net";
import type { Socket } from "node:net";
import { abortable, problemOf, withDeadline, WrennError } from "@wrenn/core";
import { hasCode, isAlive } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import type { QmpCommands } from "./qmp-commands.ts";

/** QEMU's answers are short; a longer line is not QEMU speaking. */
const LINE_LIMIT = 1 << 20;
const COMMAND_MS = 10_000;
const CONNECT_STEP_MS = 1;
/** Attempts between two looks at whether the process that should listen still lives. */
const ALIVE_EVERY = 20;

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly QMP?: unknown;
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * QEMU Machine Protocol over a unix socket (QEMU's documentation, "QMP reference"). Commands are answered in order.
 */
export class QmpClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #listeners = new Set<(event: string) => void>();
  #buffer = "";
  #greeted = Promise.withResolvers<void>();
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => socket.destroy());
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    // Nobody may be waiting for the greeting when the connection ends; the ones who are see the rejection.
    this.#greeted.promise.catch(() => {});
    void this.closed.then(() => {
      const gone = new WrennError("machine_died", { problem: "QEMU closed its control socket" });
      this.#greeted.reject(gone);
      for (const waiting of this.#waiting.splice(0)) waiting.reject(gone);
    });
  }

  /**
   * Connects as soon as QEMU listens, and negotiates.
   *
   * @throws WrennError `machine_died` when the process ends before it listens.
   */
  static async connect(path: string, qemu: ProcessIdentity, signal: AbortSignal): Promise<QmpClient> {
    return await withDeadline("QEMU's control socket", COMMAND_MS, signal, async (inner) => {
      const client = new QmpClient(await dial(path, inner, qemu));
      try {
        // QEMU reads it after its greeting, which need not arrive here before.
        await Promise.all([
          abortable(inner, client.#greeted.promise),
          client.execute("qmp_capabilities", undefined, inner),
        ]);
        return client;
      } catch (error) {
        client.close();
        throw error;
      }
    });
  }

  /**
   * Runs one command.
   *
   * @throws WrennError `operation_failed` when QEMU refuses, `machine_died` when it is gone, `deadline_exceeded` when it is silent.
   */
  async execute<C extends keyof QmpCommands>(
    command: C,
    args: QmpCommands[C]["arguments"],
    signal: AbortSignal,
  ): Promise<QmpCommands[C]["return"]> {
    return await withDeadline(`QEMU command ${command}`, COMMAND_MS, signal, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      if (this.#socket.destroyed)
        throw new WrennError("machine_died", { problem: "QEMU closed its control socket" });
      this.#waiting.push({ command, resolve, reject });
      this.#socket.write(
        `${JSON.stringify(args === undefined ? { execute: command } : { execute: command, arguments: args })}\n`,
      );
      return (await promise) as QmpCommands[C]["return"];
    });
  }

  /** Calls `listener` for each event's name; returns the unsubscriber. */
  onEvent(listener: (event: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#buffer += text;
    if (this.#buffer.length > LINE_LIMIT) {
      this.#socket.destroy();
      return;
    }
    const lines = this.#buffer.split("\n");
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") this.#answer(line);
  }

  #answer(line: string): void {
    let answer: Answer;
    try {
      answer = JSON.parse(line) as Answer;
    } catch {
      this.#socket.destroy();
      return;
    }
    if (answer.QMP !== undefined) this.#greeted.resolve();
    else if (answer.event !== undefined) for (const listener of this.#listeners) listener(answer.event);
    else this.#settle(answer);
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.shift();
    if (!waiting) return;
    if (answer.error)
      waiting.reject(
        new WrennError("operation_failed", {
          operation: `QEMU command ${waiting.command}`,
          problem: answer.error.desc,
        }),
      );
    else waiting.resolve(answer.return);
  }
}

/** Connects to a unix socket that may not exist yet, as long as the process that should make it lives. */
export async function dial(path: string, signal: AbortSignal, listener?: ProcessIdentity): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    if (listener && attempt % ALIVE_EVERY === 0 && !(await isAlive(listener)))
      throw new WrennError("machine_died", { problem: "QEMU ended before it could be spoken to" });
    const socket = connect(path);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("connect", resolve);
    socket.once("error", reject);
    try {
      await promise;
      socket.removeAllListeners("error");
      return socket;
    } catch (error) {
      if (!hasCode(error, "ENOENT", "ECONNREFUSED")) {
        throw new WrennError(
          "operation_failed",
          { operation: `connecting to ${path}`, problem: problemOf(error) },
          { cause: error },
        );
      }
      await new Promise((done) => setTimeout(done, CONNECT_STEP_MS));
    }
  }
}
