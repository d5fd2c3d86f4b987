import { WrennError } from "../errors/wrenn-error.ts";
import type { AbortLink } from "./abort.ts";

/**
 * The answer to a request, whose body has not been read. It follows the caller's signal until its body is read to the end, fails,
 * or is closed; one of these has to happen.
 */
export class Answer {
  readonly #response: Response;
  readonly #link: AbortLink;
  /** The request, for messages: `GET /v1/capsules`. */
  readonly what: string;

  constructor(response: Response, link: AbortLink, what: string) {
    this.#response = response;
    this.#link = link;
    this.what = what;
    if (response.body === null) link.release();
  }

  get status(): number {
    return this.#response.status;
  }

  get headers(): Headers {
    return this.#response.headers;
  }

  /** The whole body. @throws WrennError `connection_lost` when it breaks off; the reason of the caller's signal. */
  async text(): Promise<string> {
    return await this.#read(() => this.#response.text());
  }

  /** The whole body. @throws as {@link text}. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#read(async () => new Uint8Array(await this.#response.arrayBuffer()));
  }

  /** The body as JSON; undefined where there is none. @throws as {@link text}; WrennError `invalid_answer`. */
  async json<T>(): Promise<T> {
    const text = await this.text();
    try {
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      throw new WrennError(
        {
          code: "invalid_answer",
          status: this.status,
          message: `${this.what} was answered with something that is not JSON`,
          remedy: "Check the URL, and what proxies between here and the server answer.",
        },
        { cause: error },
      );
    }
  }

  /**
   * The body as it arrives; nothing is read ahead of the consumer. Leaving the loop closes the answer.
   *
   * @throws as {@link text}.
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = this.#response.body?.getReader();
    if (!reader) return;
    let isOver = false;
    try {
      for (;;) {
        const { done, value } = await this.#guarded(() => reader.read());
        if (done) {
          isOver = true;
          return;
        }
        yield value;
      }
    } finally {
      if (!isOver) this.close();
      this.#link.release();
    }
  }

  /** Gives up the body: the connection is closed or freed. Can be repeated. */
  close(): void {
    this.#link.abort(CLOSED);
    this.#link.release();
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await this.#guarded(read);
    } finally {
      this.#link.release();
    }
  }

  async #guarded<T>(read: () => Promise<T>): Promise<T> {
    const { signal } = this.#link;
    try {
      return await read();
    } catch (error) {
      if (signal.aborted && signal.reason !== CLOSED) throw signal.reason;
      throw connectionLost(this.what, error);
    }
  }
}

const CLOSED = new Error("the answer was closed");

/** The error of a body that broke off. */
export function connectionLost(what: string, cause: unknown): WrennError {
  return new WrennError(
    {
      code: "connection_lost",
      message: `the connection broke while the answer to ${what} was read: ${problemOf(cause)}`,
      remedy: "Try again; check the network between here and the server.",
    },
    { cause },
  );
}

/** Short text of what a runtime threw. Node's fetch says what happened in the cause. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}
