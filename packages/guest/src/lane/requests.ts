import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame } from "@wrenn/protocol";
import type { BufferShare, CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { GuestRefusal } from "./guest-refusal.ts";
import { ResponseAssembly } from "./response-assembly.ts";

interface Pending {
  readonly op: number;
  readonly body: Uint8Array;
  readonly settle: PromiseWithResolvers<guestChannel.BodyReader>;
  readonly share: BufferShare;
  answer: ResponseAssembly;
  /** The guest may know of it. */
  isSent: boolean;
}

/** After this many answers that no `answeredBelow` covers, an acknowledgement says which the guest need not keep. */
const ACKNOWLEDGE_AFTER = 256;
/** Most requests the guest has at once: later ones are refused, so it keeps nothing of them. */
const MAX_OUTSTANDING = 4096;
/** Requests of users that may be under way; what the host itself asks is not refused because of them. */
export const REQUEST_LIMIT = 2048;
/** Bodies of those requests. */
const BODY_LIMIT = 16 << 20;
/** What a request costs in addition to its body. */
const REQUEST_OVERHEAD = 1024;
/** What the id of a request costs that was given up. */
const ID_BYTES = 64;

export interface RequestsDeps {
  /** Sends a request now; false while the guest takes no more. */
  readonly send: (id: number, op: number, answeredBelow: number, body: Uint8Array) => boolean;
  /** The answers of all requests below `below`, except those of `pending`, have arrived. */
  readonly acknowledge: (below: number, pending: readonly number[]) => boolean;
  /** Requests that could not be sent at once are on their way now. */
  readonly caughtUp: () => void;
  readonly buffer: CapsuleBuffer;
}

/** One request under way. */
export interface GuestRequest {
  readonly answer: Promise<guestChannel.BodyReader>;
  /** Whether the guest may know of it. */
  readonly isSent: () => boolean;
}

/** Requests under way on one lane. The guest executes an id once, so sending one again after a reconnect is safe. */
export class Requests {
  readonly #deps: RequestsDeps;
  readonly #cancelOperation: number | undefined;
  readonly #pending = new Map<number, Pending>();
  /** Ids of {@link #pending} that wait until the guest takes more, in order. */
  readonly #unsent = new Set<number>();
  /** Requests that were given up after they were sent: the guest still has them. Nothing but their ids is kept. */
  readonly #abandoned = new Set<number>();
  readonly #abandonedShare: BufferShare;
  /** A request could not be sent at once. */
  #isBehind = false;
  #bodies = 0;
  #next = 1;
  /** Answers since the last acknowledgement that an older request, still under way, keeps in the guest. */
  #unacknowledged = 0;

  /** @param cancelOperation - tells the guest which request was given up; without one it goes on to its end. */
  constructor(deps: RequestsDeps, cancelOperation?: number) {
    this.#deps = deps;
    this.#cancelOperation = cancelOperation;
    this.#abandonedShare = deps.buffer.open();
  }

  /** Requests that the guest has or is to get. */
  get count(): number {
    return this.#pending.size + this.#abandoned.size;
  }

  /**
   * An abort rejects the answer at once and frees everything of the request; the guest then ends it soon, if it can, as one that
   * failed.
   *
   * @param isEssential - the host itself asks: it is not refused because users ask too much, only when the guest answers nothing.
   * @throws GuestRefusal when the guest answers with a status other than 0; WrennError `guest_busy`.
   */
  begin(op: number, body: Uint8Array, signal: AbortSignal | undefined, isEssential: boolean): GuestRequest {
    signal?.throwIfAborted();
    if (body.length > guestChannel.MAX_REQUEST - 8)
      throw new GuestRefusal(guestChannel.status.tooLarge, "the request is too large");
    const id = this.#next++;
    const settle = Promise.withResolvers<guestChannel.BodyReader>();
    const share = this.#reserve(body.length, isEssential);
    const answer = new ResponseAssembly(op, this.#deps.buffer);
    const pending: Pending = { op, body, settle, share, answer, isSent: false };
    this.#pending.set(id, pending);
    this.#bodies += body.length;
    this.#unsent.add(id);
    // A caller that gave up before the answer need not hear of it.
    settle.promise.catch(() => {});
    if (signal) {
      const giveUp = (): void => this.#giveUp(id, signal.reason);
      signal.addEventListener("abort", giveUp, { once: true });
      const over = (): void => signal.removeEventListener("abort", giveUp);
      settle.promise.then(over, over);
    }
    this.flush();
    return { answer: settle.promise, isSent: () => pending.isSent };
  }

  /** Sends what waits, as far as the guest takes it. */
  flush(): void {
    for (const id of this.#unsent) {
      const pending = this.#pending.get(id);
      if (pending && !this.#deps.send(id, pending.op, this.#answeredBelow(), pending.body)) {
        this.#isBehind = true;
        return;
      }
      if (pending) pending.isSent = true;
      this.#unsent.delete(id);
    }
    if (!this.#isBehind) return;
    this.#isBehind = false;
    this.#deps.caughtUp();
  }

  /** Sends every unanswered request again, after a reconnect. */
  resend(): void {
    // Those of the earlier connection that were given up are not repeated, so they are not answered on this one.
    this.#forgetAbandoned();
    this.#unsent.clear();
    for (const [id, pending] of this.#pending) {
      pending.answer.discard();
      this.#unsent.add(id);
    }
    this.flush();
    // The one before the cut may have been lost.
    this.#acknowledge();
  }

  /** Takes a frame of a response; whether something waits for it. @throws WrennError `guest_protocol`. */
  receive(frame: Frame): boolean {
    const isEmpty = frame.payload.length === 0 && (frame.flags & guestChannel.FLAG_MORE) !== 0;
    if (isEmpty) return false;
    const pending = this.#pending.get(frame.id);
    if (!pending || this.#unsent.has(frame.id)) {
      if ((frame.flags & guestChannel.FLAG_MORE) !== 0) return this.#abandoned.has(frame.id);
      const isLate = this.#abandoned.delete(frame.id);
      this.#countAbandoned();
      return isLate;
    }
    let whole: Buffer | undefined;
    try {
      whole = pending.answer.take(frame);
    } catch (error) {
      if (WrennError.is(error, "guest_protocol")) throw error;
      this.#remove(frame.id)?.settle.reject(error);
      this.#abandon(frame.id);
      return true;
    }
    if (!whole) return true;
    const reader = new guestChannel.BodyReader(whole);
    // Read while the request is still pending: the violation of an answer without a status ends it with the others.
    const status = reader.u32();
    this.#remove(frame.id);
    if (frame.id > this.#answeredBelow() && ++this.#unacknowledged >= ACKNOWLEDGE_AFTER) this.#acknowledge();
    if (status === guestChannel.status.ok) pending.settle.resolve(reader);
    else
      pending.settle.reject(
        new GuestRefusal(status, reader.rest().subarray(0, 4000).toString("utf8").slice(0, 1000)),
      );
    return true;
  }

  fail(cause: unknown): void {
    for (const id of this.#pending.keys()) this.#remove(id)?.settle.reject(cause);
    this.#forgetAbandoned();
  }

  /** @throws WrennError `guest_busy`. */
  #reserve(body: number, isEssential: boolean): BufferShare {
    const { buffer } = this.#deps;
    // It would refuse one more itself, if it did anything.
    if (this.#abandoned.size >= MAX_OUTSTANDING)
      throw new WrennError("guest_busy", { problem: "its guest has answered none of the earlier requests" });
    const share = buffer.open();
    if (isEssential) share.set(body + REQUEST_OVERHEAD);
    else {
      if (this.count >= REQUEST_LIMIT || this.#bodies + body > BODY_LIMIT)
        throw new WrennError("guest_busy", { problem: "its guest has not answered earlier requests" });
      if (!share.reserve(body + REQUEST_OVERHEAD, "request"))
        throw new WrennError("guest_busy", { problem: "there is no room for the request" });
    }
    return share;
  }

  /** Guests of an earlier version refuse the cancellation as unknown, which changes nothing. */
  #giveUp(id: number, reason: unknown): void {
    const isUnsent = this.#unsent.has(id);
    const pending = this.#remove(id);
    if (!pending) return;
    pending.settle.reject(reason);
    if (isUnsent) return;
    this.#abandon(id);
    if (this.#cancelOperation === undefined || this.count >= MAX_OUTSTANDING) return;
    const body = new guestChannel.BodyWriter().u32(id).finish();
    this.begin(this.#cancelOperation, body, undefined, true);
  }

  #abandon(id: number): void {
    this.#abandoned.add(id);
    this.#countAbandoned();
  }

  #forgetAbandoned(): void {
    this.#abandoned.clear();
    this.#countAbandoned();
  }

  #countAbandoned(): void {
    this.#abandonedShare.set(this.#abandoned.size * ID_BYTES);
  }

  #remove(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    this.#pending.delete(id);
    this.#unsent.delete(id);
    this.#bodies -= pending.body.length;
    pending.answer.discard();
    pending.share.close();
    return pending;
  }

  #acknowledge(): void {
    if (this.#pending.size === 0) return;
    const ids = [...this.#pending.keys()].slice(0, MAX_OUTSTANDING);
    const all = ids.length === this.#pending.size;
    if (this.#deps.acknowledge(all ? this.#next : (ids.at(-1) ?? 0) + 1, ids)) this.#unacknowledged = 0;
  }

  /** Ids are handed out in order and a map keeps that order, so the first one left is the smallest. */
  #answeredBelow(): number {
    const [first] = this.#pending.keys();
    return first ?? this.#next;
  }
}
