/*
 * Names of files are bytes and need not be UTF-8. In this package they are byte strings: each character is one byte. They are compared,
 * split and used as keys like other strings, and keep every name as it is.
 */

/** Bytes as a byte string. */
export function byteString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The byte string of a text, in UTF-8. */
export function toByteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

export function bytesOfString(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

const SHOWN_BYTES = 200;

/** A byte string for people: of bounded length, without control characters, and with marks for what is not UTF-8. */
export function shown(name: string): string {
  const text = bytesOfString(name.slice(0, SHOWN_BYTES)).toString("utf8").replaceAll(/\p{C}/gu, "\u{FFFD}");
  return name.length > SHOWN_BYTES ? `${text}…` : text;
}
