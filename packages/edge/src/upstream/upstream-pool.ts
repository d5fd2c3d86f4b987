import { Agent } from "node:http";
import type { AgentOptions, ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@wrenn/core";
import { connectTo } from "./connect-to.ts";
import type { UpstreamPlace } from "./connect-to.ts";
import { dial } from "./dial.ts";
import type { DialLimits } from "./dial.ts";

/** Idle connections end before common servers end them (5 s in Node), which would race with a new request. */
const IDLE_MS = 4000;
const IDLE_CONNECTIONS = 20;

/** Connects to one port of one capsule. */
type Dial = (halfOpen: boolean) => Promise<Duplex>;

/** Connections to one port of one capsule; never shared with another port or with the platform's own traffic. */
export class UpstreamPool {
  /** Keeps connections for the next request. */
  readonly kept: Agent;
  /** A new connection for each request. */
  readonly single: Agent;
  /** A new connection whose directions end on their own, for a change of protocol. */
  readonly halfOpen: Agent;
  readonly #retired = new AbortController();

  constructor(place: UpstreamPlace, limits: DialLimits, clock: Clock) {
    const connect: Dial = async (halfOpen) =>
      dial(
        async (ms, signal) => await connectTo(place, halfOpen, ms, signal),
        limits,
        clock,
        this.#retired.signal,
      );
    this.kept = new DialAgent(connect, false, {
      keepAlive: true,
      maxFreeSockets: IDLE_CONNECTIONS,
      timeout: IDLE_MS,
    });
    this.single = new DialAgent(connect, false, {});
    this.halfOpen = new DialAgent(connect, true, {});
  }

  /** Ends idle connections at once; those in use end with their exchange. */
  retire(): void {
    this.#retired.abort(new Error("the capsule was paused, moved or destroyed"));
    this.kept.maxFreeSockets = 0;
    for (const sockets of Object.values(this.kept.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }
}

class DialAgent extends Agent {
  readonly #connect: Dial;
  readonly #halfOpen: boolean;

  constructor(connect: Dial, halfOpen: boolean, options: AgentOptions) {
    super(options);
    this.#connect = connect;
    this.#halfOpen = halfOpen;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    void this.#answer(callback);
  }

  async #answer(callback: (error: Error | null, stream: Duplex) => void): Promise<void> {
    let socket: Duplex;
    try {
      socket = await this.#connect(this.#halfOpen);
    } catch (error) {
      // Node calls back with an error and no stream, which the type does not say.
      (callback as unknown as (error: unknown) => void)(error);
      return;
    }
    callback(null, socket);
  }
}
