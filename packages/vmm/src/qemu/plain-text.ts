/** Text of a guest or of QEMU for people: printable ASCII only, at most `limit` characters. */
export function plainText(text: string, limit: number): string {
  // Cut first: the text may be a megabyte.
  return text
    .slice(0, limit)
    .replaceAll(/[^\u0020-\u007e]/g, "")
    .trim();
}
