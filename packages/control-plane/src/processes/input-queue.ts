import { Bell, WrennError } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";

/** Input that is on its way to the guest; what is beyond it waits here. */
const UNDER_WAY_BYTES = 512 << 10;
/** Small inputs that wait are sent together up to this size. */
const JOINED_BYTES = 64 << 10;
/** What an input counts for in addition to its bytes, among those that are under way. */
const INPUT_BYTES = 64;
/** A resize overtakes the input before it when none of it was taken for this long. */
const RESIZE_PATIENCE_MS = 250;

interface Input {
  readonly type: "input";
  readonly parts: Buffer[];
  size: number;
}
type Item = Input | { readonly type: "resize"; cols: number; rows: number } | { readonly type: "close" };

/** Keeps account of messages that wait. */
interface HeldMessages {
  hold(bytes: number): void;
  release(bytes: number): void;
}

/**
 * What a client types, resizes and closes, in its order; the caller never waits. A resize overtakes input only when the process
 * takes none. Of several sizes in a row the last one counts.
 */
export class InputQueue {
  readonly #process: CapsuleProcess;
  readonly #held: HeldMessages;
  readonly #onFailure: (error: unknown) => void;
  readonly #onTaken: (bytes: number | undefined) => void;
  readonly #items: Item[] = [];
  #underWay = 0;
  #working = false;
  readonly #abandoned = new AbortController();
  /** Inputs that are no longer under way. */
  #settled = 0;
  /** Rings when an input has settled, and when a resize was added. */
  readonly #change = new Bell();

  /**
   * @param onFailure - called once, when the process takes no more input; what still comes is dropped.
   * @param onTaken - called in the order of the input with how many bytes more the guest took; undefined when that is not known.
   */
  constructor(
    process: CapsuleProcess,
    held: HeldMessages,
    onFailure: (error: unknown) => void,
    onTaken: (bytes: number | undefined) => void = () => undefined,
  ) {
    this.#process = process;
    this.#held = held;
    this.#onFailure = onFailure;
    this.#onTaken = onTaken;
  }

  write(bytes: Buffer): void {
    if (this.#abandoned.signal.aborted) return;
    this.#held.hold(bytes.length);
    const last = this.#items.at(-1);
    if (last?.type === "input" && last.size + bytes.length <= JOINED_BYTES) {
      last.parts.push(bytes);
      last.size += bytes.length;
    } else this.#add({ type: "input", parts: [bytes], size: bytes.length });
  }

  resize(cols: number, rows: number): void {
    const last = this.#items.at(-1);
    if (last?.type === "resize") {
      last.cols = cols;
      last.rows = rows;
    } else this.#add({ type: "resize", cols, rows });
    this.#change.ring();
  }

  /** Closes the input after what was written before. */
  close(): void {
    this.#add({ type: "close" });
  }

  /** Takes back what the guest has not taken, and drops what still comes. */
  abandon(cause: unknown = new Error("the input was abandoned")): void {
    this.#abandoned.abort(cause);
    for (const item of this.#items.splice(0)) this.#release(item);
    this.#change.ring();
  }

  /**
   * The client has left: what it sent is still passed on while the process takes it, and until `totalMs` have passed. Resolves when
   * nothing is held any longer.
   */
  async finish(patienceMs: number, totalMs: number): Promise<void> {
    const end = setTimeout(() => this.abandon(), totalMs);
    await this.#whileTaken(patienceMs);
    clearTimeout(end);
    this.abandon();
    // What was under way is given back.
    await this.#whileTaken(patienceMs);
  }

  /** Takes back what the guest has not taken, and waits at most `ms` for what is under way. */
  async stop(ms: number): Promise<void> {
    this.abandon();
    await this.#whileTaken(ms);
  }

  /** Whether what happened to all of the input is known. */
  get isSettled(): boolean {
    return this.#underWay === 0 && this.#items.length === 0;
  }

  async #whileTaken(patienceMs: number): Promise<void> {
    while (this.#items.length > 0 || this.#underWay > 0) if (!(await this.#takenWithin(patienceMs))) return;
  }

  #add(item: Item): void {
    if (this.#abandoned.signal.aborted) return;
    this.#items.push(item);
    if (!this.#working) this.#work().catch((error: unknown) => this.#fail(error));
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (let [item] = this.#items; item; [item] = this.#items) await this.#pass(item);
    } finally {
      this.#working = false;
    }
  }

  /** Passes the first item on, or waits for what stands in its way. */
  async #pass(item: Item): Promise<void> {
    const { signal } = this.#abandoned;
    if (item.type === "input") {
      const cost = item.size + INPUT_BYTES;
      if (this.#underWay > 0 && this.#underWay + cost > UNDER_WAY_BYTES) await this.#inputTaken();
      else {
        this.#items.shift();
        this.#send(item, cost);
      }
    } else if (item.type === "close") {
      this.#items.shift();
      await this.#process.closeInput(signal);
    } else if (this.#underWay > 0) await this.#inputTaken();
    else {
      this.#items.shift();
      await this.#process.resize(item.cols, item.rows, signal);
    }
  }

  #send(input: Input, cost: number): void {
    const { parts, size } = input;
    const [first] = parts;
    this.#underWay += cost;
    this.#process
      .write(parts.length === 1 && first ? first : Buffer.concat(parts, size), this.#abandoned.signal)
      .then(
        () => this.#onTaken(size),
        (error: unknown) => {
          this.#onTaken(takenOf(error));
          this.#fail(error);
        },
      )
      .finally(() => {
        this.#underWay -= cost;
        this.#settled++;
        this.#release(input);
        this.#change.ring();
      });
  }

  /** Waits until input was taken. If none is, a resize that waits behind it is made now. */
  async #inputTaken(): Promise<void> {
    const resize = this.#items.findLast((item) => item.type === "resize");
    if (!resize) await this.#change.next;
    else if (!(await this.#takenWithin(RESIZE_PATIENCE_MS))) {
      const others = this.#items.filter((item) => item.type !== "resize");
      this.#items.splice(0, this.#items.length, ...others);
      await this.#process.resize(resize.cols, resize.rows, this.#abandoned.signal);
    }
  }

  async #takenWithin(ms: number): Promise<boolean> {
    const before = this.#settled;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
      this.#change.ring();
    }, ms);
    while (this.#settled === before && !late.signal.aborted) await this.#change.next;
    clearTimeout(timer);
    return this.#settled !== before;
  }

  #release(item: Item): void {
    if (item.type === "input") for (const { length } of item.parts) this.#held.release(length);
  }

  #fail(error: unknown): void {
    if (this.#abandoned.signal.aborted) return;
    this.abandon(error);
    this.#onFailure(error);
  }
}

/** How many bytes of a write that failed were taken. */
function takenOf(error: unknown): number | undefined {
  if (WrennError.is(error, "stdin_closed")) return 0;
  return WrennError.is(error, "input_not_read") ? Number(error.context["accepted"]) : undefined;
}
