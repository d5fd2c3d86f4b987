/** Longest title of a tab. */
const TITLE_CHARACTERS = 80;
/** Characters of an offered text that are shown. */
const PREVIEW_CHARACTERS = 60;
/** What draws nothing, or changes the direction of what is beside it: control and format characters, and separators of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]+/gu;

/** A title that a program gave itself, as a name of a tab: only what can be seen. */
export function safeTitle(title: string): string {
  return shortened(title.slice(0, 4 * TITLE_CHARACTERS).replace(UNSEEN, ""), TITLE_CHARACTERS).trim();
}

/** The beginning of a text that a program offers, in one line. */
export function safePreview(text: string): string {
  return shortened(text.slice(0, 4 * PREVIEW_CHARACTERS).replace(UNSEEN, " "), PREVIEW_CHARACTERS).trim();
}

/**
 * The address that a link opens, as browsers write it: in ASCII, so that no letter can pass for another one.
 *
 * @returns undefined where it is not http or https.
 */
export function openableAddress(address: string): string | undefined {
  const url = URL.parse(address);
  return url?.protocol === "http:" || url?.protocol === "https:" ? url.href : undefined;
}

function shortened(text: string, most: number): string {
  const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
