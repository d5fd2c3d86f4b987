/** The anchors that GitHub gives to the headings of a page, in their order: those of equal ones are numbered. */
export class HeadingAnchors {
  readonly #used = new Map<string, number>();

  next(heading: string): string {
    const base = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    const before = this.#used.get(base) ?? 0;
    this.#used.set(base, before + 1);
    return before === 0 ? base : `${base}-${before}`;
  }
}
