import { Agent, request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { buffer } from "node:stream/consumers";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

export interface AskOptions {
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own; rejects when the answer breaks off. */
export async function ask(options: AskOptions): Promise<Answer> {
  const agent = new Agent();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(
    {
      agent,
      host: "127.0.0.1",
      port: options.port,
      path: options.path ?? "/",
      method: options.method ?? "GET",
      headers: { host: options.host, ...options.headers },
    },
    (incoming) => {
      buffer(incoming).then((body) => {
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          trailers: incoming.trailers,
          body: body.toString(),
        });
      }, reject);
    },
  );
  outgoing.on("error", reject);
  outgoing.end(options.body);
  return promise.finally(() => agent.destroy());
}

/** A connection to write raw bytes on; `received` is everything that came so far. */
export interface RawClient {
  readonly socket: Socket;
  received(): string;
  /** Waits until what was received matches; rejects when the connection closes before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when the other side has closed. */
  closed(): Promise<void>;
}

export function rawClient(t: TestContext, port: number): RawClient {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  let text = "";
  const { promise: closing, resolve: closed } = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.on("end", () => closed());
  socket.on("close", () => closed());
  return {
    socket,
    received: () => text,
    closed: async () => closing,
    until: async (pattern) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const check = (): void => {
        if (pattern.test(text)) resolve(text);
      };
      socket.on("data", check);
      socket.once("close", () =>
        reject(new Error(`closed before ${String(pattern)}: ${JSON.stringify(text)}`)),
      );
      socket.once("end", () => reject(new Error(`ended before ${String(pattern)}: ${JSON.stringify(text)}`)));
      check();
      return promise.finally(() => socket.removeListener("data", check));
    },
  };
}
