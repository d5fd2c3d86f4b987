/** What ends a paste, in both notations: inside of the text it would make the rest of it look typed. */
const PASTE_ENDS = ["\u001b[201~", "\u009b201~"];

/**
 * Pasted text as a program that asked for brackets may get it: whole, but without the sequence that ends a paste.
 * Emulators set the brackets and do not look into the text.
 */
export function withoutPasteEnd(text: string): string {
  let before: string;
  let after = text;
  // What is left may form another one.
  do {
    before = after;
    for (const end of PASTE_ENDS) after = after.replaceAll(end, "");
  } while (after !== before);
  return after;
}
