import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What happens to a connection. */
export interface Fault {
  /** The request that it begins with, as `METHOD path`. Default: the connection, when it is accepted. */
  readonly on?: RegExp;
  /**
   * - `refuse`: the connection is reset before a byte reaches the server.
   * - `cut`: both sides are reset.
   * - `end`: both sides are ended, as by a peer that exits.
   * - `halt`: nothing is passed on any longer, and nothing is closed: a peer that disappeared. Bytes are taken and lost.
   * - `end-to-client`: the client sees the end; the server does not, until the client closes.
   * - `end-to-server`: the server sees the end of what the client sends; its answer is still passed on.
   * - `slow`: the answer is passed on at `bytesPerSec`.
   */
  readonly kind: "refuse" | "cut" | "end" | "halt" | "end-to-client" | "end-to-server" | "slow";
  /** When it happens, counted from the request or the connection. Default: at once, before the request is passed on. */
  readonly after?: FaultMoment;
  /** For `slow`. */
  readonly bytesPerSec?: number;
}

/** The first of these that is reached. */
interface FaultMoment {
  /** Bytes from the client that are passed on before; the request counts from its first byte. */
  readonly requestBytes?: number;
  /** Bytes of the answer that are passed on before. */
  readonly responseBytes?: number;
  readonly ms?: number;
  /** Milliseconds without a byte in either direction, as proxies and address translators count. */
  readonly idleMs?: number;
}

interface SeenRequest {
  readonly line: string;
  /** Position among the requests of all connections of this process. */
  readonly order: number;
}

type Direction = "request" | "response";

/** How often a slow answer goes on. */
const PACE_MS = 50;
const REQUEST_LINE = /^([A-Z]+ \S+) HTTP\/1\.[01]\r\n/;
let requestsSeen = 0;

/** One connection through a proxy of the tests. Bytes are counted from its beginning. */
export class FaultyConnection {
  readonly requests: SeenRequest[] = [];
  /** Bytes passed on in each direction. */
  readonly passed: Record<Direction, number> = { request: 0, response: 0 };
  readonly #client: Socket;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #nextFault: (request: string | undefined) => Fault | undefined;
  readonly #abort = new AbortController();
  #server: Socket | undefined;
  #fault: Fault | undefined;
  #start: Record<Direction, number> = { request: 0, response: 0 };
  #deadline: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #halted = false;

  /** @param nextFault - the fault that a new connection, or one of its requests, meets. */
  constructor(
    client: Socket,
    target: { readonly host: string; readonly port: number },
    nextFault: (request: string | undefined) => Fault | undefined,
  ) {
    this.#client = client;
    this.#target = target;
    this.#nextFault = nextFault;
  }

  /** Whether the client closed it, or it broke. */
  get closed(): boolean {
    return this.#client.destroyed || this.#client.readableEnded;
  }

  start(): void {
    const client = this.#client;
    client.on("error", () => {});
    const fault = this.#nextFault(undefined);
    if (fault?.kind === "refuse") {
      reset(client);
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.on("error", () => {});
    if (fault) this.#arm(fault);
    void this.#pump(client, server, "request");
    void this.#pump(server, client, "response");
    // An error on one side is one on the other; an orderly end is passed on by the pumps.
    client.once("close", (failed) => this.#closed(server, failed));
    server.once("close", (failed) => this.#closed(client, failed));
  }

  /** Resets both sides. */
  cut(): void {
    this.#stop();
    this.#halted = true;
    reset(this.#client);
    if (this.#server) reset(this.#server);
  }

  #closed(other: Socket, failed: boolean): void {
    if (this.#halted) {
      if (this.#client.destroyed) this.cut();
      return;
    }
    this.#stop();
    if (failed) reset(other);
    else other.destroySoon();
  }

  async #pump(from: Socket, to: Socket, direction: Direction): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (direction === "request") this.#look(chunk);
        if (this.#halted) continue;
        await this.#pass(chunk, to, direction);
      }
      if (!this.#halted) to.end();
      // A peer that disappeared does not see the client leave; nothing else closes the two sockets.
      else if (direction === "request") this.cut();
    } catch {
      // The connection broke; `close` of the socket passes it on.
    }
  }

  #look(chunk: Buffer): void {
    const [, line] = REQUEST_LINE.exec(chunk.toString("latin1", 0, 4096)) ?? [];
    if (line === undefined) return;
    this.requests.push({ line, order: requestsSeen++ });
    const fault = this.#nextFault(line);
    if (fault) this.#arm(fault);
  }

  async #pass(chunk: Buffer, to: Socket, direction: Direction): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      const room = this.#room(direction);
      const slow = direction === "response" && this.#fault?.kind === "slow" && room > 0;
      const pace = slow
        ? Math.max(1, Math.floor(((this.#fault?.bytesPerSec ?? 1) * PACE_MS) / 1000))
        : rest.length;
      const part = rest.subarray(0, Math.min(room, pace));
      if (part.length > 0) {
        this.#watchIdle();
        this.passed[direction] += part.length;
        await write(to, part);
        if (slow) await sleep(PACE_MS, undefined, { signal: this.#abort.signal });
      }
      rest = rest.subarray(part.length);
      if (this.#room(direction) > 0) continue;
      this.#strike();
      if (this.#halted) return;
    }
  }

  /** How many bytes may pass before the fault happens. */
  #room(direction: Direction): number {
    const fault = this.#fault;
    if (!fault || fault.kind === "slow") return Infinity;
    const { after } = fault;
    const limit = direction === "request" ? after?.requestBytes : after?.responseBytes;
    if (limit === undefined) return after === undefined ? 0 : Infinity;
    return Math.max(0, this.#start[direction] + limit - this.passed[direction]);
  }

  #arm(fault: Fault): void {
    this.#disarm();
    this.#fault = fault;
    this.#start = { ...this.passed };
    this.#watchIdle();
    const ms = fault.after?.ms;
    if (ms !== undefined) this.#deadline = setTimeout(() => this.#strike(), ms);
    if (fault.after === undefined && fault.on === undefined && fault.kind !== "slow") this.#strike();
  }

  #watchIdle(): void {
    const idleMs = this.#fault?.after?.idleMs;
    if (idleMs === undefined) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#strike(), idleMs);
  }

  #disarm(): void {
    this.#fault = undefined;
    clearTimeout(this.#deadline);
    clearTimeout(this.#idle);
  }

  #stop(): void {
    this.#disarm();
    this.#abort.abort();
  }

  /** Lets the fault happen. */
  #strike(): void {
    const kind = this.#fault?.kind;
    this.#disarm();
    if (kind === undefined || !this.#server) return;
    if (kind === "refuse" || kind === "cut") this.cut();
    else if (kind === "end-to-server") this.#server.end();
    else {
      this.#halted = true;
      if (kind === "end-to-client" || kind === "end") this.#client.end();
      if (kind === "end") this.#server.destroySoon();
    }
  }
}

/** Writes, and waits until the kernel has the bytes. Those for a side that was ended already are lost. */
async function write(to: Socket, bytes: Buffer): Promise<void> {
  if (to.writableEnded || to.destroyed) return;
  const written = Promise.withResolvers<void>();
  // A write that fails breaks the socket, which reports it by `close`.
  to.write(bytes, () => written.resolve());
  await written.promise;
}

function reset(socket: Socket): void {
  // A reset flushes first, and is impossible for a side that was ended. A TLS socket has none: without a close alert its end is as abrupt.
  if ("encrypted" in socket || socket.writableEnded || socket.writableLength > 0) socket.destroy();
  else socket.resetAndDestroy();
}
