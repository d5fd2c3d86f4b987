/** Random bytes in hexadecimal. `crypto.randomUUID` is not there on pages without TLS. */
export function randomHex(bytes: number): string {
  const values = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}
