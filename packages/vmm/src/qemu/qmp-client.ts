import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { abortable, withDeadline, WrennError } from "@wrenn/core";
import { descriptorAddon } from "../descriptors/descriptor-addon.ts";
import { dialMachine } from "../descriptors/machine-socket.ts";
import type { ExpectedPeer, MachineConnection } from "../descriptors/machine-socket.ts";
import type { QmpCommands } from "./qmp-commands.ts";

/** QEMU's answers are short; a longer line is not QEMU speaking. */
const LINE_LIMIT = 1 << 20;
const COMMAND_MS = 10_000;
/** A socket without room for a descriptor is tried again after this. */
const ROOM_STEP_MS = 5;

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
  readonly #fd: number;
  readonly #waiting: Waiting[] = [];
  readonly #listeners = new Set<(event: string) => void>();
  #buffer = "";
  #greeted = Promise.withResolvers<void>();
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;

  private constructor({ socket, fd }: MachineConnection) {
    this.#socket = socket;
    this.#fd = fd;
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
   * @throws WrennError `machine_died` when the process ends before it listens; `operation_failed` when somebody else answers.
   */
  static async connect(path: string, qemu: ExpectedPeer, signal: AbortSignal): Promise<QmpClient> {
    return await withDeadline("QEMU's control socket", COMMAND_MS, signal, async (inner) => {
      const client = new QmpClient(await dialMachine(path, qemu, inner));
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
      this.#requireOpen();
      const answer = this.#await(command);
      this.#socket.write(lineOf(command, args));
      return (await answer) as QmpCommands[C]["return"];
    });
  }

  /**
   * Runs one command that comes with a copy of a descriptor. The caller keeps its own.
   *
   * @throws as {@link execute}.
   */
  async executeWith<C extends keyof QmpCommands>(
    command: C,
    args: QmpCommands[C]["arguments"],
    descriptor: number,
    signal: AbortSignal,
  ): Promise<QmpCommands[C]["return"]> {
    return await withDeadline(`QEMU command ${command}`, COMMAND_MS, signal, async (inner) => {
      const line = Buffer.from(lineOf(command, args));
      // Node has no call for it: the bytes must not overtake those that it still holds.
      for (;;) {
        inner.throwIfAborted();
        this.#requireOpen();
        const isNext = this.#socket.writableLength === 0;
        if (isNext && descriptorAddon().send(this.#fd, line, [descriptor])) break;
        await sleep(ROOM_STEP_MS, undefined, { signal: inner });
      }
      return (await this.#await(command)) as QmpCommands[C]["return"];
    });
  }

  #requireOpen(): void {
    if (this.#socket.destroyed)
      throw new WrennError("machine_died", { problem: "QEMU closed its control socket" });
  }

  async #await(command: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ command, resolve, reject });
    return await promise;
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

function lineOf(command: string, args: object | undefined): string {
  return `${JSON.stringify(args === undefined ? { execute: command } : { execute: command, arguments: args })}\n`;
}
