import { escapeText } from "./escape-text.ts";
import { widthOf } from "./text-width.ts";

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
