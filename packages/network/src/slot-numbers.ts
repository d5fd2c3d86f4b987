import { WrennError } from "@wrenn/core";
import { MAX_SLOT } from "./slot.ts";

/**
 * Why a number is not free. `orphan`: the kernel holds a slot of it that was not made by this pool. `making` and `removing`: the
 * kernel is being changed. `ready`: it waits for a caller. `used`: a caller has it.
 */
export type SlotHolder = "orphan" | "making" | "ready" | "used" | "removing";

/**
 * Which slot numbers are taken, and why. A number passes from one holder to the next in one step and is free only after
 * {@link SlotNumbers.free}: there is no moment in which a number in use can be given out again.
 */
export class SlotNumbers {
  readonly #holders: Map<number, SlotHolder>;

  constructor(orphans: readonly number[]) {
    this.#holders = new Map(orphans.map((number) => [number, "orphan"]));
  }

  /** Takes the lowest free number, for `making`. @throws WrennError `host_full` when there is no free number. */
  reserve(): number {
    for (let number = 1; number <= MAX_SLOT; number += 1) {
      if (this.#holders.has(number)) continue;
      this.#holders.set(number, "making");
      return number;
    }
    throw new WrennError("host_full", { resource: "network slots" });
  }

  /** Passes a number on. @returns false when `from` does not hold it, and nothing was changed. */
  move(number: number, from: SlotHolder, to: SlotHolder): boolean {
    if (this.#holders.get(number) !== from) return false;
    this.#holders.set(number, to);
    return true;
  }

  /** Takes a number of which the kernel holds a slot, for `orphan`, unless it has a holder. */
  find(number: number): void {
    if (!this.#holders.has(number)) this.#holders.set(number, "orphan");
  }

  free(number: number): void {
    this.#holders.delete(number);
  }

  /** Numbers of one holder, in the order in which they were first taken. */
  of(holder: SlotHolder): readonly number[] {
    return [...this.#holders].flatMap(([number, held]) => (held === holder ? [number] : []));
  }

  get size(): number {
    return this.#holders.size;
  }
}
