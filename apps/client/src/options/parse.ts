import { InvalidArgumentError } from "commander";

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNITS_MIB = { m: 1, g: 1024, t: 1024 * 1024 } as const;

/** `90s`, `10m`, `2h`, `1d`; a number alone is seconds. In milliseconds. */
export function duration(text: string): number {
  const [, number = "", unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (number === "") throw new InvalidArgumentError("a duration such as 90s, 10m, 2h or 1d is needed.");
  return Number(number) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

/** `512`, `512M`, `2G`, with or without `iB`: MiB where no unit is given. */
export function mebibytes(text: string): number {
  const [, number = "", unit = "m"] = /^(\d{1,7}(?:\.\d{1,3})?)([mgt])?(?:i?b)?$/i.exec(text) ?? [];
  const size = Number(number) * UNITS_MIB[unit.toLowerCase() as keyof typeof UNITS_MIB];
  if (number === "" || !Number.isInteger(size))
    throw new InvalidArgumentError("a size such as 512M or 2G is needed.");
  return size;
}

/** A whole number from 1. */
export function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("a whole number above 0 is needed.");
  return Number(text);
}

/** `NAME=value`, repeatable. */
export function pair(
  text: string,
  all: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError(`NAME=value is needed, not '${text}'.`);
  return { ...all, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Any text, repeatable. */
export function texts(text: string, all: readonly string[] | undefined): readonly string[] {
  return [...(all ?? []), text];
}

/** One of a list, repeatable or separated by commas. */
export function list(text: string, all: readonly string[] | undefined): readonly string[] {
  return [...(all ?? []), ...text.split(",").filter((item) => item !== "")];
}
