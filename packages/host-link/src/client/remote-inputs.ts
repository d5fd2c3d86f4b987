import { Bell, WrennError } from "@wrenn/core";
import type { ProcessFacts } from "@wrenn/protocol";
import { encodeFrame } from "../wire/frames.ts";
import { damaged, errorFromWire } from "../wire/link-error.ts";
import { INPUT_WINDOW, inputCost, InputTaken } from "../wire/streams.ts";
import { checked } from "./link-client.ts";
import type { LinkExchange, LinkClient } from "./link-client.ts";
import { unavailable } from "./transport.ts";

/** Larger writes are sent in parts, so that no frame becomes too long. */
const PART_BYTES = 256 << 10;
const NOTHING = new Uint8Array(0);
/** How long the host may take to say how much was taken of a write that was given up. */
const CANCEL_MS = 5000;

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

  /** As `CapsuleProcess.write`; what happened to the bytes is unknown when it throws WrennError `host_unavailable`. */
  async write(
    id: string,
    facts: ProcessFacts,
    bytes: Uint8Array,
    signal: AbortSignal,
    offset?: number,
  ): Promise<void> {
    signal.throwIfAborted();
    await this.#streamTo(id, facts).add("write", bytes, signal, offset);
  }

  /** As `CapsuleProcess.closeInput`. */
  async close(id: string, facts: ProcessFacts, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#streamTo(id, facts).add("close", NOTHING, signal);
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
  readonly kind: "write" | "close";
  readonly bytes: Uint8Array;
  /** Place of its first byte in the whole input, where its caller says so. */
  readonly offset: number | undefined;
  /** Bytes that were sent. */
  sent: number;
  /** Bytes that the guest took. */
  taken: number;
  /** Sizes of the parts that the host has not answered yet, by their numbers. */
  readonly open: Map<number, number>;
  /** Nothing more of it is sent. */
  complete: boolean;
  /** Something of it was taken back. */
  cut: boolean;
}

class InputStream {
  readonly #exchange: LinkExchange;
  readonly #facts: ProcessFacts;
  readonly #idle: NodeJS.Timeout;
  readonly #onOver: () => void;
  /** Items that are not, or not wholly, sent. */
  readonly #waiting: Item[] = [];
  /** Items of which parts have no answer, by the number of each part. */
  readonly #sent = new Map<number, Item>();
  /** What those parts count for in the window. */
  #underWay = 0;
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

  async add(kind: Item["kind"], bytes: Uint8Array, signal: AbortSignal, offset?: number): Promise<void> {
    const item: Item = {
      kind,
      bytes,
      offset,
      sent: 0,
      taken: 0,
      open: new Map(),
      complete: false,
      cut: false,
      ...Promise.withResolvers<void>(),
    };
    this.#waiting.push(item);
    this.#change.ring();
    let timer: NodeJS.Timeout | undefined;
    const giveUp = (): void => {
      this.#giveUp(item);
      const late = unavailable(new Error("the host does not say how much input was taken"));
      timer = setTimeout(() => item.reject(late), CANCEL_MS);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await item.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Sends nothing more of an item, and takes back what the guest has not taken: the newest part first, so that no gap is left. */
  #giveUp(item: Item): void {
    if (!item.complete) {
      this.#waiting.splice(this.#waiting.indexOf(item), 1);
      item.complete = true;
      item.cut = true;
    }
    for (const number of [...item.open.keys()].toReversed())
      this.#exchange.post(encodeFrame({ cancel: number }));
    this.#settle(item);
    this.#change.ring();
  }

  #settle(item: Item): void {
    if (!item.complete || item.open.size > 0) return;
    if (item.cut)
      item.reject(
        new WrennError("input_not_read", {
          selector: this.#selector(),
          accepted: item.taken,
          bytes: item.bytes.length,
        }),
      );
    else item.resolve();
  }

  async #send(first: Buffer): Promise<void> {
    try {
      await this.#exchange.send(first);
      for (let number = 1; !this.#over;) {
        const [item] = this.#waiting;
        const part = item?.bytes.subarray(item.sent, item.sent + PART_BYTES);
        const cost = inputCost(part?.length ?? 0);
        if (!item || !part || (this.#underWay > 0 && this.#underWay + cost > INPUT_WINDOW)) {
          await this.#change.next;
          continue;
        }
        const place = item.offset === undefined ? {} : { offset: item.offset + item.sent };
        item.sent += part.length;
        item.complete = item.sent === item.bytes.length;
        if (item.complete) this.#waiting.shift();
        item.open.set(number, part.length);
        this.#sent.set(number, item);
        this.#underWay += cost;
        await this.#exchange.send(encodeFrame({ [item.kind]: number++, ...place }, part));
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
        this.#answered(taken, error);
        this.#idle.refresh();
        this.#change.ring();
      }
      // The host ends a stream when the process has exited.
      this.#finish(new WrennError("stdin_closed", { selector: this.#selector() }));
      this.#exchange.end();
    } catch (error) {
      this.#fail(error);
    }
  }

  #answered(number: number, wireError: unknown): void {
    const item = this.#sent.get(number);
    const size = item?.open.get(number);
    if (!item || size === undefined) throw damaged("an answer to input that was not sent");
    const error = wireError === undefined ? undefined : errorFromWire(wireError);
    const isCut = WrennError.is(error, "input_not_read");
    const taken = isCut ? Number(error.context["accepted"]) : size;
    if (!(taken >= 0 && taken <= size)) throw damaged("more input taken than was sent");
    this.#sent.delete(number);
    item.open.delete(number);
    this.#underWay -= inputCost(size);
    item.taken += taken;
    item.cut ||= isCut;
    if (error && !isCut) item.reject(error);
    this.#settle(item);
  }

  #selector(): string {
    return this.#facts.tag ?? String(this.#facts.pid);
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
    const isClosed = WrennError.is(error, "stdin_closed");
    for (const item of [...this.#sent.values(), ...this.#waiting.splice(0)]) {
      // The input of a process that has exited needs no closing.
      if (isClosed && item.kind === "close") item.resolve();
      else item.reject(error);
    }
    this.#sent.clear();
    this.#change.ring();
  }
}
