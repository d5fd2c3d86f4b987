import { WrennError } from "@wrenn/core";

// One @ with something on both sides; whether mail arrives there is for others to prove.
const ADDRESS = /^[^\s@\p{Cc}\p{Cs}]+@[^\s@\p{Cc}\p{Cs}]+$/u;

/** The form in which addresses are compared. @throws WrennError `invalid_field`. */
export function emailAddress(text: string): string {
  const address = tryEmailAddress(text);
  if (address === undefined)
    throw new WrennError("invalid_field", { field: "email", problem: "is not an email address" });
  return address;
}

/** The same; undefined for what is no address. */
export function tryEmailAddress(text: string): string | undefined {
  const address = text.trim().toLowerCase();
  return ADDRESS.test(address) ? address : undefined;
}
