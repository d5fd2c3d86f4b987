import { domainToASCII } from "node:url";
import { WrennError } from "@wrenn/core";

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** RFC 1035 §2.3.4, without the final dot. */
const MAX_NAME = 253;

/** A domain rule: one name, or everything below one. */
export interface DomainPattern {
  /** As it is written in ASCII and lower case: `example.com` or `*.example.com`. */
  readonly text: string;
  /** Whether the name, in any case and with or without the final dot, falls under the rule. */
  matches(name: string): boolean;
}

/**
 * Parses `example.com` (that name only), `*.example.com` (every name below it, not itself) or `*` (every name).
 *
 * @throws WrennError `invalid_field` naming `field`.
 */
export function parseDomain(text: string, field: string): DomainPattern {
  if (text === "*") return { text, matches: () => true };
  const wildcard = text.startsWith("*.");
  const name = normalise(domainToASCII(wildcard ? text.slice(2) : text));
  const labels = name.split(".");
  // An all-numeric top label is an address that was mistyped, never a name.
  if (
    name.length > MAX_NAME ||
    !labels.every((label) => LABEL.test(label)) ||
    /^\d+$/.test(labels.at(-1) ?? "")
  )
    throw new WrennError("invalid_field", {
      field,
      problem: "must hold IPv4 addresses, CIDR blocks or domain names such as example.com and *.example.com",
    });
  return {
    text: wildcard ? `*.${name}` : name,
    matches: (other) => (wildcard ? normalise(other).endsWith(`.${name}`) : normalise(other) === name),
  };
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
