import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { LastingAnswer } from "./lasting-answer.ts";

/** One server-sent event; without one, a comment that keeps the connection open. */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

export interface EventStreamsDeps {
  readonly logger: Logger;
  /** Aborts when the control plane closes: answers without an end then end. */
  readonly closing: AbortSignal;
}

export interface EventStreamsOptions {
  /** Streams that a team can have open. */
  readonly perTeam: number;
  /** How the refusal names them. */
  readonly things: string;
}

/** Answers that last and are sent as server-sent events, a limited number for each team. */
export class EventStreams {
  readonly #deps: EventStreamsDeps;
  readonly #options: EventStreamsOptions;
  readonly #open = new Map<string, number>();

  constructor(deps: EventStreamsDeps, options: EventStreamsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** A place of the team's, which counts until it is disposed of. @throws WrennError `limit_reached`. */
  take(teamId: string): Disposable {
    const { perTeam, things } = this.#options;
    const open = this.#open.get(teamId) ?? 0;
    if (open >= perTeam) throw new WrennError("limit_reached", { limit: perTeam, things });
    this.#open.set(teamId, open + 1);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        const left = (this.#open.get(teamId) ?? 1) - 1;
        if (left === 0) this.#open.delete(teamId);
        else this.#open.set(teamId, left);
      },
    };
  }

  /**
   * Sends what `events` yields; `undefined` is sent as a comment. Resolves when it has ended or the client left. A failure ends the
   * answer without its last chunk, so that it does not look complete.
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    events: (signal: AbortSignal) => AsyncIterable<StreamedEvent | undefined>,
  ): Promise<void> {
    const answer = new LastingAnswer(request, reply, {
      contentType: "text/event-stream",
      closing: this.#deps.closing,
    });
    const { signal } = answer;
    try {
      // The head is sent before anything happens.
      await answer.write(": \n\n");
      for await (const event of events(signal)) await answer.write(textOf(event));
      answer.end();
    } catch (error) {
      if (!signal.aborted)
        this.#deps.logger.warn("stream.ended", { request_id: request.id, problem: problemOf(error) });
      answer.breakOff();
    }
  }
}

function textOf(event: StreamedEvent | undefined): string {
  if (!event) return ": \n\n";
  return `id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}
