import { abortable, WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame } from "@wrenn/protocol";
import { GuestRefusal } from "./guest-refusal.ts";

interface Pending {
  readonly op: number;
  readonly body: Uint8Array;
  readonly resolve: (reader: guestChannel.BodyReader) => void;
  readonly reject: (reason: unknown) => void;
  readonly parts: Buffer[];
  size: number;
}

/** After this many answers that no `answeredBelow` covers, an acknowledgement says which the guest need not keep. */
const ACKNOWLEDGE_AFTER = 256;
/** Most requests the guest has at once: later ones are refused, so it keeps nothing of them. */
const MAX_OUTSTANDING = 4096;

export interface RequestsDeps {
  readonly send: (id: number, op: number, answeredBelow: number, body: Uint8Array) => void;
  /** The answers of all requests below `below`, except those of `pending`, have arrived. */
  readonly acknowledge: (below: number, pending: readonly number[]) => void;
}

/** Requests under way on one lane. The guest executes an id once, so sending one again after a reconnect is safe. */
export class Requests {
  readonly #deps: RequestsDeps;
  readonly #cancelOperation: number | undefined;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  /** Answers since the last acknowledgement that an older request, still under way, keeps in the guest. */
  #unacknowledged = 0;

  /** @param cancelOperation - tells the guest which request was given up; without one it goes on to its end. */
  constructor(deps: RequestsDeps, cancelOperation?: number) {
    this.#deps = deps;
    this.#cancelOperation = cancelOperation;
  }

  /**
   * An abort rejects at once; the guest then ends the request soon, if it can, as one that failed.
   *
   * @throws GuestRefusal when the guest answers with a status other than 0.
   */
  async send(
    op: number,
    body: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<guestChannel.BodyReader> {
    signal?.throwIfAborted();
    if (body.length > guestChannel.MAX_REQUEST - 8)
      throw new GuestRefusal(guestChannel.status.tooLarge, "the request is too large");
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<guestChannel.BodyReader>();
    this.#pending.set(id, { op, body, resolve, reject, parts: [], size: 0 });
    this.#deps.send(id, op, this.#answeredBelow(), body);
    // The answer of an abandoned request still arrives and must settle quietly.
    promise.catch(() => {});
    if (!signal) return await promise;
    const cancel = (): void => this.#cancel(id);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await abortable(signal, promise);
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  /** Guests of an earlier version refuse this as unknown, which changes nothing. */
  #cancel(id: number): void {
    if (this.#cancelOperation === undefined || !this.#pending.has(id)) return;
    const body = new guestChannel.BodyWriter().u32(id).finish();
    this.send(this.#cancelOperation, body, undefined).catch(() => {});
  }

  /** Sends every unanswered request again, after a reconnect. */
  resend(): void {
    for (const [id, pending] of this.#pending) {
      pending.parts.length = 0;
      pending.size = 0;
      this.#deps.send(id, pending.op, this.#answeredBelow(), pending.body);
    }
    // The one before the cut may have been lost.
    this.#acknowledge();
  }

  receive(frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    if (!pending) return;
    pending.size += frame.payload.length;
    if (pending.size > guestChannel.MAX_RESPONSE + guestChannel.MAX_PAYLOAD) {
      this.#pending.delete(frame.id);
      pending.reject(new WrennError("guest_protocol", { problem: "an answer without end" }));
      return;
    }
    pending.parts.push(Buffer.from(frame.payload));
    if (frame.flags & guestChannel.FLAG_MORE) return;
    this.#pending.delete(frame.id);
    if (frame.id > this.#answeredBelow() && ++this.#unacknowledged >= ACKNOWLEDGE_AFTER) this.#acknowledge();
    const [first] = pending.parts;
    const whole = pending.parts.length === 1 && first ? first : Buffer.concat(pending.parts);
    const reader = new guestChannel.BodyReader(whole);
    try {
      const status = reader.u32();
      if (status === guestChannel.status.ok) pending.resolve(reader);
      else pending.reject(new GuestRefusal(status, reader.rest().toString("utf8").slice(0, 1000)));
    } catch (error) {
      pending.reject(error);
    }
  }

  fail(cause: unknown): void {
    for (const pending of this.#pending.values()) pending.reject(cause);
    this.#pending.clear();
  }

  #acknowledge(): void {
    this.#unacknowledged = 0;
    if (this.#pending.size === 0) return;
    const ids = [...this.#pending.keys()].slice(0, MAX_OUTSTANDING);
    const all = ids.length === this.#pending.size;
    this.#deps.acknowledge(all ? this.#next : (ids.at(-1) ?? 0) + 1, ids);
  }

  /** Ids are handed out in order and a map keeps that order, so the first one left is the smallest. */
  #answeredBelow(): number {
    const [first] = this.#pending.keys();
    return first ?? this.#next;
  }
}
