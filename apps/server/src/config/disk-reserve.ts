import { WrennError } from "@wrenn/core";

const FIELD = "WRENN_DISK_RESERVE";
const UNITS = { M: 2 ** 20, G: 2 ** 30 } as const;
const MOST_PERCENT = 90;

/**
 * How much of the host's disk capsules leave free: `20G`, `500M`, or `10%` of the file system.
 *
 * @returns undefined for the default.
 * @throws WrennError `invalid_field`.
 */
export function readDiskReserve(
  env: Readonly<Record<string, string | undefined>>,
): ((totalBytes: number) => number) | undefined {
  const text = env[FIELD];
  if (text === undefined) return undefined;
  const size = /^(\d{1,6})([MG])$/.exec(text);
  if (size) {
    const bytes = Number(size[1]) * (size[2] === "G" ? UNITS.G : UNITS.M);
    return () => bytes;
  }
  const percent = Number(/^(\d{1,2})%$/.exec(text)?.[1] ?? Number.NaN);
  if (percent <= MOST_PERCENT) return (totalBytes) => Math.floor((totalBytes * percent) / 100);
  throw new WrennError("invalid_field", {
    field: FIELD,
    problem: `must be a size or a part of the disk up to ${MOST_PERCENT}%, such as 20G, 500M or 10%, not '${text}'`,
  });
}

/**
 * Makes sure that a file system has room beside its reserve.
 *
 * @throws WrennError `invalid_field` for a reserve beside which nothing could ever be created.
 */
export function requireRoomBesideReserve(reserveBytes: number, totalBytes: number): void {
  if (reserveBytes < totalBytes) return;
  const inGib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new WrennError("invalid_field", {
    field: FIELD,
    problem: `must be less than the file system of the data directory, which has ${inGib(totalBytes)}, not ${inGib(reserveBytes)}`,
  });
}
