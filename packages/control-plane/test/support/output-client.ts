import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { eventually } from "@wrenn/core/testing";

const HEAD = 8;
const kinds = ["heartbeat", "stdout", "stderr", "started", "dropped", "exit", "status", "error"] as const;
type Kind = (typeof kinds)[number];

interface ReceivedFrame {
  readonly kind: Kind;
  readonly payload: Buffer;
}

/** A client of an output stream, which reads as fast as it can unless the test pauses it. */
export class OutputClient implements Disposable {
  readonly frames: ReceivedFrame[] = [];
  /** How the body ended: with its last chunk, or broken. */
  ended: "complete" | "broken" | undefined;
  readonly response: IncomingMessage;
  readonly #request: ClientRequest;
  #rest = Buffer.alloc(0);

  private constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#request = outgoing;
    this.response = response;
    response.on("data", (chunk: Buffer) => this.#take(chunk));
    response.on("error", () => (this.ended = "broken"));
    response.on("end", () => (this.ended = "complete"));
    response.on("close", () => (this.ended ??= "broken"));
  }

  /** @param url - of the stream, with its query. */
  static async open(url: string, headers: Readonly<Record<string, string>>): Promise<OutputClient> {
    const outgoing = request(url, { agent: false, headers: { ...headers } });
    outgoing.on("error", () => undefined);
    outgoing.end();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    const client = new OutputClient(outgoing, response);
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["content-type"], "application/vnd.wrenn.output");
    return client;
  }

  /** Payloads of the frames of a kind. */
  of(kind: Kind): readonly Buffer[] {
    return this.frames.filter((frame) => frame.kind === kind).map(({ payload }) => payload);
  }

  bytes(stream: "stdout" | "stderr"): Buffer {
    return Buffer.concat(this.of(stream));
  }

  text(stream: "stdout" | "stderr"): string {
    return this.bytes(stream).toString("utf8");
  }

  /** What the frames of a kind say. */
  json(kind: Kind): readonly unknown[] {
    return this.of(kind).map((payload) => JSON.parse(payload.toString("utf8")) as unknown);
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    await eventually(what, isSo, { timeoutMs: 15_000 });
  }

  /** Waits for the end. @returns how it ended. */
  async end(): Promise<"complete" | "broken"> {
    await this.until("the end of the output", () => this.ended !== undefined);
    assert.equal(this.#rest.length, 0, "no frame is cut");
    return this.ended ?? "broken";
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEAD) {
      assert.equal(this.#rest.readUIntBE(1, 3), 0, "the bytes behind the kind are zero");
      const end = HEAD + this.#rest.readUInt32BE(4);
      if (this.#rest.length < end) return;
      const kind = kinds[this.#rest[0] ?? -1] ?? assert.fail(`a frame of kind ${this.#rest[0]}`);
      this.frames.push({ kind, payload: Buffer.from(this.#rest.subarray(HEAD, end)) });
      this.#rest = this.#rest.subarray(end);
    }
  }
}
