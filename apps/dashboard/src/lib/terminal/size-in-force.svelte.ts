import type { ScreenSize } from "./terminal-screen.ts";

/** The size of a terminal, which all its viewers share: that of the pane that was used last. */
export class SizeInForce {
  /** What the terminal has; undefined before it is known. */
  current = $state.raw<ScreenSize>();
  /** Whether this page has asked for it. */
  isOwn = $state(false);
  /** Asked for here, and not yet in force; the last one is what counts. */
  #pending: ScreenSize[] = [];
  #asked: ScreenSize | undefined;

  /** What this page has asked for last. */
  get asked(): ScreenSize | undefined {
    return this.#asked;
  }

  is(size: ScreenSize): boolean {
    return this.current !== undefined && isSame(this.current, size);
  }

  /** Somebody uses this page: it asks for a size. @returns whether that is not asked for or in force already. */
  ask(size: ScreenSize): boolean {
    if (this.isOwn && this.#asked && isSame(this.#asked, size)) return false;
    this.#asked = size;
    this.#pending.push(size);
    this.isOwn = true;
    return true;
  }

  /** The terminal has a size: one that was asked for here, or by another viewer. */
  set(size: ScreenSize): void {
    this.current = size;
    const at = this.#pending.findLastIndex((pending) => isSame(pending, size));
    // Sizes that follow each other quickly are not all reported.
    if (at !== -1) this.#pending = this.#pending.slice(at + 1);
    else if (this.#pending.length === 0) this.isOwn = this.#asked !== undefined && isSame(this.#asked, size);
  }
}

function isSame(one: ScreenSize, other: ScreenSize): boolean {
  return one.cols === other.cols && one.rows === other.rows;
}
