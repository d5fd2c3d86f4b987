import { requireBoundedJson } from "./measured-json.ts";
import type { JsonBounds } from "./measured-json.ts";

/**
 * Values as JSON. What JSON cannot say stands in an object with the one key `$`, and an object of the sender's that has such a key
 * is wrapped itself, so that every value comes back as it was.
 */
const MARK = "$";

/** @throws TypeError for functions and symbols. */
export function encodeValue(value: unknown): string {
  return JSON.stringify(pack(value)) ?? "null";
}

/** What one frame's header or an answer that is not a list may have. */
export const smallValue: JsonBounds = { values: 10_000, depth: 64 };

/**
 * @throws SyntaxError for text that is not JSON, TypeError for a wrapper that is not of this format, RangeError for a text beyond the
 * bounds.
 */
export function decodeValue(text: Uint8Array, bounds: JsonBounds = smallValue): unknown {
  requireBoundedJson(text, bounds);
  return unpack(JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString()));
}

function pack(value: unknown): unknown {
  if (typeof value === "bigint") return { [MARK]: "bigint", v: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { [MARK]: "number", v: String(value) };
  if (value === undefined || value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return { [MARK]: "bytes", v: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(pack);
  const entries = Object.entries(value).map(([key, inner]) => [key, pack(inner)] as const);
  const packed: Record<string, unknown> = Object.fromEntries(entries);
  return Object.hasOwn(value, MARK) ? { [MARK]: "object", v: packed } : packed;
}

function unpack(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(unpack);
  if (!Object.hasOwn(value, MARK)) return unpackEntries(value);
  const { [MARK]: kind, v: inner } = value as Readonly<Record<string, unknown>>;
  if (kind === "object" && typeof inner === "object" && inner !== null) return unpackEntries(inner);
  if (typeof inner !== "string") throw new TypeError("a wrapped value is damaged");
  if (kind === "bytes") return new Uint8Array(Buffer.from(inner, "base64"));
  if (kind === "bigint" && /^-?\d{1,30}$/.test(inner)) return BigInt(inner);
  if (kind === "number" && /^(-?Infinity|NaN)$/.test(inner)) return Number(inner);
  throw new TypeError("a wrapped value is of no known kind");
}

function unpackEntries(value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]));
}
