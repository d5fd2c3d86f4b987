import { WrennError } from "@wrenn/core";

// One @ with something on both sides; whether mail arrives there is what activation proves.
const ADDRESS = /^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u;

/** The form in which addresses are compared. @throws WrennError `invalid_field`. */
export function emailAddress(text: string): string {
  const address = text.trim().toLowerCase();
  if (!ADDRESS.test(address))
    throw new WrennError("invalid_field", { field: "email", problem: "is not an email address" });
  return address;
}
