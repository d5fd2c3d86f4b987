import { escapeText } from "./escape-text.ts";

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
}

const GAP = "  ";

/**
 * Rows as text in columns, one line each, with a head. Values are escaped: names and metadata are chosen by others. The last
 * column is not padded, so that lines have no spaces at their end.
 */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [
    columns.map(({ title }) => title.toUpperCase()),
    ...rows.map((row) => columns.map(({ value }) => escapeText(value(row)))),
  ];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => widthOf(line[at] ?? ""))));
  return cells
    .map((line) => {
      const padded = line.map((cell, at) => {
        const space = " ".repeat((widths[at] ?? 0) - widthOf(cell));
        return columns[at]?.isNumber === true ? space + cell : cell + space;
      });
      return `${padded.join(GAP).trimEnd()}\n`;
    })
    .join("");
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
/** East Asian wide characters and pictographs take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Columns that the text takes on a terminal. */
function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}
