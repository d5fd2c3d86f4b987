import type { MetricsPoint } from "@wrenn/sdk";

/** Bytes per second of what points count since the point before; null where nothing says how long that was. */
export function ratesOf(
  points: readonly MetricsPoint[],
  bytesOf: (point: MetricsPoint) => number | undefined,
): readonly (number | null)[] {
  return points.map((point, index) => {
    const before = points[index - 1];
    const bytes = bytesOf(point);
    const seconds = before === undefined ? 0 : (point.at.getTime() - before.at.getTime()) / 1000;
    return bytes === undefined || seconds <= 0 ? null : bytes / seconds;
  });
}
