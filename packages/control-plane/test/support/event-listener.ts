import assert from "node:assert/strict";
import { defined } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";

/** An event as a stream carried it. */
export interface ReceivedEvent {
  /** Empty for events that are not stored. */
  readonly id: string;
  readonly event: string;
  readonly resource: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
  readonly actor: string | undefined;
}

export interface ListenerOptions {
  readonly url: string;
  readonly key?: string;
  readonly token?: string;
  readonly last?: string;
  readonly path?: string;
}

/** A client of the stream: what it received, and where it is. */
export class EventListener {
  readonly received: ReceivedEvent[] = [];
  readonly #stop = new AbortController();
  #text = "";
  comments = 0;
  ended = false;

  static async open(query: string, options: ListenerOptions): Promise<EventListener> {
    const listener = new EventListener();
    const { url, key, token, last, path = "/v1/events" } = options;
    const response = await fetch(`${url}${path}${query}`, {
      headers: defined({
        "x-api-key": key,
        authorization: token === undefined ? undefined : `Bearer ${token}`,
        "last-event-id": last,
      }),
      signal: listener.#stop.signal,
    });
    assert.equal(response.status, 200, response.ok ? "" : await response.text());
    listener
      .#read(response)
      .catch(() => undefined)
      .finally(() => (listener.ended = true));
    await listener.until("the stream begins", () => listener.comments > 0 || listener.received.length > 0);
    return listener;
  }

  kinds(): readonly string[] {
    return this.received.map(({ event }) => event);
  }

  async until(what: string, check: () => boolean): Promise<void> {
    await eventually(what, check, { timeoutMs: 40_000, details: () => this.received });
  }

  close(): void {
    this.#stop.abort();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? assert.fail("no body")) {
      this.#text += decoder.decode(chunk, { stream: true });
      const blocks = this.#text.split("\n\n");
      this.#text = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const fields = new Map(
      block.split("\n").map((line): [string, string] => {
        const at = line.indexOf(": ");
        return [line.slice(0, at), line.slice(at + 2)];
      }),
    );
    const text = fields.get("data");
    if (text === undefined) {
      this.comments++;
      return;
    }
    const { event, resource, actor, data } = JSON.parse(text) as {
      event: string;
      resource?: { id: string };
      actor?: { type: string };
      data: Record<string, unknown>;
    };
    assert.equal(fields.get("event"), event);
    this.received.push({
      id: fields.get("id") ?? "",
      event,
      resource: resource?.id,
      data,
      actor: actor?.type,
    });
  }
}
