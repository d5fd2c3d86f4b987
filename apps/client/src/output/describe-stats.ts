import type { MetricsPoint } from "@wrenn/sdk";
import type { Column } from "./table.ts";

/** The newest measurement of a capsule. */
export interface Sample {
  readonly id: string;
  readonly name: string | undefined;
  /** Absent until it is measured. */
  readonly point: MetricsPoint | undefined;
  /** Milliseconds that the point is about, for rates. */
  readonly ms: number | undefined;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
const ABSENT = "-";

/** `0 B`, `1.5 KiB`, `512 MiB`. */
export function bytesText(bytes: number): string {
  let [size, at] = [bytes, 0];
  for (; size >= 1023.95 && at < UNITS.length - 1; at++) size /= 1024;
  const digits = at === 0 || size >= 99.95 ? 0 : 1;
  return `${Number(size.toFixed(digits))} ${UNITS[at]}`;
}

/** The columns of `wrenn stats`. */
export const statsColumns: readonly Column<Sample>[] = [
  { title: "id", value: ({ id }) => id },
  { title: "name", value: ({ name = "" }) => name },
  numeric("cpu", ({ point }) => point && `${point.cpuPercent.toFixed(1)} %`),
  numeric("memory", ({ point }) => point && usedOf(point.memoryBytes, point.memoryTotalBytes)),
  numeric(
    "disk",
    ({ point }) => point && usedOf(point.diskUsedBytes ?? point.diskBytes, point.diskTotalBytes),
  ),
  numeric("net in", ({ point, ms }) => rate(point?.networkInBytes, ms)),
  numeric("net out", ({ point, ms }) => rate(point?.networkOutBytes, ms)),
];

function numeric(title: string, value: (sample: Sample) => string | undefined): Column<Sample> {
  return { title, value: (sample) => value(sample) ?? ABSENT, isNumber: true };
}

function usedOf(used: number, total: number | undefined): string {
  return total === undefined ? bytesText(used) : `${bytesText(used)} of ${bytesText(total)}`;
}

function rate(bytes: number | undefined, ms: number | undefined): string | undefined {
  return bytes === undefined || ms === undefined || ms <= 0
    ? undefined
    : `${bytesText(Math.round((bytes * 1000) / ms))}/s`;
}
