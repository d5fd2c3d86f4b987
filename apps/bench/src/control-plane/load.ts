import { connect } from "node:net";
import type { Socket } from "node:net";

export interface LoadRequest {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Of each request, ms. */
  readonly latencies: readonly number[];
}

const HEAD_END = Buffer.from("\r\n\r\n");

/**
 * The same request again and again over kept connections, each of which waits for its answer. Speaks HTTP/1.1 itself, because a
 * general client costs more than the server that is measured.
 *
 * @throws Error for an answer other than 2xx.
 */
export async function load(asked: LoadRequest, connections: number, requests: number): Promise<LoadResult> {
  const bytes = requestBytes(asked);
  const latencies: number[] = [];
  let left = requests;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(asked.port, "127.0.0.1");
      socket.setNoDelay(true);
      const answers = new Answers(socket);
      try {
        while (left > 0) {
          left--;
          const sent = performance.now();
          socket.write(bytes);
          await answers.next();
          latencies.push(performance.now() - sent);
        }
      } finally {
        socket.destroy();
      }
    }),
  );
  return { perSecond: (requests * 1000) / (performance.now() - start), latencies };
}

/** Answers of one connection, one after the other. */
class Answers {
  #buffered: Buffer = Buffer.alloc(0);
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(socket: Socket) {
    socket.on("data", (piece: Buffer) => {
      this.#buffered = this.#buffered.length === 0 ? piece : Buffer.concat([this.#buffered, piece]);
      this.#take();
    });
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the server closed the connection")));
  }

  async next(): Promise<void> {
    this.#waiting = Promise.withResolvers();
    await this.#waiting.promise;
  }

  #take(): void {
    const end = this.#buffered.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#buffered.toString("latin1", 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const whole = end + HEAD_END.length + length;
    if (this.#buffered.length < whole) return;
    this.#buffered = this.#buffered.subarray(whole);
    if (head.startsWith("HTTP/1.1 2")) this.#waiting?.resolve();
    else this.#waiting?.reject(new Error(`the server answered ${head.split("\r\n")[0] ?? ""}`));
  }
}

function requestBytes({ method, path, headers, body = "" }: LoadRequest): string {
  const all = {
    host: "127.0.0.1",
    ...headers,
    ...(body === "" ? {} : { "content-type": "application/json", "content-length": String(body.length) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${path} HTTP/1.1`, ...lines, "", body].join("\r\n");
}
