/** What the user may have meant, or what there is. */
export function suggest(word: string, known: readonly string[]): string {
  // Nothing long is a typing mistake of one of these words.
  const near =
    word.length > 40
      ? undefined
      : known
          .map((one) => ({ one, far: distance(word.toLowerCase(), one.toLowerCase()) }))
          .filter(({ one, far }) => far <= (one.length > 4 ? 2 : 1) || lettersOf(one) === lettersOf(word))
          .sort((first, second) => first.far - second.far)[0];
  if (near !== undefined) return `Did you mean ${near.one}?`;
  return known.length === 0 ? "Remove it." : `Available: ${known.join(", ")}.`;
}

/** The letters of a word in another order are a typing mistake too. */
function lettersOf(word: string): string {
  return Array.from(word.toLowerCase()).sort().join("");
}

/** Insertions, deletions and replacements from one word to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [line, char] of Array.from(from).entries()) {
    const next = [line + 1];
    for (let at = 1; at <= to.length; at += 1)
      next.push(
        Math.min(
          (row[at] ?? 0) + 1,
          (next[at - 1] ?? 0) + 1,
          (row[at - 1] ?? 0) + (to[at - 1] === char ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[to.length] ?? 0;
}
