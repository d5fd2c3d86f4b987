import type { CapsuleInfo } from "@wrenn/sdk";
import { problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import { nameOf } from "./capsule-query.ts";

/** How many are changed at the same time. */
const AT_ONCE = 4;

/** A capsule that could not be changed, and why. */
export interface FailedChange {
  readonly id: string;
  readonly name: string;
  readonly problem: Problem;
}

/** One change of several capsules: one that fails does not keep the others from theirs. */
export class BulkChange {
  isBusy = $state(false);
  /** Of the last change. */
  failed = $state.raw<readonly FailedChange[]>([]);
  /** How many the last change was for. */
  count = $state(0);

  /** @param onChanged - called for each capsule that was changed. */
  async run(
    capsules: readonly CapsuleInfo[],
    perform: (id: string) => Promise<void>,
    onChanged: (id: string) => void = () => {},
  ): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    this.count = capsules.length;
    this.failed = [];
    const left = [...capsules];
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) {
        const { id } = next;
        try {
          await perform(id);
          onChanged(id);
        } catch (error) {
          this.failed = [...this.failed, { id, name: nameOf(next), problem: problemOf(error) }];
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      this.isBusy = false;
    }
  }

  readonly dismiss = (): void => {
    this.failed = [];
  };
}
