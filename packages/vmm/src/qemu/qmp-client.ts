import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { abortable, withDeadline, WrennError } from "@wrenn/core";
import { descriptorAddon } from "../descriptors/descriptor-addon.ts";
import { dialMachine } from "../descriptors/machine-socket.ts";
import type { ExpectedPeer, MachineConnection } from "../descriptors/machine-socket.ts";
import { MessageBudget } from "./message-budget.ts";
import { readAnswer } from "./qmp-answers.ts";
import type { QmpCommands } from "./qmp-commands.ts";
import { parseMessage, QmpViolation } from "./qmp-message.ts";
import type { QmpMessage } from "./qmp-message.ts";

/** QEMU's answers are short; a longer line is not QEMU speaking. */
const LINE_LIMIT = 1 << 20;
/** Commands that may wait for their answers, and bytes of them that QEMU has not read. */
const WAITING_LIMIT = 64;
const UNREAD_LIMIT = 64 << 10;
const COMMAND_MS = 10_000;
/** A socket without room for a descriptor is tried again after this. */
const ROOM_STEP_MS = 5;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly command: keyof QmpCommands;
}

/**
 * QEMU Machine Protocol over a unix socket (QEMU's documentation, "QMP reference"). The peer is hostile where a guest has taken
 * QEMU over: its answers are checked, and what it sends is bounded in size, number and time. Commands are numbered, so that an
 * answer which arrives after the deadline of its command is not taken for that of the next one.
 */
