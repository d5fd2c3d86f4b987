/** A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html), or another sign of life of its stream. */
export interface ServerSentEvent {
  /** The place in the stream: the last id that it has named. */
  readonly id: string | undefined;
  readonly event: string;
  /** Undefined for a comment, such as a heartbeat, and for an id alone, which moves the place. */
  readonly data: string | undefined;
  /** Text of a comment. */
  readonly comment?: string;
}

/** Longest line that is accepted, in characters: what arrives is bounded whatever sends it. */
const LINE_LENGTH = 4 << 20;

/**
 * Reads server-sent events from the chunks of a body.
 *
 * @throws RangeError when a line is longer than 4 Mi characters.
 */
export async function* serverSentEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let id: string | undefined;
  let [event, data, isPlace]: [string, string[], boolean] = ["message", [], false];
  for await (const line of linesOf(chunks)) {
    if (line === "") {
      if (data.length > 0) yield { id, event, data: data.join("\n") };
      else if (isPlace) yield { id, event, data: undefined };
      [event, data, isPlace] = ["message", [], false];
    } else if (line.startsWith(":")) {
      yield { id, event, data: undefined, comment: line.slice(1).trim() };
    } else {
      const at = line.indexOf(":");
      const field = at === -1 ? line : line.slice(0, at);
      const value = at === -1 ? "" : line.slice(at + 1).replace(/^ /, "");
      if (field === "id") [id, isPlace] = [value, true];
      else if (field === "event") event = value;
      else if (field === "data") data.push(value);
    }
  }
}

/** Lines of UTF-8 text that end in a newline, with or without a carriage return; an unfinished last one is left out. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_LENGTH) throw new RangeError("a line of an event stream is too long");
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
