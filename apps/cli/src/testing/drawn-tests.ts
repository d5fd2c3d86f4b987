/** Said by test files that take long, and of which each run takes a half, with the reason why that is enough. */
const MARK = "/* Drawn: ";

/** A test file with its text. */
export interface ReadTest {
  readonly path: string;
  readonly text: string;
}

/**
 * The files of a group that a run takes: those that say so are drawn, and of two neighbours among them always one is taken.
 *
 * @param seed - a whole number; the same one draws the same files.
 */
export function drawTests<T extends ReadTest>(files: readonly T[], seed: number): readonly T[] {
  let drawn = 0;
  return files.filter(({ text }) => !text.includes(MARK) || (drawn++ + seed) % 2 === 0);
}
