import { tryEmailAddress } from "../accounts/email-address.ts";

const MAX_NAME = 100;
const MAX_EMAIL = 254;
const CONTROLS = /\p{Cc}/gu;

/** The first of what a provider says that can be a name of ours. */
export function nameOf(...candidates: readonly (string | null | undefined)[]): string {
  for (const candidate of candidates) {
    const name = candidate?.replaceAll(CONTROLS, "").trim().slice(0, MAX_NAME).toWellFormed();
    if (name !== undefined && name !== "") return name;
  }
  return "Somebody";
}

/** An address in the form in which addresses are compared; undefined when it is none. */
export function emailOf(text: string | null | undefined): string | undefined {
  const address = tryEmailAddress(text ?? "")?.toWellFormed();
  return address !== undefined && address.length <= MAX_EMAIL ? address : undefined;
}
