import type { Row } from "./row.ts";

/** A row that this machine cannot measure. */
export interface LeftOutRow {
  readonly name: string;
  readonly reason: string;
}

/** The rows that can be measured here, and the others with what is missing. */
export function measurableRows(rows: readonly Row[]): {
  readonly measurable: readonly Row[];
  readonly leftOut: readonly LeftOutRow[];
} {
  const measurable: Row[] = [];
  const leftOut: LeftOutRow[] = [];
  for (const row of rows) {
    const reason = row.missing?.();
    if (reason === undefined) measurable.push(row);
    else leftOut.push({ name: row.name, reason });
  }
  return { measurable, leftOut };
}
