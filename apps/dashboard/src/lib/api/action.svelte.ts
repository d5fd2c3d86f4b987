import { isAbort, problemOf } from "./problem.ts";
import type { Problem } from "./problem.ts";

/** Something that a person starts and that takes time: whether it goes on, and how it failed the last time. */
export class Action<Arguments extends readonly unknown[] = []> {
  isBusy = $state(false);
  problem = $state.raw<Problem>();
  readonly #perform: (...given: Arguments) => Promise<void>;

  constructor(perform: (...given: Arguments) => Promise<void>) {
    this.#perform = perform;
  }

  /** Does it, unless it goes on already. @returns whether it was done. */
  readonly run = async (...given: Arguments): Promise<boolean> => {
    if (this.isBusy) return false;
    this.isBusy = true;
    this.problem = undefined;
    try {
      await this.#perform(...given);
      return true;
    } catch (error) {
      if (!isAbort(error)) this.problem = problemOf(error);
      return false;
    } finally {
      this.isBusy = false;
    }
  };
}
