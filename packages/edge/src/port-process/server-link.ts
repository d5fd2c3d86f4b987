import type { Logger } from "@wrenn/core";
import { Questions } from "./questions.ts";
import type { ToServer } from "./messages.ts";

type Question = Extract<ToServer, { readonly ref: number }>;
type Unanswered<M> = M extends unknown ? Omit<M, "ref"> : never;

/** Sends messages that came together. */
export type SendMessages = (messages: readonly ToServer[]) => void;

/** The port process's side of its connection to the server. Messages that need no answer are sent together, a moment later. */
export class ServerLink {
  readonly questions = new Questions();
  readonly #send: SendMessages;
  #waiting: ToServer[] = [];

  constructor(send: SendMessages) {
    this.#send = send;
  }

  /** Sends a message, after those that were told before. */
  tell(message: ToServer): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push(message);
  }

  /** @throws the server's error; the signal's reason; WrennError `deadline_exceeded`. */
  async ask(question: Unanswered<Question>, ms: number, signal?: AbortSignal): Promise<unknown> {
    return await this.questions.ask(
      { what: "the server's answer about a port", ms, signal },
      (ref) => {
        this.#waiting.push({ ...question, ref });
        this.#flush();
      },
      (ref) => this.tell({ type: "abort", ref }),
    );
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    this.#send(this.#waiting);
    this.#waiting = [];
  }
}

/** A logger whose lines the server writes. */
export function linkedLogger(link: ServerLink, base: Readonly<Record<string, unknown>> = {}): Logger {
  const line =
    (level: string): Logger["info"] =>
    (event, fields) =>
      link.tell({ type: "log", level, event, fields: { ...base, ...fields } });
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: (fields) => linkedLogger(link, { ...base, ...fields }),
  };
}
