import { byteString } from "./byte-string.ts";
import { TarError } from "./tar-error.ts";
import type { Timestamp } from "./tar-entry.ts";

/** One `keyword=value`; the keyword is a byte string, and an empty value takes an earlier one back. */
export type PaxRecord = readonly [keyword: string, value: Buffer];

/**
 * Reads an extended header: records `LENGTH keyword=value\n` (pax specification, "pax Extended Header"). Values are bytes: those of
 * extended attributes are no text.
 *
 * @throws TarError
 */
export function parsePaxRecords(bytes: Buffer): readonly PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    const blank = bytes.subarray(at, at + 12).indexOf(0x20);
    const digits = blank === -1 ? "" : bytes.toString("latin1", at, at + blank);
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < blank + 3 || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw new TarError("an extended header has a record of the wrong length");
    const equals = bytes.subarray(at, end).indexOf(0x3d);
    if (equals <= blank + 1) throw new TarError("an extended header has a record without a keyword");
    records.push([
      byteString(bytes.subarray(at + blank + 1, at + equals)),
      bytes.subarray(at + equals + 1, end - 1),
    ]);
    at = end;
  }
  return records;
}

/** A whole number that is not negative. @throws TarError */
export function paxNumber(value: Buffer, keyword: string): number {
  const text = byteString(value);
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number))
    throw new TarError(`an extended header has ${keyword} that is not a number`);
  return number;
}

/** Seconds with a fraction. @throws TarError */
export function paxTime(value: Buffer, keyword: string): Timestamp {
  const [whole, minus, digits, fraction = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(byteString(value)) ?? [];
  if (whole === undefined) throw new TarError(`an extended header has ${keyword} that is not a time`);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  const seconds = Number(digits);
  if (minus === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}