export class QmpClient {
  /** Names the machine in errors, once it has a name. */
  machine: string | undefined;
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: string) => void>();
  readonly #budget = new MessageBudget(performance.now());
  readonly #greeted = Promise.withResolvers<void>();
  /** The line that has not arrived as a whole. */
  #pieces: string[] = [];
  #length = 0;
  #lastId = 0;
  #violation: string | undefined;
  #left = false;
  #rest: NodeJS.Timeout | undefined;
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
      clearTimeout(this.#rest);
      const gone = this.#gone();
      this.#greeted.reject(gone);
      for (const waiting of this.#waiting.values()) waiting.reject(gone);
      this.#waiting.clear();
    });
  }

  /**
   * Connects as soon as QEMU listens, and negotiates.
   *
   * @throws WrennError `machine_died` when the process ends before it listens, or breaks the protocol; `operation_failed` when
   *   somebody else answers.
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

  /** How QEMU broke the protocol, after which the connection was closed: its machine has to be ended. */
  get violation(): string | undefined {
    return this.#violation;
  }

  /**
   * Runs one command.
   *
   * @throws WrennError `operation_failed` when QEMU refuses or reads nothing, `machine_died` when it is gone or breaks the
   *   protocol, `deadline_exceeded` when it is silent.
   */
  async execute<C extends keyof QmpCommands>(
    command: C,
    args: QmpCommands[C]["arguments"],
    signal: AbortSignal,
  ): Promise<QmpCommands[C]["return"]> {
    return await withDeadline(this.#naming(command), COMMAND_MS, signal, async (inner) => {
      this.#requireReader(command);
      const { id, answer } = this.#await(command, inner);
      this.#socket.write(lineOf(command, args, id));
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
    return await withDeadline(this.#naming(command), COMMAND_MS, signal, async (inner) => {
      for (;;) {
        this.#requireReader(command);
        // Node has no call for it: the bytes must not overtake those that it still holds.
        const answer =
          this.#socket.writableLength === 0 ? this.#send(command, args, descriptor, inner) : undefined;
        if (answer) return (await answer) as QmpCommands[C]["return"];
        await sleep(ROOM_STEP_MS, undefined, { signal: inner });
      }
    });
  }

  /** Sends a command at once; undefined when there is no room for it. */
  #send<C extends keyof QmpCommands>(
    command: C,
    args: QmpCommands[C]["arguments"],
    descriptor: number,
    signal: AbortSignal,
  ): Promise<unknown> | undefined {
    const line = Buffer.from(lineOf(command, args, this.#lastId + 1));
    if (!descriptorAddon().send(this.#fd, line, [descriptor])) return undefined;
    return this.#await(command, signal).answer;
  }

  /** The next command's number, and its answer. */
  #await(
    command: keyof QmpCommands,
    signal: AbortSignal,
  ): { readonly id: number; readonly answer: Promise<unknown> } {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { command, resolve, reject });
    // Given up: a later answer is for no one.
    const forget = (): void => void this.#waiting.delete(id);
    signal.addEventListener("abort", forget, { once: true });
    const answer = promise.finally(() => signal.removeEventListener("abort", forget));
    return { id, answer };
  }

  /** Calls `listener` for each event's name; returns the unsubscriber. */
  onEvent(listener: (event: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#left = true;
    this.#socket.destroy();
  }

  /** Whether this process closed the connection, which says nothing about QEMU. */
  get isLeft(): boolean {
    return this.#left;
  }

  #requireReader(command: keyof QmpCommands): void {
    if (this.#socket.destroyed) throw this.#gone();
    const problem =
      this.#waiting.size >= WAITING_LIMIT
        ? `QEMU has not answered ${WAITING_LIMIT} commands`
        : this.#socket.writableLength > UNREAD_LIMIT
          ? "QEMU does not read its control socket"
          : undefined;
    if (problem !== undefined)
      throw new WrennError("operation_failed", { operation: this.#naming(command), problem });
  }

  #take(text: string): void {
    let messages = 0;
    try {
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        this.#keep(text.slice(from, end));
        from = end + 1;
        messages++;
        this.#takeLine();
        // A listener, or this message, ended the connection.
        if (this.#socket.destroyed) return;
      }
      this.#keep(text.slice(from));
    } catch (error) {
      if (!(error instanceof QmpViolation)) throw error;
      this.#break(error.message);
      return;
    }
    const pause = this.#budget.spend(messages + 1, text.length, performance.now());
    if (pause === "flood") this.#break("it floods its control socket");
    else if (pause > 0) this.#readNothingFor(pause);
  }

  #keep(piece: string): void {
    this.#length += piece.length;
    if (this.#length > LINE_LIMIT) throw new QmpViolation(`a line of more than ${LINE_LIMIT} characters`);
    if (piece !== "") this.#pieces.push(piece);
  }

  #takeLine(): void {
    const line = this.#pieces.join("");
    this.#pieces = [];
    this.#length = 0;
    if (line.trim() !== "") this.#receive(parseMessage(line));
  }

  #receive(message: QmpMessage): void {
    if (message.kind === "greeting") this.#greeted.resolve();
    else if (message.kind === "event") for (const listener of this.#listeners) listener(message.name);
    else this.#settle(message);
  }

  #settle(message: Extract<QmpMessage, { id: number }>): void {
    const { id } = message;
    if (id < 1 || id > this.#lastId) throw new QmpViolation(`an answer to command ${id}, which was not sent`);
    const waiting = this.#waiting.get(id);
    // Its caller has given up.
    if (!waiting) return;
    if (message.kind === "answer") {
      // An answer of another form ends the connection, which rejects this command with the others.
      const value = readAnswer(waiting.command, message.value);
      this.#waiting.delete(id);
      waiting.resolve(value);
      return;
    }
    this.#waiting.delete(id);
    const operation = this.#naming(waiting.command);
    waiting.reject(new WrennError("operation_failed", { operation, problem: message.problem }));
  }

  /** QEMU reports nothing meanwhile: its own buffers, which are memory of its machine, keep what it sends. */
  #readNothingFor(ms: number): void {
    this.#socket.pause();
    this.#rest = setTimeout(() => this.#socket.resume(), ms);
    this.#rest.unref();
  }

  #break(violation: string): void {
    this.#violation ??= violation;
    this.#pieces = [];
    this.#socket.destroy();
  }

  #gone(): WrennError<"machine_died"> {
    const who = this.#who();
    const problem =
      this.#violation === undefined
        ? `${who} closed its control socket`
        : `${who} broke its protocol: ${this.#violation}`;
    return new WrennError("machine_died", { problem });
  }

  #naming(command: keyof QmpCommands): string {
    return this.machine === undefined ? `QEMU command ${command}` : `${command} in ${this.#who()}`;
  }

  #who(): string {
    return this.machine === undefined ? "QEMU" : `QEMU of machine ${this.machine}`;
  }
}

function lineOf(command: string, args: object | undefined, id: number): string {
  const call = args === undefined ? { execute: command, id } : { execute: command, arguments: args, id };
  return `${JSON.stringify(call)}\n`;
}
