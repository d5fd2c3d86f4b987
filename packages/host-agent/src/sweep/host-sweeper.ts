import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Swept } from "./sweep-host.ts";

const TICK_MS = 5 * 60_000;

/** Looks for what nobody owns every few minutes and has it removed. */
export class HostSweeper {
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;

  constructor(sweep: () => Promise<readonly Swept[]>, logger: Logger) {
    const look = async (): Promise<void> => {
      try {
        for (const { outcome, ...what } of await sweep()) logger.warn(`host.sweep_${outcome}`, { ...what });
      } catch (error) {
        logger.error("host.sweep_failed", { problem: problemOf(error) });
      } finally {
        this.#looking = undefined;
      }
    };
    this.#timer = setInterval(() => void (this.#looking ??= look()), TICK_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }
}
