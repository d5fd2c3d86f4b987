const MAX_NAME = 40;
const MAX_ADDRESS = 100;

/**
 * A name that someone chose, as a mail to other people can carry it: letters, digits, spaces, hyphens and apostrophes, short. Nothing
 * of it becomes a link or a second line in the reader's mail program. Empty when nothing is left.
 */
export function plainName(name: string): string {
  const plain = name
    .replaceAll(/[^\p{L}\p{M}\p{N}' ’-]+/gu, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
  // Half of a character at the cut is dropped.
  return plain
    .slice(0, MAX_NAME)
    .replace(/[\ud800-\udbff]$/, "")
    .trim();
}

/** Who acted, for a mail to other people: a quoted name, and the address where it is short enough to be one of a person. */
export function plainPerson({ name, email }: { readonly name: string; readonly email: string }): string {
  const quoted = plainName(name);
  const address = email.length <= MAX_ADDRESS ? email : "";
  if (quoted === "") return address === "" ? "Someone" : address;
  return address === "" ? `“${quoted}”` : `“${quoted}” (${address})`;
}
