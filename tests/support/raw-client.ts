import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";

/** A TCP connection that sends what it is told, byte by byte, and keeps what comes. */
export class RawClient {
  readonly socket: Socket;
  text = "";

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1").on("data", (part: string) => (this.text += part));
    socket.on("error", () => undefined);
  }

  /** Connects; the connection ends with the test at the latest. */
  static async open(t: Pick<TestContext, "after">, url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const client = new RawClient(connect(Number(port), hostname));
    t.after(() => client.socket.destroy());
    await once(client.socket, "connect");
    return client;
  }

  /** Waits for what came to match. */
  async until(wanted: RegExp, seconds = 30): Promise<void> {
    const signal = AbortSignal.timeout(seconds * 1000);
    while (!wanted.test(this.text)) {
      if (this.socket.readableEnded || this.socket.destroyed) throw new Error(`it ended after: ${this.text}`);
      await this.#change(signal);
    }
  }

  /** Something came, or the connection is over. */
  async #change(signal: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const either = AbortSignal.any([signal, changed.signal]);
    try {
      await Promise.race(["data", "close"].map((event) => once(this.socket, event, { signal: either })));
    } finally {
      changed.abort();
    }
  }
}
