import { once } from "node:events";
import { Bell } from "@wrenn/core";
import { WebSocket } from "ws";
import type { ApiCaller } from "./api-caller.ts";

export interface StreamMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A client of one WebSocket session that keeps every message. */
export class StreamClient {
  readonly socket: WebSocket;
  readonly messages: StreamMessage[] = [];
  /** Binary frames, joined. */
  readonly bytes: Buffer[] = [];
  readonly #change = new Bell();
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.bytes.push(data);
      else this.messages.push(JSON.parse(data.toString("utf8")) as StreamMessage);
      this.#change.ring();
    });
    socket.once("close", (code) => {
      this.closeCode = code;
      this.#change.ring();
    });
    socket.on("error", () => this.#change.ring());
  }

  /** Opens `path` with the server's key, and sends `first` when given. */
  static async open(
    api: ApiCaller,
    path: string,
    first?: Readonly<Record<string, unknown>>,
    options: { readonly headers?: Record<string, string>; readonly protocols?: string[] } = {},
  ): Promise<StreamClient> {
    const url = new URL(path, api.url);
    url.protocol = "ws:";
    const socket = new WebSocket(url, options.protocols ?? [], {
      headers: options.headers ?? { "x-api-key": api.apiKey },
      perMessageDeflate: false,
    });
    const client = new StreamClient(socket);
    await once(socket, "open");
    if (first) client.send(first);
    return client;
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.socket.send(JSON.stringify(message));
  }

  type(text: string): void {
    this.send({ type: "input", data: Buffer.from(text).toString("base64") });
  }

  /** The first message of a type, now or later. */
  async next(type: string, seconds = 60): Promise<StreamMessage> {
    return await this.until(
      () => this.messages.find((message) => message.type === type),
      `a message '${type}'`,
      seconds,
    );
  }

  /** Waits for the server to close; gives the code. */
  async ended(seconds = 120): Promise<number> {
    return await this.until(() => this.closeCode, "the close", seconds);
  }

  /** Terminal output so far, as text. */
  get text(): string {
    return this.output().toString("utf8");
  }

  output(): Buffer {
    if (this.bytes.length > 0) return Buffer.concat(this.bytes);
    return Buffer.concat(
      this.messages
        .filter(({ type }) => type === "output")
        .map(({ data }) => Buffer.from(String(data), "base64")),
    );
  }

  /** Joined `data` of text messages of a type. */
  joined(type: string): string {
    return this.messages
      .filter((message) => message.type === type)
      .map(({ data }) => String(data))
      .join("");
  }

  async shows(text: string | RegExp, seconds = 60): Promise<void> {
    await this.until(
      () => (typeof text === "string" ? this.text.includes(text) : text.test(this.text)) || undefined,
      `'${text}' on the terminal`,
      seconds,
    );
  }

  async until<T>(find: () => T | undefined, what: string, seconds: number): Promise<T> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0 || (this.closeCode !== undefined && what !== "the close"))
        throw new Error(
          `${what} did not come; messages: ${JSON.stringify(this.messages.slice(-5))}; text: ${this.text.slice(-500)}`,
        );
      const timer = setTimeout(() => this.#change.ring(), Math.min(left, 1000));
      await this.#change.next;
      clearTimeout(timer);
    }
  }

  close(): void {
    this.socket.close();
  }
}
