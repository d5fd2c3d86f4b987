/**
 * Public identifiers: a prefix and 25 lower-case base36 characters that encode a random 128-bit UUIDv4
 * (docs/reference/values.md#ids). The database keeps the UUID; every boundary speaks the prefixed form.
 */
import { WrennError } from "./wrenn-error.ts";
import type { Random } from "./random.ts";

const prefixes = {
  capsule: "cl-",
  user: "usr-",
  team: "team-",
  apiKey: "key-",
  host: "host-",
  auditLog: "log-",
  channel: "ch-",
  upload: "up-",
  portLink: "link-",
  build: "bld-",
  session: "ses-",
} as const;

export type IdKind = keyof typeof prefixes;

const BODY_LENGTH = 25;
const BODY = /^[0-9a-z]{25}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX = (1n << 128n) - 1n;

/** How an error message calls each kind; the contract fixes these texts ("invalid sandbox ID"). */
const nouns: Record<IdKind, string> = {
  capsule: "sandbox",
  user: "user",
  team: "team",
  apiKey: "API key",
  host: "host",
  auditLog: "audit log",
  channel: "channel",
  upload: "upload",
  portLink: "link",
  build: "build",
  session: "session",
};

/** Formats a hyphenated UUID as a public id of the given kind. */
export function formatId(kind: IdKind, uuid: string): string {
  const value = BigInt(`0x${uuid.replaceAll("-", "")}`);
  return prefixes[kind] + value.toString(36).padStart(BODY_LENGTH, "0");
}

/**
 * Reads a public id back into a hyphenated UUID.
 *
 * @throws WrennError `invalid_id` when prefix, length, alphabet or range is wrong.
 */
export function parseId(kind: IdKind, text: string): string {
  const prefix = prefixes[kind];
  const body = text.startsWith(prefix) ? text.slice(prefix.length) : "";
  if (!BODY.test(body)) throw new WrennError("invalid_id", { noun: nouns[kind], prefix });
  let value = 0n;
  for (const digit of body) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  if (value > MAX) throw new WrennError("invalid_id", { noun: nouns[kind], prefix });
  return hyphenate(value.toString(16).padStart(32, "0"));
}

/** Whether a text is a hyphenated UUID in lower case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Draws a new id of the given kind. */
export function newId(kind: IdKind, random: Random): string {
  return formatId(kind, random.uuid());
}

function hyphenate(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
