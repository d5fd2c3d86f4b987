import { once } from "node:events";
import { Bell, WrennError } from "@wrenn/core";
import type { CapsuleProcess, HeldOutput, CapsuleProcesses, OutputEvent, OutputStart } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import type { TestPlatform } from "./test-platform.ts";

const PART = 10_000;
const text = Buffer.alloc(2_000_000);
for (let at = 0; at < text.length; at++) text[at] = (at * 31 + (at >> 8)) & 0xff;

/** What a scripted terminal prints. */
export const outputBytes = (from: number, to: number): Buffer => text.subarray(from, to);

/** A program in a terminal that prints up to {@link printed}, and reads input up to {@link reads}. */
export class ScriptedTerminal implements CapsuleProcess {
  readonly facts: CapsuleProcess["facts"];
  /** Input that it took. */
  readonly input: Buffer[] = [];
  /** How far its output was read. */
  read = 0;
  #printed = 0;
  #reads = Infinity;
  #hasExited = false;
  #writes = Promise.resolve();
  readonly #change = new Bell();

  constructor(tag: string) {
    this.facts = { pid: 7, tag, cmd: "scripted", args: [], terminal: true, startedAt: 1 };
  }

  print(bytes: number): void {
    this.#printed += bytes;
    this.#change.ring();
  }

  exit(): void {
    this.#hasExited = true;
    this.#change.ring();
  }

  /** Reads so many bytes of input in all. */
  set reads(bytes: number) {
    this.#reads = bytes;
    this.#change.ring();
  }

  get inputLength(): number {
    return this.input.reduce((sum, { length }) => sum + length, 0);
  }

  async *output(from: OutputStart, signal: AbortSignal): AsyncGenerator<OutputEvent, void, undefined> {
    const abort = (): void => this.#change.ring();
    signal.addEventListener("abort", abort);
    let at = typeof from === "string" ? 0 : from.stdout;
    for (;;) {
      signal.throwIfAborted();
      const { next } = this.#change;
      if (at < this.#printed) {
        const to = Math.min(this.#printed, at + PART);
        this.read = Math.max(this.read, to);
        yield { type: "data", stream: "stdout", offset: at, bytes: outputBytes(at, to) };
        at = to;
      } else if (this.#hasExited) return yield { type: "exit", exit: { exitCode: 3 } };
      else await next;
    }
  }

  /** Takes what it reads, in the order of the calls; what it does not is refused when the write is given up. */
  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#change.ring();
    signal.addEventListener("abort", abort);
    const before = this.#writes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writes = promise;
    await before;
    try {
      await this.#take(bytes, signal);
    } finally {
      resolve();
    }
  }

  async #take(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    let accepted = 0;
    while (accepted < bytes.length) {
      const { next } = this.#change;
      const room = signal.aborted ? 0 : Math.min(bytes.length - accepted, this.#reads - this.inputLength);
      this.input.push(Buffer.from(bytes.subarray(accepted, accepted + room)));
      accepted += room;
      if (accepted === bytes.length) return;
      if (signal.aborted)
        throw new WrennError("input_not_read", { selector: "scripted", accepted, bytes: bytes.length });
      await next;
    }
  }

  async wait(signal: AbortSignal): Promise<never> {
    await once(signal, "abort");
    throw signal.reason;
  }

  async resize(): Promise<void> {}
  async closeInput(): Promise<void> {}
  async kill(): Promise<void> {
    this.exit();
  }

  /** Where the output ends; its bytes are not scripted. */
  async held(): Promise<HeldOutput> {
    return {
      stdout: { offset: this.#printed, bytes: Buffer.alloc(0) },
      stderr: { offset: 0, bytes: Buffer.alloc(0) },
    };
  }
}

/** A host on which every start makes a scripted terminal. */
export class ScriptedHostAgent extends FakeHostAgent {
  readonly terminals: ScriptedTerminal[] = [];

  override processes(id: string): CapsuleProcesses {
    return {
      ...super.processes(id),
      start: async () => {
        const terminal = new ScriptedTerminal(`pty-${this.terminals.length}`);
        this.terminals.push(terminal);
        return terminal;
      },
      find: async (selector: string) => {
        const found = this.terminals.find(({ facts: { tag } }) => tag === selector);
        if (found) return found;
        throw new WrennError("process_not_found", { selector });
      },
    };
  }
}

/** What a client of terminals has sent and received. */
export class TerminalClient {
  readonly socket: WebSocket;
  readonly messages: Readonly<Record<string, unknown>>[] = [];
  readonly output: Buffer[] = [];
  closed: number | undefined;

  constructor(
    platform: TestPlatform,
    capsule: string,
    first: object,
    headers = { "x-api-key": platform.apiKey },
  ) {
    const url = `${platform.url.replace("http", "ws")}/v1/capsules/${capsule}/pty`;
    this.socket = new WebSocket(url, "wrenn.pty.binary", { headers });
    this.socket.on("error", () => undefined);
    this.socket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) this.output.push(data as Buffer);
      else this.messages.push(JSON.parse((data as Buffer).toString()) as Readonly<Record<string, unknown>>);
    });
    this.socket.on("close", (code) => {
      this.closed = code;
    });
    this.socket.once("open", () => this.send(first));
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  get received(): Buffer {
    return Buffer.concat(this.output);
  }

  message(type: string): Readonly<Record<string, unknown>> | undefined {
    return this.messages.findLast((message) => message["type"] === type);
  }
}
