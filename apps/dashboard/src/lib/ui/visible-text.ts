/** Longest text of guests and members that is shown in one place. */
const MOST = 500;
/** Marks above and below one letter; more of them run into the lines around it. */
const STACKED = /(\p{M}{4})\p{M}+/gu;
/** Joins letters of some scripts and parts of emoji, and hides between others. */
const STRAY_JOINER = /(?<![^\0-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\0-\x7f])/gu;
/** What has no look of its own: controls, directions, widths of nothing. */
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** Sequences by which programs colour terminals and name windows (ECMA-48 §5.4, §8.3.89). */
// eslint-disable-next-line no-control-regex
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g;

/**
 * Text that a guest or a member wrote, as a page can show it: characters that hide, or turn the text around them, become visible.
 * The place around it isolates its direction (`guest-text`).
 */
export function visibleText(text: string): string {
  return withoutHidden(text.length > MOST ? `${text.slice(0, MOST)}…` : text);
}

/** The same of lines that a program printed: without colours, and with what it left of a line that it printed again and again. */
export function visibleOutput(text: string): string {
  const plain = text
    .replaceAll(SEQUENCES, "")
    .replaceAll(/\r+\n/g, "\n")
    .replaceAll(/[^\n]*\r/g, "");
  return withoutHidden(plain);
}

function withoutHidden(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(STACKED, "$1")
    .replaceAll(STRAY_JOINER, named)
    .replaceAll(UNSEEN, named);
}

/** "U+202E" in brackets, or the picture of a control character. */
function named(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x24_00 + code);
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
