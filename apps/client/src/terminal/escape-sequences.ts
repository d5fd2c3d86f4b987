/** Longest sequence that is waited for when output was cut inside of it. */
const LONGEST = 256;
/** ESC, CSI without its final byte, and OSC, DCS or APC without their end, which may be cut in its middle. */
// oxlint-disable-next-line no-control-regex -- escape sequences are made of control characters
const OPEN = /\u001b(?:[ -/]*|\[[0-?]*[ -/]*|[\]P_][^\u0007\u001b]*\u001b?)$/;

/**
 * How many characters at the end of `text` may be the beginning of a sequence whose rest follows: output is cut anywhere.
 *
 * @param from - where the last whole sequence ended.
 */
export function unfinishedSequence(text: string, from: number): number {
  return OPEN.exec(text.slice(Math.max(from, text.length - LONGEST)))?.[0].length ?? 0;
}
