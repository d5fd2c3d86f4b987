import type { SeededRandom } from "./seeded-random.ts";

const numbers = [0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, Number.MIN_VALUE] as const;
const texts = [
  "",
  "\u0000",
  "\u001b[2J\r\nlevel=error",
  "\ud800",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "'; drop table sandboxes; --",
  "x".repeat(70_000),
] as const;
const wrappers: readonly [object, ...object[]] = [
  { $: "bigint", v: "9".repeat(29) },
  { $: "bigint", v: "1e9" },
  { $: "bytes", v: "AAAA" },
  { $: "number", v: "Infinity" },
  { $: "number", v: "NaN" },
  { $: "object", v: { $: 1 } },
  { $: "function", v: "1" },
];

/** The answer of an honest host with a few lies in it. `names` are those of others: capsules, templates, hosts. */
export function mutated(value: unknown, random: SeededRandom, names: readonly string[]): unknown {
  if (random.next() < 0.08) return lie(random, names);
  if (Array.isArray(value)) {
    const list = value.map((one: unknown) => mutated(one, random, names));
    if (random.next() < 0.15) return Array.from({ length: random.below(5000) }, () => list[0] ?? null);
    return random.next() < 0.1 ? list.slice(1) : list;
  }
  if (typeof value !== "object" || value === null)
    return typeof value === "string" && random.next() < 0.2 ? lie(random, names) : value;
  const entries = Object.entries(value)
    .filter(() => random.next() > 0.03)
    .map(([key, inner]) => [key, mutated(inner, random, names)] as const);
  if (random.next() < 0.05) entries.push([random.pick(texts), lie(random, names)]);
  return Object.fromEntries(entries);
}

function lie(random: SeededRandom, names: readonly string[]): unknown {
  switch (random.below(7)) {
    case 0:
      return random.pick(numbers);
    case 1:
      return random.pick(texts);
    case 2:
      return random.pick(wrappers);
    case 3:
      return null;
    case 4:
      return Array.from({ length: random.below(40) }, () => ({}));
    case 5:
      return { value: {}, error: { reason: "operation_failed", message: "" } };
    default:
      return names[random.below(names.length)] ?? "";
  }
}

/** The same bytes with some of them changed, missing, repeated or added. */
export function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(4)) {
    case 0: {
      const copy = Buffer.from(bytes);
      for (let n = random.below(8); n >= 0 && copy.length > 0; n--)
        copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(64)), bytes.subarray(at)]);
  }
}

/** Something like a frame of a stream: lengths, a header and a payload, each of them possibly wrong. */
export function strangeFrame(random: SeededRandom): Buffer {
  const header = Buffer.from(
    random.pick([
      '{"value":null}',
      '{"beat":true}',
      '{"end":true}',
      '{"end":1}',
      '{"error":{"message":"no"}}',
      '{"error":{"reason":"token_invalid","message":"no"}}',
      '{"error":null}',
      '{"value":{"type":"data","stream":"stdout","offset":9007199254740991}}',
      '{"value":{"type":"exit","exit":{"exitCode":0}}}',
      '{"value":{"taken":1}}',
      '{"kind":"unknown"}',
      "[".repeat(500),
      "\u0000",
    ]),
  );
  const payload = random.bytes(random.below(300));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(random.next() < 0.1 ? random.below(2 ** 32) : header.length, 0);
  lengths.writeUInt32BE(random.next() < 0.1 ? random.below(2 ** 32) : payload.length, 4);
  return Buffer.concat([lengths, header, payload]);
}
