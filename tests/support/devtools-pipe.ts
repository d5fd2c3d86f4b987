import type { Readable, Writable } from "node:stream";
import { defined } from "@wrenn/core";

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/**
 * Chrome's DevTools protocol over two pipes: JSON messages, each ended by a zero byte
 * (https://chromedevtools.github.io/devtools-protocol/, `--remote-debugging-pipe`). Events are not kept.
 */
export class DevtoolsPipe {
  readonly #writer: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;
  #text = "";

  constructor(writer: Writable, reader: Readable) {
    this.#writer = writer;
    reader.setEncoding("utf8").on("data", (part: string) => this.#read(part));
    for (const stream of [writer, reader]) {
      stream.on("error", (error) => this.#fail(error));
      stream.once("close", () => this.#fail(new Error("the browser is gone")));
    }
  }

  /** Calls a method, of the browser or of the page that `session` is attached to. */
  async send<T>(method: string, params: object = {}, session?: string): Promise<T> {
    if (!this.#writer.writable) throw new Error("the browser is gone");
    this.#last += 1;
    const id = this.#last;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#writer.write(`${JSON.stringify({ id, method, params, ...defined({ sessionId: session }) })}\0`);
    return (await answer.promise) as T;
  }

  #read(part: string): void {
    const messages = (this.#text + part).split("\0");
    this.#text = messages.pop() ?? "";
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message) as Answer;
      const waiting = id === undefined ? undefined : this.#waiting.get(id);
      if (id === undefined || waiting === undefined) continue;
      this.#waiting.delete(id);
      if (error) waiting.reject(new Error(error.message));
      else waiting.resolve(result);
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
