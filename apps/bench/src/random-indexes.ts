/**
 * Indexes that look random and are the same for the same seed: xorshift of 32 bits (G. Marsaglia, "Xorshift RNGs", 2003).
 *
 * @param seed - not 0.
 * @returns a function that gives an index below its argument.
 */
export function randomIndexes(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}
