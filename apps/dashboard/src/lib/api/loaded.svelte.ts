import { isAbort, problemOf } from "./problem.ts";
import type { Problem } from "./problem.ts";

/** Something that a page shows and that is read from the server: what was read last stays visible while it is read again. */
export class Loaded<Value> {
  value = $state.raw<Value>();
  problem = $state.raw<Problem>();
  readonly #read: (signal: AbortSignal) => Promise<Value>;
  #reading: AbortController | undefined;

  constructor(read: (signal: AbortSignal) => Promise<Value>) {
    this.#read = read;
  }

  /** Reads it, instead of a read that is under way. */
  readonly load = async (): Promise<void> => {
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    try {
      const value = await this.#read(reading.signal);
      if (reading.signal.aborted) return;
      this.value = value;
      this.problem = undefined;
    } catch (error) {
      if (!reading.signal.aborted && !isAbort(error)) this.problem = problemOf(error);
    }
  };

  /** For an effect: reads it now, and ends the read with the page. */
  attach(): () => void {
    void this.load();
    return () => this.#reading?.abort();
  }
}
