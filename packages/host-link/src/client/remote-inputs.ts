import { abortable, Bell, WrennError } from "@wrenn/core";
import type { ProcessFacts } from "@wrenn/protocol";
import { encodeFrame } from "../wire/frames.ts";
import { damaged, errorFromWire } from "../wire/link-error.ts";
import { InputTaken } from "../wire/streams.ts";
import { checked } from "./link-client.ts";
import type { LinkExchange, LinkClient } from "./link-client.ts";

/** Larger writes are sent in parts, so that no frame becomes too long. */
const PART_BYTES = 256 << 10;

/**
 * Input of processes on another machine: one stream for each process that is written to, opened by its first write. All writes to
 * one process go through its stream, in the order of the calls.
 */
export class RemoteInputs {
  readonly #client: LinkClient;
  readonly #idleMs: number;
  readonly #streams = new Map<string, InputStream>();

  /** @param idleMs - after this long without input a stream is closed; the next write opens another. */
  constructor(client: LinkClient, idleMs: number) {
    this.#client = client;
    this.#idleMs = idleMs;
  }

  /**
   * Resolves when the guest has taken the bytes. Where that cannot be known, because the link broke, it rejects.
   *
   * @throws WrennError `stdin_closed`, `host_unavailable`; the signal's reason, and then the guest may still take the bytes.
   */
  async write(id: string, facts: ProcessFacts, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#streamTo(id, facts).add(bytes, signal);
  }

  /** Closes the input after everything that was written before the call. */
  async close(id: string, facts: ProcessFacts, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#streamTo(id, facts).add("close", signal);
  }

  #streamTo(id: string, facts: ProcessFacts): InputStream {
    const key = `${id} ${facts.pid} ${facts.startedAt}`;
    const known = this.#streams.get(key);
    if (known) return known;
    const exchange = this.#client.exchange("input");
    const stream = new InputStream(exchange, id, facts, this.#idleMs, () => this.#streams.delete(key));
    this.#streams.set(key, stream);
    return stream;
  }
}

interface Item extends PromiseWithResolvers<void> {
  readonly content: Uint8Array | "close";
  /** Parts that the host has not answered yet. */
  unanswered: number;
}

class InputStream {
  readonly #exchange: LinkExchange;
  readonly #facts: ProcessFacts;
  readonly #idle: NodeJS.Timeout;
  readonly #onOver: () => void;
  /** Items that are not sent yet, and those that are, by the number of each part. */
  readonly #waiting: Item[] = [];
  readonly #sent = new Map<number, Item>();
  readonly #received: Promise<void>;
  #over = false;
  readonly #change = new Bell();

  constructor(exchange: LinkExchange, id: string, facts: ProcessFacts, idleMs: number, onOver: () => void) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#onOver = onOver;
    this.#idle = setTimeout(() => this.#closeIdle(), idleMs).unref();
    void this.#send(encodeFrame([id, { pid: facts.pid, startedAt: facts.startedAt }]));
    this.#received = this.#receive();
  }

  async add(content: Item["content"], signal: AbortSignal): Promise<void> {
    const item: Item = { content, unanswered: 0, ...Promise.withResolvers<void>() };
    this.#waiting.push(item);
    this.#ring();
    try {
      await abortable(signal, item.promise);
    } catch (error) {
      // One that is being sent is sent whole: the guest never gets half a write before the next.
      const at = this.#waiting.indexOf(item);
      if (at >= 0) this.#waiting.splice(at, 1);
      throw error;
    }
  }

  async #send(first: Buffer): Promise<void> {
    let number = 0;
    try {
      await this.#exchange.send(first);
      while (!this.#over) {
        const item = this.#waiting.shift();
        if (!item) {
          await this.#change.next;
          continue;
        }
        const parts = partsOf(item.content);
        item.unanswered = parts.length;
        for (const part of parts) {
          number++;
          this.#sent.set(number, item);
          const header = part === "close" ? { close: number } : { write: number };
          await this.#exchange.send(encodeFrame(header, part === "close" ? undefined : part));
        }
      }
    } catch (error) {
      // Why nothing can be sent is in the answer, if there is one: the process may have exited.
      await this.#received;
      this.#fail(error);
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const { value } of this.#exchange.pieces()) {
        const { taken, error } = checked(InputTaken, value);
        const item = this.#sent.get(taken);
        if (!item) throw damaged("an answer to input that was not sent");
        this.#sent.delete(taken);
        if (error !== undefined) item.reject(errorFromWire(error));
        else if (--item.unanswered === 0) item.resolve();
        this.#idle.refresh();
      }
      // The host ends a stream when the process has exited.
      this.#finish(new WrennError("stdin_closed", { selector: this.#facts.tag ?? String(this.#facts.pid) }));
      this.#exchange.end();
    } catch (error) {
      this.#fail(error);
    }
  }

  #closeIdle(): void {
    if (this.#sent.size > 0 || this.#waiting.length > 0) this.#idle.refresh();
    else if (!this.#over) {
      this.#finish(undefined);
      this.#exchange.end();
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#finish(error);
    this.#exchange.destroy();
  }

  /** Nothing is added from now on: the next write opens another stream. Everything that is open fails. */
  #finish(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#idle);
    this.#onOver();
    for (const item of [...this.#sent.values(), ...this.#waiting.splice(0)]) item.reject(error);
    this.#sent.clear();
    this.#ring();
  }

  #ring(): void {
    this.#change.ring();
  }
}

function partsOf(content: Item["content"]): readonly Item["content"][] {
  if (content === "close" || content.length <= PART_BYTES) return [content];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += PART_BYTES) parts.push(content.subarray(at, at + PART_BYTES));
  return parts;
}
