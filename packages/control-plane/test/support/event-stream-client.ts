import assert from "node:assert/strict";
import { eventually } from "@wrenn/core/testing";

export interface ReceivedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A client of server-sent events. */
export class EventStreamClient implements Disposable {
  readonly events: ReceivedEvent[] = [];
  comments = 0;
  /** How it ended: with its last chunk, or broken. */
  ended: "complete" | "broken" | undefined;
  readonly #stop = new AbortController();
  #text = "";

  static async open(url: string, headers: Readonly<Record<string, string>>): Promise<EventStreamClient> {
    const client = new EventStreamClient();
    const response = await fetch(url, { headers, signal: client.#stop.signal });
    assert.equal(response.status, 200, await (response.status === 200 ? "" : response.text()));
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.equal(response.headers.get("cache-control"), "no-store, no-transform");
    client.#read(response).then(
      () => (client.ended = "complete"),
      () => (client.ended = "broken"),
    );
    return client;
  }

  async until(what: string, isSo: (client: EventStreamClient) => boolean): Promise<void> {
    await eventually(what, () => isSo(this), { timeoutMs: 15_000 });
  }

  close(): void {
    this.#stop.abort();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      this.#text += decoder.decode(chunk, { stream: true });
      const blocks = this.#text.split("\n\n");
      this.#text = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const [, name, value] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
      if (name !== undefined && value !== undefined) fields.set(name, value);
    }
    const data = fields.get("data");
    if (data === undefined) this.comments += 1;
    else
      this.events.push({
        id: fields.get("id") ?? "",
        event: fields.get("event") ?? "",
        data: JSON.parse(data) as ReceivedEvent["data"],
      });
  }
}
