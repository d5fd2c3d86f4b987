import type { CapsuleProcess, OutputStart, ProcessFacts } from "@wrenn/protocol";
import { SessionOutput } from "./session-output.ts";

/** For this long after a connection broke, output is held for the client, and the program waits. */
const HOLD_MS = 120_000;
/** For this long a session without a connection is known: which terminal it is of, and how much of its input was taken. */
const KNOWN_MS = 600_000;
/** Sessions of one capsule without a connection that are known, and whose output is held. */
const MOST_KNOWN = 256;
const MOST_HELD = 16;

/** A connection's place in a session. */
interface SessionPlace {
  /** Resolves once nothing of the connection before happens any longer, with whether no other connection took the session meanwhile. */
  readonly ready: Promise<boolean>;
  /** The connection is over; its input is settled. Output that is held is for the next one. */
  readonly leave: () => void;
}

interface Holder {
  /** Ends the connection: another one takes the session over. */
  readonly end: () => void;
  readonly left: PromiseWithResolvers<void>;
}

/** A client's use of one terminal over several connections, of which one at a time has it. */
export class TerminalSession {
  #of: Pick<ProcessFacts, "pid" | "startedAt"> | undefined;
  /** Undefined: nobody knows how much was taken. */
  #inputTaken: number | undefined = 0;
  #output: SessionOutput | undefined;
  #holder: Holder | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tag: string | undefined;
  #isOver = false;
  readonly #forget: () => void;

  /** @param forget - called when nothing of the session is kept any longer. */
  constructor(forget: () => void) {
    this.#forget = forget;
  }

  /** Tag of the terminal, once there is one. */
  get tag(): string | undefined {
    return this.#tag;
  }

  get isConnected(): boolean {
    return this.#holder !== undefined;
  }

  get isHeld(): boolean {
    return this.#output !== undefined;
  }

  /** Bytes of the client's input that the terminal took; undefined when nobody knows. */
  get inputTaken(): number | undefined {
    return this.#inputTaken;
  }

  /** @param bytes - undefined: what happened to some input is unknown. */
  addInput(bytes: number | undefined): void {
    this.#inputTaken =
      bytes === undefined || this.#inputTaken === undefined ? undefined : this.#inputTaken + bytes;
  }

  /** The session is of this terminal from now on; whether it continues one that was of it. */
  continueWith({ facts: { pid, startedAt, tag } }: CapsuleProcess): boolean {
    const isKnown =
      this.#of?.pid === pid && this.#of.startedAt === startedAt && this.#inputTaken !== undefined;
    this.#of = { pid, startedAt };
    this.#tag = tag;
    if (isKnown) return true;
    this.#inputTaken = 0;
    this.release();
    return false;
  }

  /** Output from an offset: what is held, or what the log of the terminal still has. */
  outputFrom(process: CapsuleProcess, from: OutputStart): SessionOutput {
    const offset = typeof from === "string" ? 0 : from.stdout;
    if (this.#output?.holds(offset) !== true) {
      this.release();
      this.#output = new SessionOutput(process, from);
    }
    return this.#output;
  }

  /** The client has shown output up to this offset. */
  acknowledge(offset: number): void {
    this.#output?.acknowledge(offset);
  }

  /** The client will not continue it. */
  end(): void {
    this.#isOver = true;
    this.release();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Output is not held. */
  release(): void {
    this.#output?.close();
    this.#output = undefined;
  }

  /**
   * Ends the connection that has the session, and gives it to another one.
   *
   * @param end - ends that one when its turn comes.
   */
  take(end: () => void): SessionPlace {
    clearTimeout(this.#timer);
    const before = this.#holder;
    const holder = { end, left: Promise.withResolvers<void>() };
    this.#holder = holder;
    before?.end();
    const isMine = (): boolean => this.#holder === holder;
    return {
      ready: before ? before.left.promise.then(isMine) : Promise.resolve(true),
      leave: () => {
        holder.left.resolve();
        if (!isMine()) return;
        this.#holder = undefined;
        this.#timer = setTimeout(() => {
          this.release();
          this.#timer = setTimeout(this.#forget, KNOWN_MS - HOLD_MS).unref();
        }, HOLD_MS).unref();
      },
    };
  }
}

/** Sessions with terminals that clients continue by their ids, in the memory of this server. */
export class TerminalSessions {
  /** By capsule and id; the oldest first. */
  readonly #capsules = new Map<string, Map<string, TerminalSession>>();

  /** The session with this id, which may be new. */
  find(capsuleId: string, id: string): TerminalSession {
    const sessions = this.#capsules.get(capsuleId) ?? new Map<string, TerminalSession>();
    this.#capsules.set(capsuleId, sessions);
    const session = sessions.get(id) ?? new TerminalSession(() => this.forget(capsuleId, id));
    sessions.set(id, session);
    return session;
  }

  /** Forgets a session that no connection has. */
  forget(capsuleId: string, id: string): void {
    const sessions = this.#capsules.get(capsuleId);
    const session = sessions?.get(id);
    if (!sessions || !session || session.isConnected) return;
    session.release();
    sessions.delete(id);
    if (sessions.size === 0) this.#capsules.delete(capsuleId);
  }

  /** Keeps what is known of a capsule's sessions in bounds: the oldest go first. */
  bound(capsuleId: string): void {
    const left = [...(this.#capsules.get(capsuleId) ?? [])].filter(([, session]) => !session.isConnected);
    const held = left.filter(([, session]) => session.isHeld);
    for (const [, session] of held.slice(0, -MOST_HELD)) session.release();
    for (const [id] of left.slice(0, -MOST_KNOWN)) this.forget(capsuleId, id);
  }
}
