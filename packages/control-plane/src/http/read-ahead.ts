/** What each client may have sent ahead before its socket is no longer read. */
const BASE_BYTES = 1 << 20;
/** The least that a client may have sent ahead, while its capsule, its team or the server has no memory left for sessions. */
const LEAST_BYTES = 64 << 10;
/** The same for a session that passes input on, while there is memory for it. */
const INPUT_BYTES = 72 << 20;
/** Memory for what all clients have sent ahead, beyond their bases. */
const TOTAL_BYTES = 256 << 20;
/** What a message costs in addition to its bytes. */
const MESSAGE_BYTES = 320;

/** Memory for what clients have sent and nothing has taken yet. Each may use as much as is left free, so that none uses it up. */
export class ReadAhead {
  readonly #total: number;
  #used = 0;
  /** Shares whose sockets are left unread. */
  readonly #full = new Set<ReadAheadShare>();

  constructor(total = TOTAL_BYTES) {
    this.#total = total;
  }

  get free(): number {
    return this.#total - this.#used;
  }

  /** @param onRoom - called when a share that was full no longer is. */
  open(onRoom: () => void): ReadAheadShare {
    return new ReadAheadShare(this, onRoom);
  }

  /** For {@link ReadAheadShare}. */
  change(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0) for (const share of this.#full) share.notify();
  }

  /** For {@link ReadAheadShare}. */
  setFull(share: ReadAheadShare, isFull: boolean): void {
    if (isFull) this.#full.add(share);
    else this.#full.delete(share);
  }
}

/** What one client has sent ahead. */
export class ReadAheadShare {
  readonly #all: ReadAhead;
  readonly #onRoom: () => void;
  #limit = BASE_BYTES;
  #fits: () => boolean = () => true;
  #used = 0;
  #isFull = false;

  constructor(all: ReadAhead, onRoom: () => void) {
    this.#all = all;
    this.#onRoom = onRoom;
  }

  /** Whether the client's socket is to be left unread; then `onRoom` follows. */
  get full(): boolean {
    return this.#isFull;
  }

  /** The client's messages are input of a process: they are read on while the process does not read. */
  extend(): void {
    this.#limit = INPUT_BYTES;
    this.notify();
  }

  /** Bytes of messages that wait. */
  get used(): number {
    return this.#used;
  }

  /** @param fits - says whether there is room for what the session holds; without, the client may send next to nothing ahead. */
  limitBy(fits: () => boolean): void {
    this.#fits = fits;
  }

  /** Counts a message that waits from now on. */
  take(bytes: number): void {
    this.#used += bytes + MESSAGE_BYTES;
    this.#all.change(bytes + MESSAGE_BYTES);
    if (!this.#isFull) this.#setFull(this.#used > this.#allowed());
  }

  /** The message waits no longer. */
  give(bytes: number): void {
    this.#used -= bytes + MESSAGE_BYTES;
    this.#all.change(-bytes - MESSAGE_BYTES);
  }

  /** Calls back if the share was full and has room again: half of it, so that reading does not stop at every message. */
  notify(): void {
    if (!this.#isFull || this.#used > this.#allowed() / 2) return;
    this.#setFull(false);
    this.#onRoom();
  }

  /** The client is gone; what it sent still counts until it is given back. */
  close(): void {
    this.#setFull(false);
  }

  #allowed(): number {
    if (!this.#fits()) return LEAST_BYTES;
    return Math.max(BASE_BYTES, Math.min(this.#limit, this.#all.free));
  }

  #setFull(isFull: boolean): void {
    this.#isFull = isFull;
    this.#all.setFull(this, isFull);
  }
}
