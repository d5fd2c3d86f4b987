import { createHash } from "node:crypto";

/** What a digest can be made of. */
export type CanonicalValue =
  | string
  | number
  | boolean
  | undefined
  | readonly CanonicalValue[]
  | { readonly [name: string]: CanonicalValue };

/** SHA-256, as hexadecimal digits, of a value in a form that does not depend on the order of its fields. Fields that are undefined are not there. */
export function canonicalDigest(value: CanonicalValue): string {
  return createHash("sha256").update(canonicalText(value)).digest("hex");
}

function canonicalText(value: CanonicalValue): string {
  if (value === undefined) return "null";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one: CanonicalValue) => canonicalText(one)).join(",")}]`;
  const fields = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, one]) => `${JSON.stringify(name)}:${canonicalText(one)}`);
  return `{${fields.join(",")}}`;
}
