/** C0 and C1 controls, DEL, and what changes the direction of text: a guest must not be able to move the cursor of the reader. */
const CONTROLS = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text of a guest or a server for a terminal or a table: controls are shown as `\xNN` or `\u{NNNN}`. */
export function escapeText(text: string): string {
  return text.replaceAll(CONTROLS, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16).padStart(2, "0");
    return code < 0x100 ? `\\x${hex}` : `\\u{${hex}}`;
  });
}
