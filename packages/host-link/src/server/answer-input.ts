import { Bell, WrennError } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { found } from "../wire/calls.ts";
import { decodeFrames } from "../wire/frames.ts";
import type { LinkFrame } from "../wire/frames.ts";
import { errorToWire } from "../wire/link-error.ts";
import { End, INPUT_WINDOW, InputArguments, inputCost, InputItem } from "../wire/streams.ts";
import { checkArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";
import { sendPieces } from "./send-pieces.ts";
import type { AnswerPiece } from "./send-pieces.ts";

/** Input of one process: pieces arrive in order, and each is answered when the guest has taken it. */
export async function answerInput({ agent, request, response, signal }: LinkRequest): Promise<void> {
  // The connection outlives the last frame that is read: it still carries the answer.
  const frames = decodeFrames(request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>);
  const first = await frames.next();
  const [id, handle] = checkArguments(first.done ? undefined : first.value.header, InputArguments);
  const relay = new InputRelay(await found(agent, id, handle, signal), signal);
  const reading = relay.read(frames).finally(() => request.resume());
  await sendPieces(response, relay.answers(), signal);
  await reading;
}

class InputRelay {
  readonly #process: CapsuleProcess;
  readonly #answers: { readonly piece: AnswerPiece; readonly cost: number }[] = [];
  #last = 0;
  /** Gives up items that the guest has neither taken nor refused, by their numbers. */
  readonly #open = new Map<number, AbortController>();
  /** What the items cost whose answers are not sent yet. */
  #backlog = 0;
  /** The process has exited or the client sends no more: the open items are the last. */
  #finishing = false;
  /** The answer is complete: what still arrives is dropped, and its sender learns of the end. */
  #over = false;
  #failure: unknown;
  readonly #change = new Bell();

  constructor(process: CapsuleProcess, signal: AbortSignal) {
    this.#process = process;
    const finish = (): void => this.#finish();
    process.wait(signal).then(finish, finish);
    signal.addEventListener("abort", () => this.#giveUpAll(signal.reason), { once: true });
  }

  /** Gives what arrives to the process. */
  async read(frames: AsyncIterable<LinkFrame>): Promise<void> {
    try {
      for await (const { header, payload } of frames) {
        if (Value.Check(End, header)) return;
        if (this.#over) continue;
        this.#take(header, payload);
        while (this.#backlog > INPUT_WINDOW && !this.#over) await this.#change.next;
      }
      throw new Error("the input was cut off");
    } catch (error) {
      this.#failure ??= error;
    } finally {
      this.#finish();
    }
  }

  /** One answer for each item, in the order in which the guest takes them, until nothing follows. */
  async *answers(): AsyncGenerator<AnswerPiece> {
    try {
      for (;;) {
        for (let next = this.#answers.shift(); next; next = this.#answers.shift()) {
          yield next.piece;
          this.#backlog -= next.cost;
          this.#ring();
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#finishing && this.#open.size === 0) return;
        await this.#change.next;
      }
    } finally {
      this.#over = true;
      this.#ring();
    }
  }

  #take(header: unknown, payload: Uint8Array): void {
    if (!Value.Check(InputItem, header)) throw invalid("is of another shape");
    if ("cancel" in header) {
      if (header.cancel > this.#last) throw invalid(`cancels ${header.cancel} after ${this.#last}`);
      this.#open.get(header.cancel)?.abort(new Error("the client gave the write up"));
      return;
    }
    const number = "write" in header ? header.write : header.close;
    if (number !== this.#last + 1) throw invalid(`has the number ${number} after ${this.#last}`);
    this.#last = number;
    const giveUp = new AbortController();
    this.#open.set(number, giveUp);
    const cost = inputCost(payload.length);
    this.#backlog += cost;
    const settle = (error?: unknown): void => {
      this.#open.delete(number);
      if (error === undefined) this.#answers.push({ piece: { value: { taken: number } }, cost });
      else if (isOfOneItem(error))
        this.#answers.push({ piece: { value: { taken: number, error: errorToWire(error) } }, cost });
      else this.#failure ??= error;
      this.#ring();
    };
    const taken =
      "write" in header
        ? this.#process.write(payload, giveUp.signal, header.offset)
        : this.#process.closeInput(giveUp.signal);
    taken.then(() => settle(), settle);
  }

  /** The newest first: the rest of one that is cut is not followed by another. */
  #giveUpAll(reason: unknown): void {
    for (const giveUp of [...this.#open.values()].toReversed()) giveUp.abort(reason);
  }

  #finish(): void {
    this.#finishing = true;
    this.#ring();
  }

  #ring(): void {
    this.#change.ring();
  }
}

/** Whether an error is about one item, and the next one may be taken. */
function isOfOneItem(error: unknown): boolean {
  return (
    WrennError.is(error, "stdin_closed") ||
    WrennError.is(error, "input_not_read") ||
    WrennError.is(error, "input_offset_differs")
  );
}

function invalid(problem: string): WrennError {
  return new WrennError("invalid_field", { field: "input", problem });
}
