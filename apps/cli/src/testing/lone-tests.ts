/** Said by test files that look at the whole machine, or take much of it, with their reason. */
const MARK = "/* Alone: ";

/** Whether a test file, by its text, runs when no other one does. */
export function runsAlone(text: string): boolean {
  return text.includes(MARK);
}
