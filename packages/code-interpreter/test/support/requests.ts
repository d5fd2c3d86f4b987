import assert from "node:assert/strict";

export type Line = Readonly<Record<string, unknown>> & { readonly type: string };

/** Requests to the service as clients write them, without one. */
export class Requests {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async post(path: string, body: unknown, more: RequestInit = {}): Promise<Response> {
    return await fetch(`${this.#url}${path}`, { method: "POST", body: JSON.stringify(body), ...more });
  }

  /** All lines of an execution. */
  async execute(body: Readonly<Record<string, unknown>>): Promise<readonly Line[]> {
    const response = await this.post("/execute", body);
    assert.equal(response.status, 200);
    const text = await response.text();
    return text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  }

  /** Runs a cell until it prints, then closes the request. */
  async abortOnOutput(body: Readonly<Record<string, unknown>>): Promise<void> {
    const controller = new AbortController();
    const response = await this.post("/execute", body, { signal: controller.signal });
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? [])
      if (decoder.decode(chunk as Uint8Array, { stream: true }).includes('"stdout"')) break;
    controller.abort();
  }
}

/** What an execution has printed to standard output. */
export const printedIn = (lines: readonly Line[]): string =>
  lines.flatMap(({ type, text }) => (type === "stdout" ? [text] : [])).join("");
