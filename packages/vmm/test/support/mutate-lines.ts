import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const corpus = join(import.meta.dirname, "../corpus/qmp");

/** Numbers below a bound, the same for the same seed (mulberry32). */
export function seededNumbers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** The lines from which a fuzzer begins: those of a real QEMU, and those that have broken something. */
export async function readLines(): Promise<readonly string[]> {
  const files = (await readdir(corpus)).toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(corpus, file), "utf8")));
  return texts.flatMap((text) => text.split("\n").filter((line) => line !== ""));
}

const ODD_VALUES: readonly string[] = [
  "null",
  "true",
  "-1",
  "1e999",
  "0.1",
  "9007199254740993",
  '""',
  '"paused"',
  '"\\u0000"',
  "[]",
  "{}",
  "[[[[]]]]",
  '{"__proto__":{}}',
  '"json:{\\"file\\":{\\"filename\\":[]}}"',
  `"${"a".repeat(2000)}"`,
];
/** A value in a line of JSON: the place of a mutation that keeps the line JSON. */
const VALUE = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|\[\]|\{\}/g;

/** A line like this one, changed in up to three places: mostly in one, because few lines survive more. */
export function mutate(line: string, random: (bound: number) => number): string {
  let changed = line;
  for (let left = Math.max(1, random(7) - 3); left > 0; left--) changed = mutateOnce(changed, random);
  return changed.slice(0, 20_000);
}

function mutateOnce(line: string, random: (bound: number) => number): string {
  const at = random(line.length + 1);
  const kind = random(16);
  if (kind > 7 || kind <= 3) return replaceValue(line, random);
  if (kind === 4) return line.slice(0, at);
  if (kind === 5) return line.slice(0, at) + line.slice(at + 1 + random(4));
  if (kind === 6) return line.slice(0, at) + String.fromCodePoint(random(0x3_00)) + line.slice(at);
  return line.slice(0, at) + line.slice(random(line.length + 1));
}

function replaceValue(line: string, random: (bound: number) => number): string {
  const values = [...line.matchAll(VALUE)];
  const value = values[random(values.length || 1)];
  if (!value) return line;
  const other = values[random(values.length)]?.[0] ?? "0";
  const replacement = random(3) === 0 ? other : (ODD_VALUES[random(ODD_VALUES.length)] ?? "0");
  return line.slice(0, value.index) + replacement + line.slice(value.index + value[0].length);
}
