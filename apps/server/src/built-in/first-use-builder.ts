import type { FirstUseBuilds, FirstUseState } from "@wrenn/control-plane";
import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";

/** After a failure a template is not tried again for this long. */
const REST_MS = 60_000;

/**
 * Builds a template next to the server.
 *
 * @param onProgress - takes what it does, in words for people.
 * @throws whatever kept the template from being built.
 */
export type BuildBuiltIn = (
  name: string,
  onProgress: (text: string) => void,
  signal: AbortSignal,
) => Promise<void>;

export interface FirstUseBuilderDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly build: BuildBuiltIn;
}

interface Ended {
  readonly state: FirstUseState;
  /** By the monotonic clock, ms. */
  readonly atMs: number;
}

/** Builds templates when a create needs them, one at a time. Its disposal breaks off the one that is built. */
export class FirstUseBuilder implements FirstUseBuilds, AsyncDisposable {
  readonly #deps: FirstUseBuilderDeps;
  readonly #closing = new AbortController();
  /** What is done for each template that is built or waits. */
  readonly #running = new Map<string, string>();
  readonly #failed = new Map<string, Ended>();
  #last: Promise<void> = Promise.resolve();

  constructor(deps: FirstUseBuilderDeps) {
    this.#deps = deps;
  }

  need(name: string): FirstUseState {
    const { clock } = this.#deps;
    const progress = this.#running.get(name);
    if (progress !== undefined) return { kind: "running", progress };
    const failed = this.#failed.get(name);
    if (failed && clock.monotonic() < failed.atMs + REST_MS) return failed.state;
    this.#failed.delete(name);
    const first = this.#running.size === 0 ? "begins" : "waits for another one";
    this.#running.set(name, first);
    this.#last = this.#last.then(async () => await this.#build(name));
    return { kind: "running", progress: first };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the server is closing"));
    await this.#last;
  }

  async #build(name: string): Promise<void> {
    const { clock, logger, build } = this.#deps;
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const startedAt = clock.monotonic();
    logger.info("template.first_use", { template: name });
    try {
      await build(name, (text) => this.#running.set(name, text), signal);
      const seconds = Math.round((clock.monotonic() - startedAt) / 1000);
      logger.info("template.built", { template: name, seconds });
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      logger.error("template.build_failed", { template: name, problem });
      this.#failed.set(name, { state: { kind: "failed", problem }, atMs: clock.monotonic() });
    } finally {
      this.#running.delete(name);
    }
  }
}
